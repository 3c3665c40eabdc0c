"""The grid a quantized tensor lives on: a scale, a zero point and an integer type; and how one is laid over a range."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

QUANTIZED_TYPES = {"int8": (-128, 127), "int16": (-32768, 32767)}
# A tensor that is always zero still needs a positive scale.
SMALLEST_SCALE = 1e-9


@dataclass(frozen=True)
class Grid:
    """real = scale * (q - zero_point), q within `dtype`."""

    scale: float
    zero_point: int
    dtype: str = "int8"

    def limits(self) -> tuple[float, float]:
        """The smallest and the largest real value on the grid."""
        low, high = QUANTIZED_TYPES[self.dtype]
        return self.scale * (low - self.zero_point), self.scale * (high - self.zero_point)


def grid_over(low: float, high: float, dtype: str = "int8") -> Grid:
    """The grid that covers `low`..`high` and holds 0 exactly, as zero padding needs.

    16-bit grids are symmetric, which their kernels demand.
    """
    low, high = min(low, 0.0), max(high, 0.0)
    smallest, largest = QUANTIZED_TYPES[dtype]
    if dtype == "int16":
        return Grid(float(np.float32(max(-low, high, SMALLEST_SCALE) / largest)), 0, dtype)
    scale = float(np.float32(max(high - low, SMALLEST_SCALE) / (largest - smallest)))
    zero_point = int(np.clip(np.rint(smallest - low / scale), smallest, largest))
    return Grid(scale, zero_point, dtype)


def weight_scale(weights: Any, *, axis: int | None, xp: Any = np) -> Any:
    """Scale of symmetric 8-bit weights, one per slice along `axis` (None: one for all), broadcastable to `weights`."""
    axes = None if axis is None else tuple(i for i in range(len(weights.shape)) if i != axis)
    if xp is np:
        return np.maximum(np.abs(weights).max(axis=axes, keepdims=True), SMALLEST_SCALE) / 127
    largest = xp.reduce_max(xp.abs(weights), axis=axes, keepdims=True)
    return xp.maximum(largest, SMALLEST_SCALE) / 127
