"""Average linkage over few links: clusters that are linked on average, not merely somewhere."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_Ints = NDArray[np.int64]


class _Links(NamedTuple):
    """Each pair of clusters that are linked, once, lower one first, and the sum of its links' weights."""

    low: _Ints
    high: _Ints
    weight: NDArray[np.float64]


def average_linkage(count: int, left: _Ints, right: _Ints, weight: NDArray[np.float64], *, least: float) -> _Ints:
    """Clusters items of which a few pairs are linked; a pair without a link weighs nothing.

    Two clusters join while the mean weight over all their pairs is at least `least`. A single wrong link therefore
    joins no large clusters, as it would in single linkage. Reciprocal nearest neighbours join together (Murtagh 1983):
    the same clusters as joining the nearest pair one at a time.

    Args:
        count: Items.
        left: int64 [L], one end of each link.
        right: int64 [L], the other.
        weight: float64 [L], above 0.
        least: Mean weight at which clusters still join.

    Returns:
        int64 [count], the smallest member of each item's cluster.
    """
    cluster, size = np.arange(count), np.ones(count, np.int64)
    links = _merged(count, np.minimum(left, right), np.maximum(left, right), weight)
    while len(links.low):
        mean = links.weight / (size[links.low] * size[links.high])
        low, high = _mutual(count, links, mean, least)
        if not len(low):
            break
        size[low] += size[high]
        into = np.arange(count)
        into[high] = low
        cluster = into[cluster]
        ends = into[links.low], into[links.high]
        links = _merged(count, np.minimum(*ends), np.maximum(*ends), links.weight)
    return cluster


def _merged(count: int, low: _Ints, high: _Ints, weight: NDArray[np.float64]) -> _Links:
    apart = low != high
    keys, index = np.unique(low[apart] * count + high[apart], return_inverse=True)
    sums = np.bincount(index, weights=weight[apart], minlength=len(keys)).astype(np.float64)
    return _Links(keys // count, keys % count, sums)


def _mutual(count: int, links: _Links, mean: NDArray[np.float64], least: float) -> tuple[_Ints, _Ints]:
    """The pairs each of which is the nearest of the other, both ends; of equally near ones the first pair counts."""
    near = np.flatnonzero(mean >= least)
    order = near[np.argsort(-mean[near], kind="stable")]
    first = np.full(count, len(order))
    for ends in (links.low, links.high):
        np.minimum.at(first, ends[order], np.arange(len(order)))
    rank = np.arange(len(order))
    chosen = order[(first[links.low[order]] == rank) & (first[links.high[order]] == rank)]
    return links.low[chosen], links.high[chosen]
