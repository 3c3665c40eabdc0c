"""Pure NumPy metrics of a classifier and their uncertainty. No files, no frameworks."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.integer]
Floats = NDArray[np.floating]


@dataclass(frozen=True)
class ClassMetrics:
    """One motif's figures; each ratio is 0 where its denominator is 0."""

    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True)
class ClassificationReport:
    """Figures of one test: fractions in 0..1, `confusion[i][j]` = images of class i predicted as j."""

    n: int
    accuracy: float
    accuracy_ci95: tuple[float, float]
    macro_precision: float
    macro_recall: float
    macro_f1: float
    per_class: tuple[ClassMetrics, ...]
    confusion: tuple[tuple[int, ...], ...]


def best_first(scores: Floats) -> NDArray[np.intp]:
    """Indices of scores [C], the highest first; of equal ones the first, as `argmax` and every app take it."""
    return np.argsort(-scores, kind="stable")


def confusion_matrix(truth: Ints, predicted: Ints, *, classes: int) -> NDArray[np.int64]:
    """Counts int64 [classes, classes]; row = truth, column = prediction."""
    flat = np.asarray(truth, np.int64) * classes + np.asarray(predicted, np.int64)
    return np.bincount(flat, minlength=classes * classes).reshape(classes, classes)


def classification_report(truth: Ints, predicted: Ints, *, classes: int) -> ClassificationReport:
    """Accuracy with its Wilson interval, macro averages over the classes that occur, and the confusion matrix.

    A class with neither test images nor predictions says nothing about the model and is left out of the macro averages.

    Raises:
        ValueError: no images, or arrays of unlike length.
    """
    if len(truth) == 0 or len(truth) != len(predicted):
        raise ValueError(f"need equally many truths and predictions, at least one: got {len(truth)}, {len(predicted)}")
    matrix = confusion_matrix(truth, predicted, classes=classes)
    hits = int(np.trace(matrix))
    rows = tuple(_class_metrics(matrix, index) for index in range(classes))
    seen = [row for index, row in enumerate(rows) if row.support or matrix[:, index].sum()]
    return ClassificationReport(
        n=len(truth),
        accuracy=hits / len(truth),
        accuracy_ci95=wilson_interval(hits, len(truth)),
        macro_precision=float(np.mean([row.precision for row in seen])),
        macro_recall=float(np.mean([row.recall for row in seen if row.support])),
        macro_f1=float(np.mean([row.f1 for row in seen])),
        per_class=rows,
        confusion=tuple(tuple(int(cell) for cell in row) for row in matrix),
    )


def _class_metrics(matrix: NDArray[np.int64], index: int) -> ClassMetrics:
    hits = int(matrix[index, index])
    predicted, support = int(matrix[:, index].sum()), int(matrix[index].sum())
    precision = hits / predicted if predicted else 0.0
    recall = hits / support if support else 0.0
    f1 = 2 * precision * recall / (precision + recall) if hits else 0.0
    return ClassMetrics(precision, recall, f1, support)


def wilson_interval(successes: int, n: int, *, confidence: float = 0.95) -> tuple[float, float]:
    """Score interval of a proportion (Wilson 1927), which stays inside 0..1 and is honest for small `n`.

    Raises:
        ValueError: `n` is not positive.
    """
    if n <= 0:
        raise ValueError(f"an interval needs at least one trial, got n={n}")
    return _score_interval(successes / n, n, confidence)


def _score_interval(p: float, n: float, confidence: float) -> tuple[float, float]:
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return max(0.0, centre - half), min(1.0, centre + half)


