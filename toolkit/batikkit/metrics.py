"""Pure NumPy metrics of a classifier and their uncertainty. No files, no frameworks."""

from __future__ import annotations

import math
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
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    p = successes / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return max(0.0, centre - half), min(1.0, centre + half)


def paired_drop(reference_right: NDArray[np.bool_], candidate_right: NDArray[np.bool_]) -> float:
    """Accuracy lost by the candidate on the same images, in percentage points (negative: it gained)."""
    return 100.0 * float(np.mean(reference_right.astype(float) - candidate_right.astype(float)))


def paired_drop_interval(
    reference_right: NDArray[np.bool_],
    candidate_right: NDArray[np.bool_],
    *,
    confidence: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile bootstrap over images of `paired_drop`, in percentage points (Efron 1979).

    Only discordant images matter, so each resample is one multinomial draw of (lost, gained, equal) counts: exact and
    independent of how many images there are.
    """
    n = len(reference_right)
    if n == 0:
        raise ValueError("an interval needs at least one image")
    lost = int(np.sum(reference_right & ~candidate_right))
    gained = int(np.sum(~reference_right & candidate_right))
    draws = np.random.default_rng(seed).multinomial(n, [lost / n, gained / n, 1 - (lost + gained) / n], size=resamples)
    drops = 100.0 * (draws[:, 0] - draws[:, 1]) / n
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
