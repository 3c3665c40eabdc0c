"""Networks whose weights repeat, so that an archive of the file is small: half of them zero, or few distinct values.

Which of them go, and to what, is decided by what that does to the layers' outputs on calibration photographs.
Neither makes the file itself smaller or faster; an app's download is what shrinks. Depthwise kernels and the first
layer are left alone: they hold few weights, and each one counts.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from batikkit.errors import InputError
from batikkit.network.keras_backend import tf
from batikkit_exporters.network.network import Network, Node
from batikkit_exporters.network.operators import weights_of
from batikkit_exporters.quantization.distill import trainable_constants
from batikkit_exporters.quantization.layerwise import compensate, settle_weights

SPARSITY = 0.5
CLUSTERS = 32
SMALLEST_WEIGHTS = 1000
"""Weight tensors with fewer elements are left alone."""
LLOYD_STEPS = 12
Floats = NDArray[np.float64]


def compressible(network: Network) -> list[int]:
    """Positions of the weight tensors worth compressing.

    Raises:
        InputError: there are none.
    """
    found = []
    for node in network.nodes:
        weights = weights_of(node)
        if weights is not None and not weights.depthwise:
            data = network.constant(node.inputs[1])
            if data is not None and data.size >= SMALLEST_WEIGHTS:
                found.append(node.inputs[1])
    if not found:
        raise InputError(
            f"no layer has {SMALLEST_WEIGHTS} weights or more to prune or cluster: leave these variants out"
        )
    return found


def prune(network: Network, images: NDArray[np.uint8], *, sparsity: float = SPARSITY) -> Network:
    """Sets those weights of the larger tensors to zero that cost least, and lets the others make up for them.

    A weight w costs w^2 / [C^-1]_ii for inputs of covariance C ("Optimal Brain Surgeon", Hassibi et al. 1993), here as
    a share of its layer's output, so that layers which have more to spare give more. What stays of a filter is its
    least-squares fit to the filter's output.

    Args:
        network: A float network.
        images: Calibration photographs, uint8 [N, S, S, 3].
        sparsity: Share of zeros in all larger tensors together (0..1).
    """
    costs: dict[int, Floats] = {}

    def weigh(node: Node, rows: Floats, covariance: Floats | None) -> Floats:
        filters, spread = _only(rows, covariance)
        output = np.sum((filters @ spread) * filters)
        costs[node.inputs[1]] = filters**2 / np.diag(np.linalg.inv(spread)) / output
        return rows

    settle_weights(network, images, weigh, kernels=compressible(network))
    limit = np.quantile(np.concatenate([cost.reshape(-1) for cost in costs.values()]), sparsity)

    def settle(node: Node, rows: Floats, covariance: Floats | None) -> Floats:
        filters, spread = _only(rows, covariance)
        wanted, fitted = filters @ spread, np.zeros_like(filters)
        for row, kept in enumerate(costs[node.inputs[1]] > limit):
            fitted[row, kept] = np.linalg.solve(spread[np.ix_(kept, kept)], wanted[row, kept])
        return fitted[None]

    return settle_weights(network, images, settle, kernels=compressible(network))


def _only(rows: Floats, covariance: Floats | None) -> tuple[Floats, Floats]:
    """The one group that there is where no layer is depthwise: filters [F, K] and covariance [K, K]."""
    assert covariance is not None
    return rows[0], covariance[0]


def cluster(network: Network, images: NDArray[np.uint8], *, clusters: int = CLUSTERS) -> Network:
    """Gives the weights of each larger tensor a few distinct values, each making up for the errors of those before it.

    Args:
        network: A float network.
        images: Calibration photographs, uint8 [N, S, S, 3].
        clusters: Distinct values of each tensor.
    """

    def settle(_node: Node, rows: Floats, covariance: Floats | None) -> Floats:
        assert covariance is not None
        centres = find_clusters(rows.reshape(-1).astype(np.float32), clusters).astype(np.float64)
        between = (centres[1:] + centres[:-1]) / 2
        return compensate(rows, covariance, lambda weights: np.asarray(centres[np.searchsorted(between, weights)]))

    return settle_weights(network, images, settle, kernels=compressible(network))


class PrunedWeights:
    """Weights of the larger tensors that are zero stay zero, the others train (Han et al. 2015)."""

    def __init__(self, network: Network) -> None:
        self._variables = trainable_constants(network)
        self._masks = {
            index: tf.constant((np.asarray(network.constant(index)) != 0).astype(np.float32))
            for index in compressible(network)
        }

    def variables(self) -> list[Any]:
        """One per constant."""
        return list(self._variables.values())

    def constants(self) -> dict[int, Any]:
        """With the pruned weights at zero."""
        return {i: v * self._masks[i] if i in self._masks else v + 0.0 for i, v in self._variables.items()}


class ClusteredWeights:
    """The distinct values of each larger tensor train while every weight keeps its own (Han et al. 2016)."""

    def __init__(self, network: Network) -> None:
        self._variables = trainable_constants(network)
        self._members = {}
        for index in compressible(network):
            weights = np.asarray(network.constant(index))
            centres, members = np.unique(weights, return_inverse=True)
            self._variables[index] = tf.Variable(centres)
            self._members[index] = tf.constant(members.reshape(weights.shape).astype(np.int32))

    def variables(self) -> list[Any]:
        """Values of clustered tensors, all elements of the others."""
        return list(self._variables.values())

    def constants(self) -> dict[int, Any]:
        """Every weight at its value."""
        return {
            i: tf.gather(v, self._members[i]) if i in self._members else v + 0.0 for i, v in self._variables.items()
        }


def find_clusters(values: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """Centres of groups of values, float32 [count] in order (Lloyd, from even steps)."""
    centres = np.linspace(values.min(), values.max(), count)
    for _ in range(LLOYD_STEPS):
        members = np.searchsorted((centres[1:] + centres[:-1]) / 2, values)
        sums = np.bincount(members, weights=values, minlength=count)
        sizes = np.bincount(members, minlength=count)
        centres = np.sort(np.where(sizes > 0, sums / np.maximum(sizes, 1), centres))
    return centres.astype(np.float32)
