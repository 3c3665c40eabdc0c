"""Who goes on, who is chosen, and how right that choice is: nested, so that no fold judges what it helped to choose.

For every fold the whole search is made once more without it: finalists and winner by the photographs of the other
folds, asked of heads that saw neither those nor this fold. The winner then names this fold's photographs. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from batikkit.fit.trial import Trial

Name = TypeVar("Name")
Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Truth:
    """What is known of the photographs: int64 [N] each, motif and fold."""

    labels: NDArray[np.int64]
    folds: NDArray[np.int64]

    @property
    def views(self) -> tuple[int | None, ...]:
        """The fold that is left out of the choice: none, then each."""
        return (None, *range(int(self.folds.max()) + 1))


def score(trial: Trial, truth: Truth, *, without: int | None = None) -> float:
    """Share of photographs named right by heads that saw neither them nor the fold `without`, which is not asked."""
    if without is None:
        named = trial.paired[np.arange(len(truth.folds)), truth.folds]
        return float(np.mean(named == truth.labels))
    asked = truth.folds != without
    return float(np.mean(trial.paired[asked, without] == truth.labels[asked]))


def ranked(trials: Mapping[Name, Trial], truth: Truth, order: Sequence[Name], *, without: int | None) -> list[Name]:
    """The trials' names, best first; of equals the one that `order` has first."""
    return sorted(
        (name for name in order if name in trials), key=lambda name: -score(trials[name], truth, without=without)
    )


@dataclass(frozen=True)
class Finalists(Generic[Name]):
    """Who goes on: `by_view` for the choice without each fold (None: with all), `everyone` in any of them."""

    by_view: Mapping[int | None, tuple[Name, ...]]

    @property
    def everyone(self) -> tuple[Name, ...]:
        """Each once, those of the choice with all folds first."""
        return tuple(dict.fromkeys(name for names in self.by_view.values() for name in names))


def finalists(trials: Mapping[Name, Trial], truth: Truth, order: Sequence[Name], *, keep: int) -> Finalists[Name]:
    """The `keep` best scouts of every view."""
    return Finalists({view: tuple(ranked(trials, truth, order, without=view)[:keep]) for view in truth.views})


@dataclass(frozen=True, eq=False)
class Choice(Generic[Name]):
    """What is chosen.

    Attributes:
        winner: By all photographs.
        by_fold: By those of the other folds, for each fold.
        right: bool [N]: whether the one chosen without a photograph's fold names it right. Its mean is honest.
    """

    winner: Name
    by_fold: tuple[Name, ...]
    right: Bools


def choose(trials: Mapping[Name, Trial], truth: Truth, going: Finalists[Name], order: Sequence[Name]) -> Choice[Name]:
    """Chooses among the finalists by their full trials, once with all folds and once without each."""
    best = {}
    for view, names in going.by_view.items():
        best[view] = ranked(trials, truth, [name for name in order if name in names], without=view)[0]
    by_fold = tuple(best[view] for view in truth.views if view is not None)
    right = np.zeros(len(truth.labels), np.bool_)
    for fold, name in enumerate(by_fold):
        asked = truth.folds == fold
        right[asked] = trials[name].tested[asked] == truth.labels[asked]
    return Choice(best[None], by_fold, right)
