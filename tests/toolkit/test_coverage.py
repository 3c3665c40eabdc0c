"""How often the printed 95 % intervals hold the truth, where the truth is known because it was drawn."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from batikkit.intervals import accuracy_interval
from batikkit.paired import paired_drop_interval

SIZES = (20, 54, 182, 545)
ACCURACIES = (0.6, 0.7, 0.8, 0.9, 0.95)
FLIPS = ((0.03, 0.01), (0.06, 0.06), (0.1, 0.03), (0.2, 0.1))
"""Shares of images that a candidate loses and gains."""
DRAWS = 160


def wanted(coverage: float, *, independent: int) -> bool:
    """93 to 99 %; fewer than 30 independent answers take too few values to be that close from above."""
    return 93 <= coverage <= (99 if independent >= 30 else 100)


def groups_of(kind: str, n: int) -> NDArray[np.int64]:
    """The group of each of n images."""
    if kind == "eight groups":
        return np.arange(n) * 8 // n
    sizes = [4] if kind == "four alike" else [1, 1, 2, 1, 4, 3]
    return np.repeat(np.arange(n), np.resize(sizes, n))[:n]


def drawn(rng: np.random.Generator, groups: NDArray[np.int64], shares: list[float], alike: float) -> NDArray[np.int64]:
    """int [DRAWS, N]: which of the outcomes each image has; a share `alike` of images has that of its group."""
    own, common = (
        rng.choice(len(shares), p=shares, size=(DRAWS, count)) for count in (len(groups), int(groups.max()) + 1)
    )
    return np.where(rng.random(own.shape) < alike, common[:, groups], own)


@cache
def drop_of_counts(lost: int, gained: int, n: int) -> tuple[float, float]:
    kinds = np.repeat([1, 2, 0], [lost, gained, n - lost - gained])
    return paired_drop_interval(kinds != 2, kinds != 1)


@pytest.mark.parametrize("n", SIZES)
def test_accuracy_of_independent_images(n: int) -> None:
    """Exactly, over every count of right answers."""
    held = []
    for accuracy in ACCURACIES:
        chances = stats.binom.pmf(np.arange(n + 1), n, accuracy)
        ends = [accuracy_interval(np.arange(n) < right) for right in range(n + 1)]
        held.append(100 * sum(c for c, (low, high) in zip(chances, ends, strict=True) if low <= accuracy <= high))
    assert min(held) > 92
    assert wanted(float(np.mean(held)), independent=n)


@pytest.mark.parametrize("n", SIZES)
def test_drop_of_independent_images(n: int) -> None:
    """Exactly, over the counts of lost and gained answers, of which the rarest are left out and count as missed."""
    held = []
    for lost, gained in FLIPS:
        total = 0.0
        for b in range(n + 1):
            if (chance := stats.binom.pmf(b, n, lost)) < 1e-4:
                continue
            rest = stats.binom.pmf(np.arange(n - b + 1), n - b, gained / (1 - lost))
            for c in np.flatnonzero(chance * rest > 1e-6):
                low, high = drop_of_counts(b, int(c), n)
                total += float(chance * rest[c]) if low <= 100 * (lost - gained) <= high else 0.0
        held.append(100 * total)
    assert min(held) > 92
    assert wanted(float(np.mean(held)), independent=n)


def test_images_counted_one_by_one_would_not_cover() -> None:
    groups = groups_of("four alike", 182)
    ends = [accuracy_interval(outcomes == 0) for outcomes in drawn(np.random.default_rng(1), groups, [0.8, 0.2], 1.0)]
    assert not wanted(100 * float(np.mean([low <= 0.8 <= high for low, high in ends])), independent=46)


Interval = Callable[[NDArray[np.int64], NDArray[np.int64]], tuple[float, float]]


def accuracy_of(outcomes: NDArray[np.int64], groups: NDArray[np.int64]) -> tuple[float, float]:
    return accuracy_interval(outcomes == 0, groups)


def drop_of(outcomes: NDArray[np.int64], groups: NDArray[np.int64]) -> tuple[float, float]:
    return paired_drop_interval(outcomes != 2, outcomes != 1, groups=groups)


ACCURACY_CASES = [([p, 1 - p], p) for p in ACCURACIES]
DROP_CASES = [([1 - b - c, b, c], 100 * (b - c)) for b, c in FLIPS]


@pytest.mark.parametrize("alike", [1.0, 0.7])
@pytest.mark.parametrize("kind", ["four alike", "mixed", "eight groups"])
@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize(("interval", "cases"), [(accuracy_of, ACCURACY_CASES), (drop_of, DROP_CASES)])
def test_intervals_of_groups(
    interval: Interval, cases: list[tuple[list[float], float]], n: int, kind: str, alike: float
) -> None:
    """Images of one group share its outcome, or seven of ten do."""
    groups, rng = groups_of(kind, n), np.random.default_rng(n)
    hits = []
    for shares, truth in cases:
        ends = [interval(outcomes, groups) for outcomes in drawn(rng, groups, shares, alike)]
        hits.append(np.mean([low <= truth <= high for low, high in ends]))
    assert wanted(100 * float(np.mean(hits)), independent=int(groups.max()) + 1)
