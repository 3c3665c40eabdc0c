"""Networks whose weights repeat, so that an archive of the file is small: half of them zero, or few distinct values.

Neither makes the file itself smaller or faster; an app's download is what shrinks. Depthwise kernels and the first
layer are left alone: they hold few weights, and each one counts.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from batikkit.keras_backend import tf
from batikkit_exporters.distill import trainable_constants
from batikkit_exporters.network import Network

SPARSITY = 0.5
CLUSTERS = 32
SMALLEST_WEIGHTS = 1000
"""Weight tensors with fewer elements are left alone."""
LLOYD_STEPS = 12


def compressible(network: Network) -> list[int]:
    """Positions of the weight tensors worth compressing."""
    found = []
    for node in network.nodes:
        if node.kind in ("CONV_2D", "FULLY_CONNECTED"):
            data = network.constant(node.inputs[1])
            if data is not None and data.size >= SMALLEST_WEIGHTS:
                found.append(node.inputs[1])
    return found


class PrunedWeights:
    """The smallest weights of each tensor stay zero, the others train (Han et al. 2015)."""

    def __init__(self, network: Network, *, sparsity: float = SPARSITY) -> None:
        self._variables = trainable_constants(network)
        self._masks = {}
        for index in compressible(network):
            size = np.abs(np.asarray(network.constant(index)))
            self._masks[index] = tf.constant((size > np.quantile(size, sparsity)).astype(np.float32))

    def variables(self) -> list[Any]:
        """One per constant."""
        return list(self._variables.values())

    def constants(self) -> dict[int, Any]:
        """With the pruned weights at zero."""
        return {i: v * self._masks[i] if i in self._masks else v + 0.0 for i, v in self._variables.items()}


class ClusteredWeights:
    """Each tensor holds a few distinct values, which train while every weight keeps its own (Han et al. 2016)."""

    def __init__(self, network: Network, *, clusters: int = CLUSTERS) -> None:
        self._variables = trainable_constants(network)
        self._members = {}
        for index in compressible(network):
            weights = np.asarray(network.constant(index))
            centres, members = find_clusters(weights.reshape(-1), clusters)
            self._variables[index] = tf.Variable(centres)
            self._members[index] = tf.constant(members.reshape(weights.shape))

    def variables(self) -> list[Any]:
        """Centres of clustered tensors, all elements of the others."""
        return list(self._variables.values())

    def constants(self) -> dict[int, Any]:
        """Every weight at its centre."""
        return {
            i: tf.gather(v, self._members[i]) if i in self._members else v + 0.0 for i, v in self._variables.items()
        }


def find_clusters(values: NDArray[np.float32], count: int) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Centres float32 [count] in order and the nearest one of each value int32 [N] (Lloyd, from even steps)."""
    centres = np.linspace(values.min(), values.max(), count)
    for _ in range(LLOYD_STEPS):
        members = np.searchsorted((centres[1:] + centres[:-1]) / 2, values)
        sums = np.bincount(members, weights=values, minlength=count)
        sizes = np.bincount(members, minlength=count)
        centres = np.sort(np.where(sizes > 0, sums / np.maximum(sizes, 1), centres))
    members = np.searchsorted((centres[1:] + centres[:-1]) / 2, values)
    return centres.astype(np.float32), members.astype(np.int32)
