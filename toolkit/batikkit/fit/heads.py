"""Classifiers solved on cached features, fold by fold and pair of folds by pair of folds. NumPy alone.

A head that saw neither fold f nor fold g is tested on both: on g it tells what to choose for f, and the reverse. So ten
heads give every one of five folds a choice that it had no part in.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from batikkit.settings import TrainConfig
from batikkit.training import convex
from batikkit.training.targets import image_weights, one_hot, smooth

TOLERANCE = 1e-4
"""Answers no longer change below a gradient of this size; training goes on to a tenth of it."""
SCOUTING = 1e-3
"""Where heads are only compared."""

Ints = NDArray[np.int64]
Answer = tuple[convex.Floats, convex.Floats]


@dataclass(frozen=True, eq=False)
class Known:
    """What a frozen network says of all photographs.

    Attributes:
        learned: float16 [V, N, D], of the views to learn from.
        plain: float16 [N, D], of the photographs as they are.
        labels: int64 [N].
        folds: int64 [N], 0..K-1.
    """

    learned: NDArray[np.float16]
    plain: NDArray[np.float16]
    labels: Ints
    folds: Ints

    @property
    def classes(self) -> int:
        """C."""
        return int(self.labels.max()) + 1

    def answers(self, solved: Answer, some: NDArray[np.intp]) -> NDArray[np.float64]:
        """Logits [M, C] of some photographs as they are."""
        kernel, bias = solved
        return np.asarray(self.plain[some].astype(np.float32) @ kernel + bias, np.float64)


def paired_answers(known: Known, config: TrainConfig) -> Ints:
    """int64 [N, K]: what each photograph is named by the head that saw neither its own fold nor fold k.

    In the column of its own fold stands the answer of the head that saw all others.
    """
    count = int(known.folds.max()) + 1
    named = np.full((len(known.labels), count), -1, np.int64)
    middle = convex.penalties(1)
    for one, other in itertools.combinations_with_replacement(range(count), 2):
        seen = np.flatnonzero((known.folds != one) & (known.folds != other))
        (solved,) = solve(known, seen, config, middle, tolerance=SCOUTING)
        for tested, column in {(one, other), (other, one)}:
            some = np.flatnonzero(known.folds == tested)
            named[some, column] = known.answers(solved, some).argmax(axis=1)
    return named


def held_out_answers(known: Known, splits: Sequence[NDArray[np.str_]], config: TrainConfig) -> Ints:
    """int64 [N]: what each photograph is named where it is tested, by heads as training solves them.

    Args:
        known: Features.
        splits: For each fold `train`, `validation` or `test` of each photograph, [N].
        config: Settings; the validation photographs choose among its penalties.
    """
    named = np.full(len(known.labels), -1, np.int64)
    for split in splits:
        train, validation, test = (np.flatnonzero(split == name) for name in ("train", "validation", "test"))
        every = solve(known, train, config, convex.penalties(config.phase1_epochs), tolerance=TOLERANCE)
        best = min(
            every, key=lambda solved: convex.cross_entropy(known.answers(solved, validation), known.labels[validation])
        )
        named[test] = known.answers(best, test).argmax(axis=1)
    return named


def solve(
    known: Known, seen: NDArray[np.intp], config: TrainConfig, weights: convex.Floats, *, tolerance: float
) -> tuple[Answer, ...]:
    """Kernel [D, C] and bias [C] for each penalty, each begun from the one before."""
    return tuple(_solutions(known, seen, config, weights, tolerance))


def _solutions(
    known: Known, seen: NDArray[np.intp], config: TrainConfig, weights: convex.Floats, tolerance: float
) -> Iterator[Answer]:
    views, labels = len(known.learned), known.labels[seen]
    features = known.learned[:, seen].astype(np.float32).reshape(views * len(seen), -1)
    sums, squares = features.sum(axis=0, dtype=np.float64), np.einsum("nd,nd->d", features, features, dtype=np.float64)
    scaling = convex.scaling_of(float(len(features)), sums, squares)
    targets = smooth(one_hot(np.tile(labels, views), known.classes), config.label_smoothing)
    importance = image_weights(labels, known.classes, balanced=config.class_weights)
    importance = np.tile(importance / np.float32(len(features)), views)
    loss = convex.softmax_loss(scaling.scaled(features), targets, importance)
    width = features.shape[1]
    flat = np.zeros((width + 1) * known.classes)
    for penalty in weights:
        objective = convex.with_penalty(loss, penalty, kernel_size=width * known.classes)
        flat = convex.minimize(objective, flat, tolerance=tolerance)
        yield scaling.unscaled(*convex.split(flat, width, known.classes))
