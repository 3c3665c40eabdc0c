"""Vectorised geometry over coordinate fields: folding into a repeat, ovals, petals, rings, per-cell chance.

Every function takes and returns arrays of one shape [H, W], float32 in practice; lengths are in repeats of the motif.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.floating[Any]]
Mask = NDArray[np.bool_]
Slots = NDArray[np.uint8]

# What a dye bath can leave on the cloth; a palette gives each slot its colour.
GROUND, LIGHT, ACCENT, SECOND, OUTLINE = range(5)
RAMP_START, RAMP_STEPS = 5, 7
"""First slot and length of the light-to-deep gradation that megamendung needs."""

TABLE_SIDE = 16


def fold(t: Field) -> Field:
    """Signed distance to the nearest repeat centre, in [-0.5, 0.5]."""
    return t - np.rint(t)


def cell(t: Field) -> NDArray[np.intp]:
    """Number of the repeat that `fold` folds `t` into."""
    return np.rint(t).astype(np.intp)


def per_cell(table: NDArray[np.float32], column: NDArray[np.intp], row: NDArray[np.intp]) -> Field:
    """Look up one random value per repeat, so that every pixel of a repeat agrees on it."""
    values: Field = table[row % TABLE_SIDE, column % TABLE_SIDE]
    return values


def cell_table(rng: np.random.Generator) -> NDArray[np.float32]:
    """Random values in [0, 1) for `per_cell`, float32 [16, 16]."""
    return rng.random((TABLE_SIDE, TABLE_SIDE), dtype=np.float32)


def turn(x: Field, y: Field, angle: float) -> tuple[Field, Field]:
    """Rotate the coordinates by `angle` radians."""
    c, s = math.cos(angle), math.sin(angle)
    return c * x + s * y, c * y - s * x


def oval(x: Field, y: Field, half_length: float, half_width: float) -> Field:
    """Normalised radius of an ellipse along x: below 1 inside, 1 on the edge."""
    radius: Field = np.hypot(x / half_length, y / half_width)
    return radius


def polar(x: Field, y: Field) -> tuple[Field, Field]:
    """Radius and angle (radians)."""
    return np.hypot(x, y), np.arctan2(y, x)


def petals(angle: Field, count: int, *, phase: float = 0.0) -> Field:
    """A petal profile in [0, 1]: 1 on the axis of each of `count` petals, 0 between two of them."""
    profile: Field = np.abs(np.cos(angle * (count / 2) + phase))
    return profile


def paint(slots: Slots, mask: Mask, slot: int) -> None:
    """Give every pixel under `mask` the colour slot, in place."""
    slots[mask] = slot


def bare(x: Field) -> Slots:
    """A cloth of plain ground, uint8 of the shape of `x`."""
    return np.full(x.shape, GROUND, dtype=np.uint8)
