"""The interval of an accuracy: against SciPy, statsmodels, published values and its own promises about groups."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from batikkit.intervals import accuracy_interval, evidence, t_quantile, wilson_interval


def contains(outer: tuple[float, float], inner: tuple[float, float]) -> bool:
    return outer[0] <= inner[0] + 1e-9 and inner[1] <= outer[1] + 1e-9


@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.95, 0.99])
def test_the_t_quantile_is_scipys(confidence: float) -> None:
    degrees = [*range(1, 60), 181, 544, 1000, 5001]
    found = [t_quantile(count, confidence=confidence) for count in degrees]
    assert found == pytest.approx(list(stats.t.ppf(0.5 + confidence / 2, degrees)), rel=1e-9)


def test_no_degrees_of_freedom_reach_everywhere() -> None:
    assert t_quantile(0) == math.inf


@pytest.mark.parametrize(("successes", "n"), [(0, 1), (3, 8), (52, 54), (545, 545), (81, 263)])
def test_wilson_is_statsmodels(successes: int, n: int) -> None:
    assert wilson_interval(successes, n) == pytest.approx(proportion_confint(successes, n, method="wilson"), abs=1e-9)


def test_wilson_interval_matches_published_values() -> None:
    # Newcombe (1998), table I: 81 of 263 and 0 of 20.
    assert wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson_interval(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)
    with pytest.raises(ValueError, match="n=0"):
        wilson_interval(0, 0)


def test_images_on_their_own_are_wilsons() -> None:
    right = np.array([True] * 40 + [False] * 20)
    assert accuracy_interval(right) == wilson_interval(40, 60)
    assert accuracy_interval(right, [str(number) for number in range(60)]) == wilson_interval(40, 60)


@pytest.mark.parametrize("answer", [True, False])
def test_equal_answers_count_one_a_group(answer: bool) -> None:
    """Without a difference there is no variance to estimate, and 52 images of 13 cloths are 13 observations."""
    right, groups = np.full(52, answer), np.repeat(np.arange(13), 4)
    assert evidence(right.astype(float), groups).size == pytest.approx(13)
    spread, quantile = 13 / (13 + t_quantile(12) ** 2), pytest.approx
    assert accuracy_interval(right, groups) == quantile((spread, 1) if answer else (0, 1 - spread))


def test_nearly_equal_answers_are_no_sudden_certainty() -> None:
    """One wrong answer of 52 must not make them 52 observations where none wrong made them 13."""
    right, groups = np.ones(52), np.repeat(np.arange(13), 4)
    right[0] = 0
    assert evidence(right, groups).size < 26


def test_rounding_is_no_variance() -> None:
    values, groups = np.full(54, 0.1) + np.tile([0, 1e-17], 27), np.repeat(np.arange(18), 3)
    assert evidence(values, groups).size == pytest.approx(18)


def test_one_group_tells_nothing() -> None:
    assert accuracy_interval(np.array([True, True, False]), ["a", "a", "a"]) == (0.0, 1.0)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 30)), min_size=1, max_size=80))
def test_groups_never_narrow_an_interval(images: list[tuple[bool, int]]) -> None:
    right = np.array([answer for answer, _ in images])
    grouped = accuracy_interval(right, [str(group) for _, group in images])
    assert contains(grouped, accuracy_interval(right))
    assert contains(grouped, (float(right.mean()),) * 2)


def test_groups_must_fit_the_images() -> None:
    with pytest.raises(ValueError, match="a group for each"):
        accuracy_interval(np.array([True, False]), ["a"])
