"""What the other photographs say of each one: out-of-fold predictions that are linear in the labels.

Kernel ridge regression of one-hot labels (Saunders, Gammerman and Vovk 1998) on a Gaussian kernel as wide as the mean
distance. On frozen features of `batik10` it reads as well as a logistic regression (84 against 83 %). Since predictions
are linear in the labels, asking what other labels would have done costs one matrix product, not a training.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

PENALTY = 0.1
LANDMARKS = 2000
"""Photographs that stand for all in larger sets (Nystroem): up to so many the kernel is exact."""

_FLOOR = 1e-10


def embed(features: NDArray[np.float32], *, seed: int = 0) -> Floats:
    """Float64 [N, M] whose inner products are the kernel of float32 [N, D] features, M at most `LANDMARKS`."""
    centred = features.astype(np.float64) - features.mean(axis=0, dtype=np.float64)
    count = len(centred)
    chosen = np.random.default_rng(seed).choice(count, min(count, LANDMARKS), replace=False)
    chosen.sort()
    between = _squared_distances(centred, centred[chosen])
    kernel = np.exp(-between / max(float(between.mean()), _FLOOR))
    values, vectors = np.linalg.eigh(kernel[chosen])
    kept = values > _FLOOR * values[-1]
    return np.asarray(kernel @ (vectors[:, kept] / np.sqrt(values[kept])), np.float64)


def _squared_distances(left: Floats, right: Floats) -> Floats:
    squares = (left**2).sum(axis=1)[:, None] + (right**2).sum(axis=1)[None] - 2 * left @ right.T
    return np.asarray(np.maximum(squares, 0), np.float64)


def one_hot(labels: Sequence[int] | NDArray[np.int64], classes: int) -> Floats:
    """Float64 [N, classes]."""
    return np.eye(classes)[np.asarray(labels, np.int64)]


def deal_folds(groups: Sequence[Hashable], folds: int, *, seed: int) -> NDArray[np.int64]:
    """int64 [N], 0..folds-1: whole groups, shuffled, the same number of groups to each."""
    names = list(dict.fromkeys(groups))
    place = dict(zip(names, np.random.default_rng(seed).permutation(len(names)) % folds, strict=True))
    return np.array([place[group] for group in groups], np.int64)


def out_of_fold(
    points: Floats, targets: Floats, groups: Sequence[Hashable], *, folds: int = 10, repeats: int = 3, seed: int = 0
) -> Floats:
    """Float64 [N, K]: each row's targets as those of other groups predict them, averaged over ways to deal the folds.

    Args:
        points: Float64 [N, M], as `embed` makes them.
        targets: Float64 [N, K], such as one-hot labels.
        groups: N groups; none is in two folds.
        folds: Parts, of which each is predicted from the others.
        repeats: Ways to deal them.
        seed: Deals them.
    """
    total, answers = points.T @ points, points.T @ targets
    summed = np.zeros_like(targets)
    folds = min(folds, len(set(groups)))
    for repeat in range(repeats):
        fold_of = deal_folds(groups, folds, seed=seed + repeat)
        for fold in range(folds):
            out = fold_of == fold
            inside = points[out]
            mean = targets[~out].mean(axis=0)
            gram = total - inside.T @ inside
            # Targets are predicted about their mean, so that little evidence means the mean.
            wanted = answers - inside.T @ targets[out] - points[~out].sum(axis=0)[:, None] * mean
            summed[out] += inside @ solved(gram, wanted) + mean
    return summed / repeats


def solved(gram: Floats, wanted: Floats) -> Floats:
    """Ridge weights."""
    return np.asarray(np.linalg.solve(gram + PENALTY * np.eye(len(gram)), wanted), np.float64)
