"""Two classifiers on the same images: Tango's interval and the exact test, against their definitions."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats
from statsmodels.stats.contingency_tables import mcnemar

from batikkit.paired import drop_resolution, holm, images_needed, mcnemar_p, paired_drop, paired_drop_interval

Pair = tuple[np.ndarray, np.ndarray]


def answers(lost: int, gained: int, n: int) -> Pair:
    reference, candidate = np.ones(n, bool), np.ones(n, bool)
    candidate[:lost] = False
    reference[lost : lost + gained] = False
    return reference, candidate


COUNTS = [(1, 7, 21), (4, 1, 100), (1, 0, 52), (0, 0, 54), (12, 2, 50), (3, 0, 3), (60, 40, 545)]


@pytest.mark.parametrize(("lost", "gained", "n"), COUNTS)
def test_the_ends_are_where_the_score_test_rejects(lost: int, gained: int, n: int) -> None:
    """From the definition: the likelihood maximised under each difference by SciPy, and its score statistic."""

    def statistic(difference: float) -> float:
        def negative_log_likelihood(share_gained: float) -> float:
            shares = np.array([share_gained + difference, share_gained, 1 - 2 * share_gained - difference])
            counts = np.array([lost, gained, n - lost - gained])
            return -float(np.sum(np.where(counts > 0, counts * np.log(np.maximum(shares, 1e-300)), 0)))

        bounds = (max(0.0, -difference), (1 - difference) / 2)
        best = optimize.minimize_scalar(negative_log_likelihood, bounds=bounds, options={"xatol": 1e-12}).x
        return float((lost - gained - n * difference) / np.sqrt(n * (2 * best + difference * (1 - difference))))

    quantile = stats.norm.ppf(0.975)
    low, high = (end / 100 for end in paired_drop_interval(*answers(lost, gained, n)))
    if low > -1:
        assert statistic(low) == pytest.approx(quantile, abs=2e-3)
    if high < 1:
        assert statistic(high) == pytest.approx(-quantile, abs=2e-3)


def test_the_interval_matches_published_values() -> None:
    # Fagerland, Lydersen and Laake (2014), airway data: 1 and 7 discordant of 21 pairs, Tango's interval.
    assert paired_drop_interval(*answers(1, 7, 21)) == pytest.approx((-51.7, -2.6), abs=0.05)


@pytest.mark.parametrize(("lost", "gained", "n"), [(4, 1, 100), (9, 2, 54), (1, 7, 21)])
def test_an_interval_as_sure_as_mcnemars_statistic_ends_at_zero(lost: int, gained: int, n: int) -> None:
    reference, candidate = answers(lost, gained, n)
    table = [[np.sum(a & b) for b in (candidate, ~candidate)] for a in (reference, ~reference)]
    p = float(mcnemar(table, exact=False, correction=False).pvalue)
    ends = paired_drop_interval(reference, candidate, confidence=1 - p)
    assert min(map(abs, ends)) == pytest.approx(0, abs=1e-5)


def test_drops_and_gains_mirror() -> None:
    reference, candidate = answers(7, 2, 60)
    low, high = paired_drop_interval(reference, candidate)
    assert paired_drop_interval(candidate, reference) == pytest.approx((-high, -low), abs=1e-5)
    assert paired_drop(reference, candidate) == pytest.approx(100 * 5 / 60)
    assert low < paired_drop(reference, candidate) < high


def test_nothing_flipped_is_not_nothing_lost() -> None:
    q2 = stats.norm.ppf(0.975) ** 2
    assert paired_drop_interval(*answers(0, 0, 54))[1] == pytest.approx(100 * q2 / (54 + q2), abs=1e-5)
    groups = np.repeat(np.arange(13), 4)
    t2 = stats.t.ppf(0.975, 12) ** 2
    assert drop_resolution(52, groups) == pytest.approx(100 * t2 / (13 + t2), abs=1e-5)
    assert drop_resolution(52, np.zeros(52, int)) == 100


@pytest.mark.parametrize("limit", [0.5, 1.0, 2.0, 5.0, 40.0])
def test_as_many_images_as_said_are_needed_and_enough(limit: float) -> None:
    needed, groups = images_needed(limit), images_needed(limit, grouped=True)
    assert needed is not None
    assert groups is not None
    assert drop_resolution(needed) <= limit < drop_resolution(needed - 1)
    pairs = [np.repeat(np.arange(count), 2) for count in (groups, groups - 1)]
    assert drop_resolution(2 * groups, pairs[0]) <= limit < drop_resolution(2 * groups - 2, pairs[1])


def test_no_number_of_images_shows_that_nothing_is_lost() -> None:
    assert images_needed(0) is None


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(0, 20)), min_size=1, max_size=60))
def test_groups_never_narrow_an_interval(images: list[tuple[bool, bool, int]]) -> None:
    reference, candidate = (np.array([image[index] for image in images]) for index in (0, 1))
    low, high = paired_drop_interval(reference, candidate)
    grouped_low, grouped_high = paired_drop_interval(reference, candidate, groups=[str(i[2]) for i in images])
    assert grouped_low <= low + 1e-5
    assert high - 1e-5 <= grouped_high


@pytest.mark.parametrize(("lost", "gained", "n"), [*COUNTS, (200, 340, 1200)])
def test_images_on_their_own_give_mcnemars_exact_test(lost: int, gained: int, n: int) -> None:
    expected = float(mcnemar([[0, lost], [gained, 0]], exact=True).pvalue) if lost + gained else 1.0
    assert mcnemar_p(*answers(lost, gained, n)) == pytest.approx(expected, rel=1e-9)
    assert mcnemar_p(*answers(lost, gained, n), groups=[str(i) for i in range(n)]) == pytest.approx(expected, rel=1e-9)


def test_the_grouped_test_counts_every_exchange_of_groups() -> None:
    rng = np.random.default_rng(4)
    for _ in range(20):
        groups = rng.integers(0, 8, 30)
        reference, candidate = rng.random(30) < 0.8, rng.random(30) < 0.6
        sums = np.bincount(groups, reference.astype(int) - candidate.astype(int).astype(float))
        signs = np.array(list(itertools.product((-1, 1), repeat=len(sums))))
        expected = np.mean(np.abs(signs @ sums) >= abs(sums.sum()))
        assert mcnemar_p(reference, candidate, groups=groups) == pytest.approx(expected)


def test_turns_of_one_cloth_are_not_evidence_of_their_own() -> None:
    reference, candidate = answers(12, 0, 60)
    assert mcnemar_p(reference, candidate) < 0.001
    assert mcnemar_p(reference, candidate, groups=np.repeat(np.arange(15), 4)) == pytest.approx(2 / 2**3)


def test_holm_orders_and_caps() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx((0.03, 0.06, 0.06))
    assert holm([0.9, 0.8]) == (1.0, 1.0)
    assert holm([]) == ()
