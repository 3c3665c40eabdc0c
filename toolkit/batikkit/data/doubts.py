"""Photographs whose label the others contradict (Northcutt, Jiang and Chuang 2021: learning from out-of-fold answers).

How much contradiction is much depends on the set: where motifs are alike even right labels are contradicted. So
wrong labels are planted, many times over, and the limit is set where as many of them are found as were asked for.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from batikkit.data.smoother import Floats, one_hot, out_of_fold

FOUND = 0.78
"""Share of planted wrong labels that the limit lets through. More of those that were there before are found, since
planted ones come on top of them. Of 0.65 to 0.83 the one nearest to 80 % at 60 %, on seeds that are not reported."""

MOST = 0.15
"""Share of all labels that are doubted at most: where more are contradicted, features say little of these motifs."""

PLANTED = 0.05
"""Share of labels that are made wrong in each round."""

_ROUNDS = 20
_NEIGHBOURS = 3


@dataclass(frozen=True)
class Doubt:
    """A photograph whose label the others contradict.

    Attributes:
        path: The file.
        label: Its motif, as its folder or table says.
        suggested: The motif that the others say.
        margin: By how much the suggested one is ahead, in shares of a vote; the larger, the surer.
        alike: The photographs of the suggested motif that look most like it.
        own: The same of its own motif.
    """

    path: str
    label: str
    suggested: str
    margin: float
    alike: tuple[str, ...]
    own: tuple[str, ...]


@dataclass(frozen=True)
class LabelCheck:
    """What the photographs say of each other's labels.

    Attributes:
        described: What described them.
        read: Share of the photographs whose label the others name, 0..1.
        limit: Margin from which a label is doubted.
        planted_found: Share of the wrong labels planted that this limit finds.
        doubts: The surest first.
    """

    described: str
    read: float
    limit: float
    planted_found: float
    doubts: tuple[Doubt, ...]


def check_labels_of(
    points: Floats,
    paths: Sequence[str],
    labels: Sequence[str],
    groups: Sequence[Hashable],
    *,
    described: str,
    seed: int = 0,
) -> LabelCheck:
    """Looks for labels that the other photographs contradict.

    Args:
        points: Float64 [N, M], as `smoother.embed` makes them of features.
        paths: The N files.
        labels: Their motifs.
        groups: Their cloths: none speaks for its own.
        described: What made the features.
        seed: Plants wrong labels and deals folds.
    """
    names = sorted(set(labels))
    given = np.array([names.index(label) for label in labels], np.int64)
    rng = np.random.default_rng(seed)
    rounds = [given, *(_planted(given, len(names), rng) for _ in range(_ROUNDS))]
    targets = np.concatenate([one_hot(one, len(names)) for one in rounds], axis=1)
    answers = np.split(out_of_fold(points, targets, groups, seed=seed), len(rounds), axis=1)
    margins = [_margins(answer, one) for answer, one in zip(answers, rounds, strict=True)]
    wrong = [margin[one != given] for margin, one in zip(margins[1:], rounds[1:], strict=True)]
    limit = max(float(np.quantile(np.concatenate(wrong), 1 - FOUND)), float(np.quantile(margins[0], 1 - MOST)), 0.0)
    doubted = [int(i) for i in np.argsort(-margins[0]) if margins[0][i] > limit]
    best = answers[0].argmax(axis=1)
    doubts = tuple(
        Doubt(
            paths[i], names[given[i]], names[best[i]], round(float(margins[0][i]), 3),
            _alike(points, i, given == best[i], paths, groups), _alike(points, i, given == given[i], paths, groups),
        )
        for i in doubted
    )  # fmt: skip
    found = float((np.concatenate(wrong) > limit).mean())
    return LabelCheck(described, float((best == given).mean()), round(limit, 3), round(found, 3), doubts)


def _planted(given: NDArray[np.int64], classes: int, rng: np.random.Generator) -> NDArray[np.int64]:
    chosen = rng.choice(len(given), max(1, round(PLANTED * len(given))), replace=False)
    wrong = given.copy()
    wrong[chosen] = (given[chosen] + rng.integers(1, classes, len(chosen))) % classes
    return np.asarray(wrong, np.int64)


def _margins(answers: Floats, labels: NDArray[np.int64]) -> Floats:
    """How far the best other motif is ahead of each row's own."""
    rows = np.arange(len(labels))
    others = answers.copy()
    others[rows, labels] = -np.inf
    return np.asarray(others.max(axis=1) - answers[rows, labels], np.float64)


def _alike(
    points: Floats, index: int, among: NDArray[np.bool_], paths: Sequence[str], groups: Sequence[Hashable]
) -> tuple[str, ...]:
    nearness = np.where(among, points @ points[index], -np.inf)
    ordered = (int(i) for i in np.argsort(-nearness) if among[i] and i != index)
    others = [i for i in ordered if groups[i] != groups[index]]
    return tuple(paths[i] for i in others[:_NEIGHBOURS])
