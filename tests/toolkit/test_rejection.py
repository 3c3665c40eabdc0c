"""The "not sure" rule on scores whose right temperature and threshold are known."""

from __future__ import annotations

import numpy as np

from batikkit.assets.rejection import Rejection, accepted, apply, calibrated, choose_threshold, fit_temperature

MOTIFS = ("kawung", "parang")


def _scores(n: int, temperature: float) -> tuple[np.ndarray, np.ndarray]:
    """Truth drawn from honest probabilities, and the scores of a model that overstates them by `temperature`."""
    rng = np.random.default_rng(5)
    logits = rng.normal(0, 1.2, (n, 5))
    honest = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    truth = np.array([rng.choice(5, p=row) for row in honest])
    stated = honest**temperature
    return stated / stated.sum(axis=1, keepdims=True), truth


def test_an_overconfident_model_is_cooled_to_its_temperature() -> None:
    scores, truth = _scores(4000, 2.0)
    assert abs(fit_temperature(scores, truth) - 2.0) < 0.2
    assert np.allclose(calibrated(scores, 1.7).sum(axis=1), 1)
    assert (calibrated(scores, 1.7).argmax(axis=1) == scores.argmax(axis=1)).all()


def test_the_lowest_threshold_that_does_both() -> None:
    confidence, right = np.linspace(0.01, 1, 100), np.arange(100) >= 10
    foreign = np.array([0.3] * 9 + [0.9])
    threshold = choose_threshold(confidence, right, foreign, max_error=0.0, max_foreign=0.1, min_coverage=0.5)
    assert 0.30 < threshold <= 0.31


def test_coverage_comes_first_where_no_threshold_does_both() -> None:
    confidence, right = np.linspace(0.01, 1, 100), np.ones(100, bool)
    threshold = choose_threshold(confidence, right, np.ones(10), max_error=0.05, max_foreign=0.1, min_coverage=0.9)
    assert np.mean(confidence >= threshold) == 0.9


def test_counts() -> None:
    scores = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]])
    kept = apply(Rejection(1.0, 0.7), scores, np.array([0, 0, 0]), MOTIFS)
    assert (kept.n, kept.answered, kept.wrong) == (3, 2, 1)
    assert kept.coverage == 2 / 3
    assert kept.error == 0.5
    assert accepted(Rejection(1.0, 0.7), scores, MOTIFS).tolist() == [True, False, True]
    low, high = kept.error_ci95
    assert low < 0.5 < high
    cloth = apply(Rejection(1.0, 0.7), scores, np.array([0, 0, 0]), MOTIFS, groups=["one", "other", "one"])
    assert cloth.error_ci95 == (0.0, 1.0)  # both answered images are of one cloth
    nothing = apply(Rejection(1.0, 1.1), scores, np.array([0, 0, 0]), MOTIFS)
    assert (nothing.error, nothing.error_ci95) == (0.0, (0.0, 1.0))
