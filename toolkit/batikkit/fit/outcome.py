"""What a search came to, as it is told: the front, the choice, what the next step up would bring; and its file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from batikkit import atomic
from batikkit.fit.budget import Budget, Measured, Step, over
from batikkit.fit.candidates import Candidate
from batikkit.fit.trial import Trial
from batikkit.intervals import accuracy_interval

if TYPE_CHECKING:
    from batikkit.fit.search import Found, Photographs

SCHEMA_VERSION = 1
OUTCOME_FILE, PAGE_FILE = "fit.json", "fit.html"


@dataclass(frozen=True)
class Figure:
    """An accuracy with its 95 % interval, 0..1."""

    accuracy: float
    interval: tuple[float, float]

    @property
    def text(self) -> str:
        """`83.1 % (79.5-86.2)`."""
        low, high = self.interval
        return f"{100 * self.accuracy:.1f} % ({100 * low:.1f}-{100 * high:.1f})"


@dataclass(frozen=True)
class Point:
    """A file that was measured, and what its network's scout named right, where it had one.

    Attributes:
        fits: Within the budget.
        on_front: No other that fits is at least as right and as fast, and better in one.
    """

    row: Measured
    scout: Figure | None
    fits: bool
    on_front: bool


@dataclass(frozen=True)
class NextStep:
    """What a larger budget would let in, and how right its scout is beside the winner's."""

    step: Step
    scout: Figure | None
    gain_pp: float | None

    @property
    def text(self) -> str:
        """`with 52.1 ms: mobilenet-v2 1.0, 224 px, int8: about +1.2 points`."""
        gained = "its weights are not here" if self.gain_pp is None else f"{self.gain_pp:+.1f} points, by its scout"
        return f"{self.step.text}: {gained}"


@dataclass(frozen=True)
class Outcome:
    """Everything that is told.

    Attributes:
        data: The photographs' folder.
        board: What was measured.
        budget: In words.
        points: Every measured file, fastest first.
        chosen: The winner's file; `winner` its own tested figure, which is a little too good: it was chosen by it.
        honest: What choosing so names right: nested.
        by_fold: What would have been chosen without each fold.
        tuning: What became of fine-tuning, in a sentence.
        photographs: How many; `groups` of them are independent.
        seconds: That all trials took, on whatever machines.
    """

    data: str
    created: str
    board: str
    budget: str
    limit_p90_ms: float | None
    points: tuple[Point, ...]
    chosen: Measured
    winner: Figure
    honest: Figure
    by_fold: tuple[str, ...]
    steps: tuple[NextStep, ...]
    tuning: str
    tuned: bool
    photographs: int
    groups: int
    folds: int
    finalists: int
    seconds: float
    notes: tuple[str, ...]
    command: str = ""

    @property
    def front(self) -> tuple[Point, ...]:
        """The front, fastest first."""
        return tuple(point for point in self.points if point.on_front)

    @property
    def named(self) -> tuple[Point, ...]:
        """The front, and the choice, which its full trial may have put before those whose scouts did better."""
        return tuple(point for point in self.points if point.on_front or point.row == self.chosen)


def points(rows: Sequence[Measured], scouts: Mapping[Candidate, Figure], budget: Budget) -> tuple[Point, ...]:
    """Every file with its scout's figure, fastest first."""
    found, best = [], 0.0
    for row in sorted(rows, key=lambda row: (row.p90_ms, -_accuracy(scouts, row))):
        fits = not over(row, budget)
        on_front = fits and _accuracy(scouts, row) > best
        best = max(best, _accuracy(scouts, row)) if fits else best
        found.append(Point(row, scouts.get(row.candidate), fits, on_front))
    return tuple(found)


def _accuracy(scouts: Mapping[Candidate, Figure], row: Measured) -> float:
    return scouts[row.candidate].accuracy if row.candidate in scouts else 0.0


def scout_figure(trial: Trial, photos: Photographs) -> Figure:
    """What heads on the photographs as they are name right, each on the fold that it did not see."""
    truth = photos.truth
    return figure(trial.paired[np.arange(len(truth.folds)), truth.folds] == truth.labels, photos)


def figure(right: np.ndarray[Any, np.dtype[np.bool_]], photos: Photographs) -> Figure:
    """The figure of answers to all photographs."""
    groups = [sample.group for sample in photos.dataset.samples]
    return Figure(float(right.mean()), accuracy_interval(right, groups))


def next_step(step: Step, trial: Trial | None, found: Found, photos: Photographs) -> NextStep:
    """A step with what its scout says."""
    if trial is None:
        return NextStep(step, None, None)
    scout, winner = scout_figure(trial, photos), scout_figure(found.scouts[found.choice.winner], photos)
    return NextStep(step, scout, 100 * (scout.accuracy - winner.accuracy))


def write_outcome(path: Path, outcome: Outcome) -> None:
    """Writes the file, whole or not at all."""
    raw = asdict(outcome)
    for entry, point in zip(raw["points"], outcome.points, strict=True):
        entry["name"] = point.row.title
    atomic.write_json(path, {"schema_version": SCHEMA_VERSION, **raw})
