"""Average linkage: SciPy's clusters from few links, whatever their order; a wrong link joins nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.cluster import hierarchy

from batikkit.data.linkage import average_linkage

Ints = NDArray[np.int64]
NONE = np.zeros(0, np.int64)


def linked(weights: NDArray[np.float64]) -> tuple[Ints, Ints, NDArray[np.float64]]:
    left, right = np.nonzero(np.triu(weights, 1))
    return left, right, weights[left, right]


def by_scipy(weights: NDArray[np.float64], least: float) -> Ints:
    """The same clusters by distances: a pair without a link is as far as can be."""
    tree = hierarchy.linkage((1 - weights)[np.triu_indices(len(weights), 1)], "average")
    names = hierarchy.fcluster(tree, 1 - least, "distance")
    return np.array([np.flatnonzero(names == name)[0] for name in names])


def random_weights(seed: int, count: int, share: float) -> NDArray[np.float64]:
    rng = np.random.default_rng(seed)
    weights = rng.uniform(0.01, 1, (count, count)) * (rng.random((count, count)) < share)
    weights = np.triu(weights, 1)
    return weights + weights.T


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    count=st.integers(2, 40),
    share=st.sampled_from((0.05, 0.2, 0.6, 1.0)),
    least=st.floats(0.02, 0.95),
)
def test_the_clusters_are_those_of_scipy(seed: int, count: int, share: float, least: float) -> None:
    weights = random_weights(seed, count, share)
    found = average_linkage(count, *linked(weights), least=least)
    assert found.tolist() == by_scipy(weights, least).tolist()


@pytest.mark.parametrize("seed", range(20))
def test_the_order_of_links_and_of_their_ends_changes_nothing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    weights = random_weights(seed, 30, 0.3)
    weights[weights > 0] = np.ceil(weights[weights > 0] * 4) / 4  # many are equally near
    left, right, weight = linked(weights)
    order, swap = rng.permutation(len(left)), rng.random(len(left)) < 0.5
    ends = np.where(swap, left, right)[order], np.where(swap, right, left)[order]
    first = average_linkage(30, left, right, weight, least=0.3)
    assert len(set(first.tolist())) not in (1, 30)
    assert average_linkage(30, *ends, weight[order], least=0.3).tolist() == first.tolist()


def test_a_wrong_link_between_large_clusters_joins_nothing() -> None:
    """Single linkage would make one cluster of the two."""
    weights = np.zeros((20, 20))
    weights[:10, :10] = weights[10:, 10:] = 0.6
    weights[3, 14] = weights[14, 3] = 1.0
    found = average_linkage(20, *linked(weights), least=0.1)
    assert set(found[:3].tolist()) == {0}
    assert set(found[10:14].tolist()) == {10}
    assert len(set(found.tolist())) == 2


def test_a_chain_from_far_to_near_is_one_cluster() -> None:
    """Its ends are not linked with each other, only with those between."""
    weights = np.eye(5, k=1) + np.eye(5, k=-1)
    assert set(average_linkage(5, *linked(weights), least=0.1).tolist()) == {0}


def test_without_links_every_item_is_its_own_cluster() -> None:
    assert average_linkage(4, NONE, NONE, np.zeros(0), least=0.1).tolist() == [0, 1, 2, 3]
    assert average_linkage(0, NONE, NONE, np.zeros(0), least=0.1).tolist() == []


def test_links_below_the_least_join_nothing() -> None:
    assert average_linkage(2, np.array([0]), np.array([1]), np.array([0.09]), least=0.1).tolist() == [0, 1]
    assert average_linkage(2, np.array([1]), np.array([0]), np.array([0.11]), least=0.1).tolist() == [0, 0]
