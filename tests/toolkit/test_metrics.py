from __future__ import annotations

import numpy as np
import pytest

from batikkit.intervals import wilson_interval
from batikkit.metrics import (
    classification_report,
    confusion_matrix,
    expected_calibration_error,
)

TRUTH = np.array([0, 0, 0, 1, 1, 2])
PREDICTED = np.array([0, 0, 1, 1, 1, 0])


def test_confusion_rows_are_the_truth() -> None:
    assert confusion_matrix(TRUTH, PREDICTED, classes=3).tolist() == [[2, 1, 0], [0, 2, 0], [1, 0, 0]]


@pytest.mark.parametrize("tested", [5, 3])
def test_report_agrees_with_scikit_learn(tested: int) -> None:
    """Classes that are only ever predicted count in all three averages, or in none."""
    from sklearn.metrics import accuracy_score, precision_recall_fscore_support

    rng = np.random.default_rng(3)
    truth, predicted = rng.integers(0, tested, 200), rng.integers(0, 5, 200)
    report = classification_report(truth, predicted, classes=7)
    precision, recall, f1, _ = precision_recall_fscore_support(truth, predicted, average="macro", zero_division=0)
    assert report.accuracy == pytest.approx(accuracy_score(truth, predicted))
    assert (report.macro_precision, report.macro_recall, report.macro_f1) == pytest.approx((precision, recall, f1))
    assert report.per_class[2].support == int((truth == 2).sum())


def test_absent_classes_do_not_count_and_empty_tests_are_refused() -> None:
    report = classification_report(np.array([0, 1]), np.array([0, 1]), classes=4)
    assert (report.macro_f1, report.macro_recall) == (1.0, 1.0)
    assert report.per_class[3].recall_ci95 is None
    with pytest.raises(ValueError, match="at least one"):
        classification_report(np.array([]), np.array([]), classes=2)


def test_every_interval_of_a_report_counts_groups() -> None:
    truth, groups = np.repeat([0, 1], 40), [f"cloth {image // 4}" for image in range(80)]
    predicted = np.where(np.arange(80) // 4 % 5 == 0, 1 - truth, truth)
    alone, together = (classification_report(truth, predicted, classes=2, groups=g) for g in (None, groups))
    assert (alone.groups, together.groups) == (80, 20)
    assert alone.accuracy_ci95 == wilson_interval(64, 80)
    pairs = [(alone.accuracy_ci95, together.accuracy_ci95)]
    pairs += [(a.recall_ci95, b.recall_ci95) for a, b in zip(alone.per_class, together.per_class, strict=True)]  # type: ignore[list-item]
    for (low, high), (grouped_low, grouped_high) in pairs:
        assert grouped_low < low < high < grouped_high


def test_calibration_error_of_known_cases() -> None:
    sure_and_right = np.array([[1.0, 0.0], [0.0, 1.0]])
    assert expected_calibration_error(sure_and_right, np.array([0, 1])) == pytest.approx(0.0)
    assert expected_calibration_error(sure_and_right, np.array([1, 0])) == pytest.approx(1.0)
    assert expected_calibration_error(np.tile([0.7, 0.3], (10, 1)), np.array([0] * 7 + [1] * 3)) == pytest.approx(0.0)
