"""The interval of an accuracy, where test images may depend on each other. No files, no frameworks, no chance.

Four turns of one cloth are not four observations. An interval here counts a grouped test as the number of independent
images that would leave the same uncertainty, and takes Student's quantile of the groups instead of the normal one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Groups: TypeAlias = Sequence[str] | NDArray[np.integer]
"""N names or numbers; images of one group depend on each other."""


@dataclass(frozen=True)
class Evidence:
    """How much a test can tell.

    Attributes:
        size: Independent images that would tell as much: at most the images, 1 where all are of one group.
        quantile: How many standard errors the interval reaches to either side.
    """

    size: float
    quantile: float


def evidence(values: NDArray[np.floating], groups: Groups | None, *, confidence: float = 0.95) -> Evidence:
    """The effective sample size of a mean over groups of images (Korn and Graubard 1998), and its quantile.

    The design effect is the variance of the mean estimated between groups, over that of independent images. Eight
    groups that all do well say little about the ninth, so that one more group is added to the estimate, equal images
    half way from the mean. Where all values are equal, nothing else is known, and each group counts once (unequal
    groups count as fewer: Kish 1965). The design effect is never below 1: groups never narrow an interval. The weight
    of the added group was chosen by simulation; `tests/toolkit/test_coverage.py` holds what the intervals cover.

    Args:
        values: float [N], such as 1 for a right answer and 0 for a wrong one: differences of 1 count as one image.
        groups: Of each value; None: every image on its own.
        confidence: Coverage of the interval that the quantile is for.

    Raises:
        ValueError: no values, or not as many groups.
    """
    n = len(values)
    if n == 0 or (groups is not None and len(groups) != n):
        raise ValueError(f"need at least one image and a group for each, got {n} and {groups and len(groups)}")
    sizes, codes = _sizes(n if groups is None else groups)
    if len(sizes) == n:
        return Evidence(float(n), NormalDist().inv_cdf(0.5 + confidence / 2))
    residuals = values - values.mean()
    sums = np.bincount(codes, residuals)
    alike = float((sizes**2).sum()) / n  # the design effect if the images of a group were all the same
    between = float((sums**2).sum()) * len(sizes) / max(1, len(sizes) - 1)
    design_effect = (between + (alike / 2) ** 2) / (float((residuals**2).sum()) + alike / 4)
    return Evidence(n / max(1.0, design_effect), t_quantile(len(sizes) - 1, confidence=confidence))


def _sizes(groups: Groups | int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Images of each group, and the group of each image as a number."""
    if isinstance(groups, int):
        return np.ones(groups, np.int64), np.arange(groups)
    _, codes, sizes = np.unique(np.asarray(groups), return_inverse=True, return_counts=True)
    return sizes.astype(np.int64), codes.reshape(-1)


@lru_cache(maxsize=256)
def t_quantile(degrees: int, *, confidence: float = 0.95) -> float:
    """Student's t that a share `confidence` of the distribution lies within, to both sides; infinite for 0 degrees.

    Newton's method on the finite sums of Abramowitz and Stegun 26.7.3 and 26.7.4. The probability is concave in t > 0,
    so that from the normal quantile, which is smaller, every step comes nearer from below.
    """
    if degrees < 1:
        return math.inf
    t = NormalDist().inv_cdf(0.5 + confidence / 2)
    for _ in range(200):
        step = (confidence - _t_within(t, degrees)) / (2 * _t_density(t, degrees))
        t += step
        if step < 1e-12 * t:
            break
    return t


def _t_within(t: float, degrees: int) -> float:
    """Probability of -t..t."""
    sine, cosine = t / math.hypot(t, math.sqrt(degrees)), math.sqrt(degrees / (degrees + t * t))
    odd = degrees % 2
    term = total = (cosine if odd else 1.0) if degrees > 1 else 0.0
    for k in range(2 + odd, degrees - 1, 2):
        term *= (k - 1) / k * cosine * cosine
        total += term
    return 2 / math.pi * (math.atan2(sine, cosine) + sine * total) if odd else sine * total


def _t_density(t: float, degrees: int) -> float:
    log = math.lgamma((degrees + 1) / 2) - math.lgamma(degrees / 2) - 0.5 * math.log(degrees * math.pi)
    return math.exp(log - (degrees + 1) / 2 * math.log1p(t * t / degrees))


def wilson_interval(successes: int, n: int, *, confidence: float = 0.95) -> tuple[float, float]:
    """Score interval of a proportion (Wilson 1927), which stays inside 0..1 and is honest for small `n`.

    Raises:
        ValueError: `n` is not positive.
    """
    if n <= 0:
        raise ValueError(f"an interval needs at least one trial, got n={n}")
    return _score_interval(successes / n, Evidence(n, NormalDist().inv_cdf(0.5 + confidence / 2)))


def _score_interval(p: float, known: Evidence) -> tuple[float, float]:
    if math.isinf(known.quantile):
        return 0.0, 1.0
    n, z = known.size, known.quantile
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return max(0.0, centre - half), min(1.0, centre + half)


def accuracy_interval(
    right: NDArray[np.bool_], groups: Groups | None = None, *, confidence: float = 0.95
) -> tuple[float, float]:
    """Wilson's interval of the accuracy at the test's `evidence`; of independent images `wilson_interval` itself.

    One group alone gives 0..1: it tells nothing about others.

    Args:
        right: bool [N].
        groups: Of each image; None: every image on its own.
        confidence: Coverage.

    Raises:
        ValueError: no images, or not as many groups.
    """
    return _score_interval(float(np.mean(right)), evidence(right.astype(float), groups, confidence=confidence))
