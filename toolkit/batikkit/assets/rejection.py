"""When a classifier should say "not sure": a temperature and a threshold, chosen on validation images alone.

The temperature makes the scores mean what they say (Guo et al. 2017); below the threshold the best motif is not named
(selective classification, Geifman and El-Yaniv 2017). Both work on probabilities, since that is what the files answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from batikkit.intervals import Groups, accuracy_interval
from batikkit.labels import OTHER

Floats = NDArray[np.floating]

FLOOR = 1 / 512
"""Smallest probability told apart from 0: a quantized softmax answers in steps of 1/256, so int8 and float agree."""

MAX_ERROR = 0.05
MAX_FOREIGN = 0.10
MIN_COVERAGE = 0.90


@dataclass(frozen=True)
class Rejection:
    """The rule: calibrated probability of the best motif below `threshold` means "not sure", and "other" is no motif.

    Attributes:
        temperature: Divides the logarithm of the scores; above 1 it makes them more modest.
        threshold: 0..1.
    """

    temperature: float
    threshold: float

    def names(self, label: str, confidence: float) -> bool:
        """Whether the best label is given as an answer: a motif, and sure enough."""
        return label != OTHER and confidence >= self.threshold


@dataclass(frozen=True)
class Selective:
    """What a rule does to labelled images.

    Attributes:
        n: Images.
        answered: Images on which a motif is named.
        wrong: Of those, the ones with the wrong motif.
        coverage_ci95: Interval of `coverage` for the images' groups.
        error_ci95: Interval of `error`; (0, 1) when nothing is answered.
    """

    n: int
    answered: int
    wrong: int
    coverage_ci95: tuple[float, float]
    error_ci95: tuple[float, float]

    @property
    def coverage(self) -> float:
        """Share of images on which a motif is named."""
        return self.answered / self.n

    @property
    def error(self) -> float:
        """Share of the named motifs that are wrong; 0 when none is named."""
        return self.wrong / self.answered if self.answered else 0.0


def calibrated(probabilities: Floats, temperature: float) -> NDArray[np.float64]:
    """Scores [..., C] after the temperature; rows sum to 1."""
    powered = np.maximum(np.asarray(probabilities, np.float64), FLOOR) ** (1 / temperature)
    result: NDArray[np.float64] = powered / powered.sum(axis=-1, keepdims=True)
    return result


def fit_temperature(probabilities: Floats, truth: NDArray[np.integer]) -> float:
    """The temperature of least cross-entropy on [N, C] scores with int [N] truth, to three digits, within 0.5..5."""
    candidates = np.geomspace(0.5, 5.0, 461)
    rows = np.arange(len(truth))
    losses = [-np.log(calibrated(probabilities, t)[rows, truth]).mean() for t in candidates]
    return float(f"{candidates[int(np.argmin(losses))]:.3g}")


def choose_threshold(
    confidence: Floats,
    right: NDArray[np.bool_],
    foreign: Floats,
    *,
    max_error: float = MAX_ERROR,
    max_foreign: float = MAX_FOREIGN,
    min_coverage: float = MIN_COVERAGE,
) -> float:
    """The smallest threshold that keeps both errors and strangers low; the strictest allowed one where none does.

    Args:
        confidence: [N] calibrated probability of the best motif on validation images, 0 for what is never named.
        right: bool [N], whether that motif is the true one.
        foreign: [M] the same confidence on images that show no motif.
        max_error: Wanted share of wrong answers among the answered.
        max_foreign: Wanted share of foreign images answered.
        min_coverage: Share of validation images that must still be answered.

    Returns:
        A threshold, 0..1, rounded down to four digits.
    """
    # Any value between two neighbouring confidences acts alike, so the observed ones are all there is to try.
    named = confidence[confidence > 0]
    allowed = [0.0] + [t for t in np.unique(named) if np.mean(confidence >= t) >= min_coverage]
    chosen = allowed[-1]
    for threshold in allowed:
        answered = (confidence > 0) & (confidence >= threshold)
        error = float(np.mean(~right[answered])) if answered.any() else 0.0
        if error <= max_error and float(np.mean((foreign > 0) & (foreign >= threshold))) <= max_foreign:
            chosen = threshold
            break
    return float(np.floor(chosen * 1e4) / 1e4)


def confidence_of(
    probabilities: Floats, temperature: float, labels: Sequence[str]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Of each row of scores [N, C] the confidence that the rule looks at, and the label it belongs to.

    A row that is answered "other" has confidence 0: whatever the threshold, no motif is named.
    """
    scores = calibrated(probabilities, temperature)
    best = scores.argmax(axis=1)
    motifs = np.array([label != OTHER for label in labels])
    return np.where(motifs[best], scores.max(axis=1), 0.0), np.asarray(best, np.int64)


def apply(
    rule: Rejection,
    probabilities: Floats,
    truth: NDArray[np.integer],
    labels: Sequence[str],
    *,
    groups: Groups | None = None,
) -> Selective:
    """Counts what the rule does to [N, C] scores with int [N] truth; N groups of images, see `accuracy_interval`."""
    answered, best = accepted(rule, probabilities, labels), np.asarray(probabilities).argmax(axis=1)
    wrong = best[answered] != truth[answered]
    # Of the answered images; an error is a proportion like an accuracy.
    kept = None if groups is None else np.asarray(groups)[answered]
    interval = accuracy_interval(wrong, kept) if answered.any() else (0.0, 1.0)
    return Selective(len(truth), int(answered.sum()), int(wrong.sum()), accuracy_interval(answered, groups), interval)


def accepted(rule: Rejection, probabilities: Floats, labels: Sequence[str]) -> NDArray[np.bool_]:
    """Of each image, [N, C] scores, whether the rule names a motif."""
    confidence, _ = confidence_of(probabilities, rule.temperature, labels)
    return np.asarray((confidence > 0) & (confidence >= rule.threshold), np.bool_)
