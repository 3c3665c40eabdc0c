"""Two classifiers on the very same images: how much accuracy one loses, with its interval, and whether by chance."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from batikkit.intervals import Evidence, Groups, evidence, t_quantile

Bools = NDArray[np.bool_]


def paired_drop(reference_right: Bools, candidate_right: Bools) -> float:
    """Accuracy lost by the candidate on the same images, in percentage points (negative: it gained)."""
    return 100.0 * float(np.mean(_lost(reference_right, candidate_right)))


def _lost(reference_right: Bools, candidate_right: Bools) -> NDArray[np.float64]:
    """1 where only the reference is right, -1 where only the candidate is, else 0."""
    return reference_right.astype(np.float64) - candidate_right.astype(np.float64)


def paired_drop_interval(
    reference_right: Bools, candidate_right: Bools, *, groups: Groups | None = None, confidence: float = 0.95
) -> tuple[float, float]:
    """Score interval of `paired_drop` (Tango 1998), in percentage points, at the test's `evidence`.

    Args:
        reference_right: bool [N].
        candidate_right: bool [N].
        groups: Of each image; None: every image on its own.
        confidence: Coverage.

    Raises:
        ValueError: no images, or not as many groups.
    """
    lost = _lost(reference_right, candidate_right)
    known = evidence(lost, groups, confidence=confidence)
    low, high = _tango(float(np.mean(lost > 0)), float(np.mean(lost < 0)), known)
    return 100.0 * low, 100.0 * high


def drop_resolution(n: int, groups: Groups | None = None, *, confidence: float = 0.95) -> float:
    """Upper end of the interval where not one answer of `n` images flips, in percentage points.

    No smaller drop can be ruled out on these images.
    """
    same = np.ones(n, np.bool_)
    return paired_drop_interval(same, same, groups=groups, confidence=confidence)[1]


def images_needed(drop_pp: float, *, grouped: bool = False, confidence: float = 0.95) -> int | None:
    """The fewest independent images, or groups of equal images, whose `drop_resolution` is at most `drop_pp` points.

    None where no number would do: that nothing at all is lost cannot be shown.
    """
    if drop_pp <= 0:
        return None
    share = min(1.0, drop_pp / 100)
    wanted = (1 - share) / share  # the interval of n images without a flip ends at q^2 / (n + q^2)
    normal = NormalDist().inv_cdf(0.5 + confidence / 2)
    count = max(1, math.ceil(normal**2 * wanted - 1e-9))
    while grouped and count < t_quantile(count - 1, confidence=confidence) ** 2 * wanted:
        count += 1
    return count


def _tango(lost: float, gained: float, known: Evidence) -> tuple[float, float]:
    """The differences that the score test of paired proportions does not reject; shares 0..1."""
    drop = lost - gained

    def accepted(difference: float) -> bool:
        # The share gained, most likely if the difference were this one, is the positive root of a quadratic.
        b = (2 - drop) * difference - lost - gained
        root = math.sqrt(max(0.0, b * b + 8 * gained * difference * (1 - difference)))
        variance = (root - b) / 2 + difference * (1 - difference)
        return known.size * (drop - difference) ** 2 <= known.quantile**2 * max(0.0, variance)

    if math.isinf(known.quantile):
        return -1.0, 1.0
    return _last_accepted(accepted, drop, -1.0), _last_accepted(accepted, drop, 1.0)


def _last_accepted(accepted: Callable[[float], bool], inside: float, outside: float) -> float:
    """Where, on the way from `inside` to `outside`, acceptance ends."""
    if accepted(outside):
        return outside
    while abs(outside - inside) > 1e-9:
        middle = (inside + outside) / 2
        inside, outside = (middle, outside) if accepted(middle) else (inside, middle)
    return inside


def mcnemar_p(reference_right: Bools, candidate_right: Bools, *, groups: Groups | None = None) -> float:
    """Two-sided exact test that both are equally often right; 1.0 where no image tells them apart.

    If they were equal, each group's surplus of one over the other could as well have been the other's: the share of all
    such exchanges whose sum is at least as far from 0 (randomization test of Fisher 1935, on groups as in Gail et al.
    1996). Where every image is its own group this is McNemar's exact test.

    Args:
        reference_right: bool [N].
        candidate_right: bool [N].
        groups: Of each image; None: every image on its own.
    """
    lost = _lost(reference_right, candidate_right)
    codes = np.arange(len(lost)) if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1]
    sums = np.bincount(codes.reshape(-1), lost).astype(int)
    reach = int(np.abs(sums).sum())
    # shares[k]: of all exchanges so far, those whose sum is k - reach.
    shares = np.zeros(2 * reach + 1)
    shares[reach] = 1.0
    for surplus in np.abs(sums[sums != 0]):
        shares = (np.roll(shares, surplus) + np.roll(shares, -surplus)) / 2
    beyond = np.abs(np.arange(-reach, reach + 1)) >= abs(int(sums.sum()))
    return min(1.0, float(shares[beyond].sum()))


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """P-values adjusted for being several (Holm 1979), in their order."""
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * p_values[index]))
        adjusted[index] = largest
    return tuple(adjusted)
