"""From what a tensor was seen doing to the range its grid covers: all of it, all but the rarest, or least error.

Min-max ranges widen with every outlier, and a wider range is a coarser grid for all the other values. The other two
methods clip the rare for the sake of the many; which one helps is a property of the network, so the ladder measures it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from batikkit_exporters.network.network import Network
from batikkit_exporters.network.operators import find_operator
from batikkit_exporters.network.operators.operator import COPIED, JOINED, OWN, UNIT
from batikkit_exporters.quantization.grid import Grid, grid_over
from batikkit_exporters.quantization.observation import Observed

METHODS = ("minmax", "percentile", "mse")
TAIL_PERCENT = 0.01
_CLIPS = np.linspace(0.3, 1.0, 29)
_BINS = 8192


def lay_grids(
    network: Network, observed: Mapping[int, Observed], *, method: str = "minmax", wide: frozenset[int] = frozenset()
) -> dict[int, Grid]:
    """A grid for every computed tensor.

    The input's is exactly (1, -128) over pixels 0..255, and a softmax's is what its kernel demands.

    Args:
        network: The float network.
        observed: `observe` of it.
        method: One of `METHODS`.
        wide: Positions of tensors that get 16 bits.
    """

    def covered(index: int, dtype: str) -> tuple[float, float]:
        return find_range(observed[index], method=method, dtype=dtype)

    return _laid(network, covered, wide)


def lay_grids_over(network: Network, ranges: Mapping[int, tuple[float, float]]) -> dict[int, Grid]:
    """The same over given ranges, by position."""
    return _laid(network, lambda index, _dtype: ranges[index], frozenset())


def _laid(
    network: Network, covered: Callable[[int, str], tuple[float, float]], wide: frozenset[int]
) -> dict[int, Grid]:
    grids: dict[int, Grid] = {network.inputs[0]: Grid(1.0, -128)}
    for node in network.nodes:
        index = node.outputs[0]
        dtype = "int16" if index in wide else "int8"
        rule = find_operator(node.kind).grid
        if rule == UNIT:
            grids[index] = Grid(1 / 256, -128) if dtype == "int8" else Grid(1 / 32768, 0, "int16")
        elif rule == COPIED:
            grids[index] = grids[node.inputs[0]]
        else:
            grids[index] = grid_over(*covered(index, dtype), dtype)
    _share_joined(network, grids)
    return grids


def _share_joined(network: Network, grids: dict[int, Grid]) -> None:
    """What nothing else reads is rounded once, to the grid of what it is joined into."""
    own = {node.outputs[0] for node in network.nodes if find_operator(node.kind).grid == OWN}
    for node in reversed(network.nodes):
        if find_operator(node.kind).grid == JOINED:
            joined = grids[node.outputs[0]]
            for index in own.intersection(node.inputs):
                if len(network.consumers(index)) == 1 and grids[index].dtype == joined.dtype:
                    grids[index] = joined


def find_range(seen: Observed, *, method: str, dtype: str = "int8") -> tuple[float, float]:
    """The range of real values that a tensor's grid should cover.

    Raises:
        ValueError: no such method.
    """
    if method not in METHODS:
        raise ValueError(f"unknown method {method!r}")
    if method == "minmax" or dtype == "int16":  # 16 bits resolve the whole range, outliers and all
        return seen.low, seen.high
    if method == "percentile":
        low, high = np.percentile(seen.sample, [TAIL_PERCENT, 100 - TAIL_PERCENT])
        return float(low), float(high)
    return _least_error(seen)


def _least_error(seen: Observed) -> tuple[float, float]:
    """Shrinks each end in turn to where the mean squared rounding and clipping error of the sample is least."""
    values, counts = _condensed(seen.sample)
    low, high = seen.low, seen.high
    for _ in range(2):
        high = min((clip * seen.high for clip in _CLIPS), key=lambda end: _error(values, counts, low, end))
        low = min((clip * seen.low for clip in _CLIPS), key=lambda end: _error(values, counts, end, high))
    return float(low), float(high)


def _condensed(sample: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Means and numbers of the values in bins far finer than a grid: the same error at a fiftieth of the work."""
    low = float(sample.min())
    width = (float(sample.max()) - low) / _BINS or 1.0
    bins = np.minimum((sample - low) / width, _BINS - 1).astype(np.intp)
    counts, sums = np.bincount(bins), np.bincount(bins, weights=sample)
    filled = counts > 0
    return sums[filled] / counts[filled], counts[filled]


def _error(values: NDArray[np.float64], counts: NDArray[np.int64], low: float, high: float) -> float:
    grid = grid_over(low, high)
    smallest, largest = grid.limits()
    rounded = np.rint(np.clip(values, smallest, largest) / grid.scale) * grid.scale
    return float(counts @ (rounded - values) ** 2)