def accuracy_interval(
    right: NDArray[np.bool_], groups: Sequence[str], *, confidence: float = 0.95
) -> tuple[float, float]:
    """Wilson's interval of the accuracy, at the number of independent images that the groups leave.

    Four turns of one cloth are not four observations. The variance of the mean is estimated between groups, and the
    images count for as many independent ones as would have it (the effective sample size of Korn and Graubard 1998);
    never for more than there are. Where every image is its own group this is `wilson_interval`.

    Args:
        right: bool [N].
        groups: N names; images of one group depend on each other.
        confidence: Coverage.

    Raises:
        ValueError: no images.
    """
    n, sums = len(right), _per_group(right.astype(float), groups)
    if len(sums) == n:
        return wilson_interval(int(right.sum()), n, confidence=confidence)
    p = float(right.mean())
    spread = sum((total - p * size) ** 2 for total, size in sums) * len(sums) / max(1, len(sums) - 1) / n**2
    effective = p * (1 - p) / spread if spread else float(len(sums))
    return _score_interval(p, min(float(n), effective), confidence)


def _per_group(values: NDArray[np.floating], groups: Iterable[object]) -> list[tuple[float, int]]:
    """(sum of values, number of images) of each group."""
    sums: dict[object, tuple[float, int]] = {}
    for value, group in zip(values, groups, strict=True):
        total, size = sums.get(group, (0.0, 0))
        sums[group] = (total + float(value), size + 1)
    return list(sums.values())


def paired_drop(reference_right: NDArray[np.bool_], candidate_right: NDArray[np.bool_]) -> float:
    """Accuracy lost by the candidate on the same images, in percentage points (negative: it gained)."""
    return 100.0 * float(np.mean(reference_right.astype(float) - candidate_right.astype(float)))


def paired_drop_interval(
    reference_right: NDArray[np.bool_],
    candidate_right: NDArray[np.bool_],
    *,
    groups: Sequence[str] | None = None,
    confidence: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile bootstrap over images, or over groups of them, of `paired_drop`, in percentage points (Efron 1979).

    Images that change the answer alike are interchangeable, so each resample is one multinomial draw of how often each
    kind occurs: exact and independent of how many images there are.

    Args:
        reference_right: bool [N].
        candidate_right: bool [N].
        groups: N names; images of one group are drawn together. None: every image on its own.
        confidence: Coverage.
        resamples: Bootstrap draws.
        seed: Seeds the bootstrap.
    """
    n = len(reference_right)
    if n == 0:
        raise ValueError("an interval needs at least one image")
    lost = reference_right.astype(float) - candidate_right.astype(float)
    kinds = Counter(_per_group(lost, range(n) if groups is None else groups))
    (values, sizes), counts = np.array(list(kinds)).T, np.array(list(kinds.values()))
    draws = np.random.default_rng(seed).multinomial(counts.sum(), counts / counts.sum(), size=resamples)
    drops = 100.0 * (draws @ values) / (draws @ sizes)
    tail = 100 * (1 - confidence) / 2
    low, high = np.percentile(drops, [tail, 100 - tail])
    return float(low), float(high)


def mcnemar_p(reference_right: NDArray[np.bool_], candidate_right: NDArray[np.bool_]) -> float:
    """Two-sided exact McNemar test (binomial on the discordant pairs); 1.0 where no pair is discordant."""
    lost = int(np.sum(reference_right & ~candidate_right))
    gained = int(np.sum(~reference_right & candidate_right))
    n, k = lost + gained, min(lost, gained)
    if n == 0:
        return 1.0
    tail = sum(math.comb(n, i) for i in range(k + 1)) / 2**n
    return min(1.0, 2.0 * float(tail))


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """P-values adjusted for being several (Holm 1979), in their order."""
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * p_values[index]))
        adjusted[index] = largest
    return tuple(adjusted)


def expected_calibration_error(probabilities: Floats, truth: Ints, *, bins: int = 15) -> float:
    """Mean gap between confidence and accuracy over equal-width bins (Guo et al. 2017), in 0..1.

    Args:
        probabilities: float [N, C], rows sum to 1.
        truth: int [N].
        bins: Number of confidence bins.
    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == truth
    index = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = [abs(float(np.sum(confidence[index == b] - right[index == b]))) for b in range(bins)]
    return float(sum(gaps) / len(truth))
