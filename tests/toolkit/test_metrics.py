from __future__ import annotations

import numpy as np
import pytest

from batikkit.metrics import (
    classification_report,
    confusion_matrix,
    expected_calibration_error,
    holm,
    mcnemar_p,
    paired_drop,
    paired_drop_interval,
    wilson_interval,
)

TRUTH = np.array([0, 0, 0, 1, 1, 2])
PREDICTED = np.array([0, 0, 1, 1, 1, 0])


def test_confusion_rows_are_the_truth() -> None:
    assert confusion_matrix(TRUTH, PREDICTED, classes=3).tolist() == [[2, 1, 0], [0, 2, 0], [1, 0, 0]]


def test_report_agrees_with_scikit_learn() -> None:
    from sklearn.metrics import accuracy_score, precision_recall_fscore_support

    rng = np.random.default_rng(3)
    truth, predicted = rng.integers(0, 5, 200), rng.integers(0, 5, 200)
    report = classification_report(truth, predicted, classes=5)
    precision, recall, f1, _ = precision_recall_fscore_support(truth, predicted, average="macro", zero_division=0)
    assert report.accuracy == pytest.approx(accuracy_score(truth, predicted))
    assert (report.macro_precision, report.macro_recall, report.macro_f1) == pytest.approx((precision, recall, f1))
    assert report.per_class[2].support == int((truth == 2).sum())


def test_absent_classes_do_not_count_and_empty_tests_are_refused() -> None:
    report = classification_report(np.array([0, 1]), np.array([0, 1]), classes=4)
    assert (report.macro_f1, report.macro_recall) == (1.0, 1.0)
    with pytest.raises(ValueError, match="at least one"):
        classification_report(np.array([]), np.array([]), classes=2)


def test_wilson_interval_matches_published_values() -> None:
    # Newcombe (1998), table I: 81 of 263 and 0 of 20.
    assert wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson_interval(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)
    with pytest.raises(ValueError, match="n=0"):
        wilson_interval(0, 0)


def test_paired_drop_and_its_interval() -> None:
    reference = np.array([True] * 90 + [False] * 10)
    candidate = np.array([True] * 86 + [False] * 4 + [True] * 1 + [False] * 9)
    assert paired_drop(reference, candidate) == pytest.approx(3.0)
    low, high = paired_drop_interval(reference, candidate, seed=1)
    assert low <= 3.0 <= high
    assert (low, high) == pytest.approx((-1.0, 8.0), abs=1.01)
    assert paired_drop_interval(reference, reference) == (0.0, 0.0)


def test_mcnemar_is_the_exact_binomial() -> None:
    reference = np.array([True] * 10 + [False] * 2)
    candidate = np.array([False] * 10 + [True] * 2)
    # 2 * (C(12,0) + C(12,1) + C(12,2)) / 2**12
    assert mcnemar_p(reference, candidate) == pytest.approx(2 * (1 + 12 + 66) / 4096)
    assert mcnemar_p(reference, reference) == 1.0


def test_calibration_error_of_known_cases() -> None:
    sure_and_right = np.array([[1.0, 0.0], [0.0, 1.0]])
    assert expected_calibration_error(sure_and_right, np.array([0, 1])) == pytest.approx(0.0)
    assert expected_calibration_error(sure_and_right, np.array([1, 0])) == pytest.approx(1.0)
    assert expected_calibration_error(np.tile([0.7, 0.3], (10, 1)), np.array([0] * 7 + [1] * 3)) == pytest.approx(0.0)


def test_holm_orders_and_caps() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx((0.03, 0.06, 0.06))
    assert holm([0.9, 0.8]) == (1.0, 1.0)
    assert holm([]) == ()
