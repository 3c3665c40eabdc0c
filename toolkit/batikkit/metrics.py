"""Pure NumPy metrics of a classifier. No files, no frameworks; their uncertainty is in `intervals`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from batikkit.intervals import Groups, accuracy_interval

Ints = NDArray[np.integer]
Floats = NDArray[np.floating]


@dataclass(frozen=True)
class ClassMetrics:
    """One motif's figures; each ratio is 0 where its denominator is 0, and there is no interval without test images."""

    precision: float
    recall: float
    f1: float
    support: int
    recall_ci95: tuple[float, float] | None


@dataclass(frozen=True)
class ClassificationReport:
    """Figures of one test: fractions in 0..1, `confusion[i][j]` = images of class i predicted as j.

    The intervals are those of `groups` independent groups of images; the macro averages are over one set of classes.
    """

    n: int
    groups: int
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


def classification_report(
    truth: Ints, predicted: Ints, *, classes: int, groups: Groups | None = None
) -> ClassificationReport:
    """Accuracy and each motif's recall with their intervals, macro averages and the confusion matrix.

    Precision, recall and F1 are averaged over the same classes, as scikit-learn does: those with test images or
    predictions. A class with neither says nothing about the model.

    Args:
        truth: int [N], the right classes.
        predicted: int [N], the named ones.
        classes: How many there are.
        groups: Of each image, see `accuracy_interval`; None: every image on its own.

    Raises:
        ValueError: no images, or arrays of unlike length.
    """
    if len(truth) == 0 or len(truth) != len(predicted):
        raise ValueError(f"need equally many truths and predictions, at least one: got {len(truth)}, {len(predicted)}")
    matrix = confusion_matrix(truth, predicted, classes=classes)
    right, codes = np.asarray(truth) == np.asarray(predicted), _codes(groups, len(truth))
    rows = []
    for index in range(classes):
        mine = np.asarray(truth) == index
        rows.append(_class_metrics(matrix, index, accuracy_interval(right[mine], codes[mine]) if mine.any() else None))
    seen = [row for index, row in enumerate(rows) if row.support or matrix[:, index].any()]
    return ClassificationReport(
        n=len(truth),
        groups=len(np.unique(codes)),
        accuracy=float(right.mean()),
        accuracy_ci95=accuracy_interval(right, codes),
        macro_precision=float(np.mean([row.precision for row in seen])),
        macro_recall=float(np.mean([row.recall for row in seen])),
        macro_f1=float(np.mean([row.f1 for row in seen])),
        per_class=tuple(rows),
        confusion=tuple(tuple(int(cell) for cell in row) for row in matrix),
    )


def _codes(groups: Groups | None, n: int) -> NDArray[np.int64]:
    """The group of each image as a number."""
    if groups is None:
        return np.arange(n, dtype=np.int64)
    return np.unique(np.asarray(groups), return_inverse=True)[1].reshape(-1).astype(np.int64)


def _class_metrics(matrix: NDArray[np.int64], index: int, recall_ci95: tuple[float, float] | None) -> ClassMetrics:
    hits = int(matrix[index, index])
    predicted, support = int(matrix[:, index].sum()), int(matrix[index].sum())
    precision = hits / predicted if predicted else 0.0
    recall = hits / support if support else 0.0
    f1 = 2 * precision * recall / (precision + recall) if hits else 0.0
    return ClassMetrics(precision, recall, f1, support, recall_ci95)


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
