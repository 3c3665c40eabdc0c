"""What apps do to the scores by mistake after the model has answered: the wrong scale, the wrong names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from batikkit.assets.faults import Mistake
from batikkit.errors import InputError

Scores = NDArray[np.float32]

ENOUGH = 3
"""Images from which an order of labels is read that no known mistake gives: one image fits too many of them."""

_SEEN = 0.05
"""A label's place is told only where some image gave it this much."""


STALE = Mistake(
    "stale", "gives the answer to another picture: an accelerator that is right only the first time, or an input that "
    "is not written again", "run on the CPU, and write the input before every run",
)  # fmt: skip


@dataclass(frozen=True)
class Scale(Mistake):
    """Scores that are no probabilities but `factor` times as much."""

    factor: float


@dataclass(frozen=True)
class Naming(Mistake):
    """Scores under the wrong names: label j shows what the model said of label `order[j]`.

    `cut` is the label that shows nothing where the list is one line longer or shorter than the model; else None.
    """

    order: tuple[int, ...]
    cut: int | None = None

    def applied(self, scores: Scores) -> tuple[Scores, ...]:
        """The scores as the app shows them; two ways where one label may show nothing or what is left over."""
        shown = scores[list(self.order)]
        if self.cut is None:
            return (shown,)
        less = shown.copy()
        less[self.cut] = 0
        return shown, less


def find_scale(answers: Sequence[Scores], *, source: str) -> Scale | None:
    """How the scores of an app, which are no probabilities, were scaled; None where they are probabilities.

    Read from the answer with the largest sum: where names are wrong, a label may be missing from the others.

    Raises:
        InputError: they are neither probabilities, percentages nor bytes, or some are and some are not.
    """
    plain = [float(scores.max()) <= 1.5 for scores in answers]
    if all(plain):
        return None
    if any(alone and scores.sum() > 0.5 for alone, scores in zip(plain, answers, strict=True)):
        raise InputError(f"{source} mixes probabilities with larger scores: write all as the app has them")
    top = max(float(scores.max()) for scores in answers)
    total, least = max(float(scores.sum()) for scores in answers), min(float(scores.min()) for scores in answers)
    rounding = max(10.0, len(answers[0]) / 2)
    if least >= 0 and top <= 100.5 and abs(total - 100) <= rounding:
        return Scale("percentages", "writes its scores as percentages", "divide them by 100", 100.0)
    if least >= 0 and top <= 256 and abs(total - 255.5) <= rounding:
        factor = 256.0 if total > 255.5 else 255.0
        return Scale("undivided-bytes", "writes quantized scores as they are", f"divide them by {factor:.0f}", factor)
    raise InputError(
        f"{source} has scores up to {top:g} that sum to {total:g}: write probabilities (they sum to 1), percentages or "
        "bytes (0 to 255)"
    )


def namings(labels: Sequence[str]) -> Iterator[Naming]:
    """The usual wrong orders of a label file; one that changes nothing, or is another's, is left out."""
    count, known = len(labels), {tuple(range(len(labels)))}
    cure = "use labels.txt of this folder line by line, as it is"
    for name, what, listed in (
        ("labels-sorted", "sorts the labels", sorted(labels)),
        ("labels-sorted", "sorts the labels without regard to capitals", sorted(labels, key=str.casefold)),
        ("labels-reversed", "lists the labels from the last to the first", list(reversed(labels))),
    ):
        order = tuple(listed.index(label) for label in labels)
        if order not in known:
            known.add(order)
            yield Naming(name, what, cure, order)
    for name, what, step, cut in (
        ("labels-late", "names every score one label too early, as with a first line 'background'", 1, count - 1),
        ("labels-early", "names every score one label too late, as when the first line is skipped", -1, 0),
    ):
        order = tuple((index + step) % count for index in range(count))
        if order not in known:
            known.add(order)
            yield Naming(name, what, cure, order, cut)


def read_order(labels: Sequence[str], said: Sequence[Scores], shown: Sequence[Scores]) -> Naming | None:
    """The order of labels that brings the model's scores nearest to those shown; None for the right one.

    Args:
        labels: In output order.
        said: What the model answered, float32 [C] for each image.
        shown: What the app wrote for the same images.
    """
    model, app = np.sqrt(np.maximum(np.stack(said), 0)), np.sqrt(np.maximum(np.stack(shown), 0))
    cost = np.square(app[:, :, None] - model[:, None, :], dtype=np.float64).sum(axis=0)
    order = _assignment(cost)
    seen = np.stack(said).max(axis=0) >= _SEEN
    moved = [(j, i) for j, i in enumerate(order) if i != j and seen[i]]
    if not moved:
        return None
    told = ", ".join(f"{labels[i]} as {labels[j]}" for j, i in moved)
    return Naming(
        "labels-permuted",
        f"names scores in another order ({told})",
        "use labels.txt of this folder line by line",
        order,
    )


def _assignment(cost: NDArray[np.float64]) -> tuple[int, ...]:
    """The column of each row, at the least total cost [C, C] (shortest paths, Jonker and Volgenant 1987)."""
    count = len(cost)
    rows, columns = np.zeros(count + 1), np.zeros(count + 1)
    owner = np.zeros(count + 1, np.intp)  # of each column, counted from 1; 0 is free
    for row in range(1, count + 1):
        owner[0], column = row, 0
        least, before = np.full(count + 1, np.inf), np.zeros(count + 1, np.intp)
        used = np.zeros(count + 1, np.bool_)
        while owner[column]:
            used[column] = True
            reduced = cost[owner[column] - 1] - rows[owner[column]] - columns[1:]
            better = ~used[1:] & (reduced < least[1:])
            least[1:][better], before[1:][better] = reduced[better], column
            free = np.where(used, np.inf, least)
            free[0] = np.inf
            following = int(free.argmin())
            step = free[following]
            rows[owner[used]] += step
            columns[used] -= step
            least[~used] -= step
            column = following
        while column:
            owner[column] = owner[before[column]]
            column = int(before[column])
    answer = np.empty(count, np.intp)
    answer[owner[1:] - 1] = np.arange(count)
    return tuple(int(column) for column in answer)
