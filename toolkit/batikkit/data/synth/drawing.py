"""Draw one picture of a motif."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from batikkit.data.synth import cloth
from batikkit.data.synth.motifs import MOTIFS, Motif
from batikkit.data.synth.palettes import dye
from batikkit.errors import InputError
from batikkit.nearest import choices

MIN_SIZE_PX, MAX_SIZE_PX = 32, 2048


def draw_motif(name: str, *, size: int, rng: np.random.Generator, variety: float = 1.0) -> NDArray[np.uint8]:
    """Draw one picture of a motif as if a camera had taken it.

    Args:
        name: A key of `MOTIFS`.
        size: Side in pixels, 32..2048.
        rng: Decides everything that varies: colour, scale, turn, wobble, light, softness.
        variety: 1 turns the cloth to any angle and shows it from near to far; towards 0 it hangs straight at one scale.

    Returns:
        uint8 [size, size, 3], RGB.

    Raises:
        InputError: The motif is unknown, or the size or variety out of range.
    """
    motif = find_motif(name)
    check_size(size)
    check_variety(variety)
    colours = dye(rng)
    side = size * cloth.SUPERSAMPLING
    low, high = motif.repeats
    middle = (low * high) ** 0.5
    repeats = rng.uniform(middle * (low / middle) ** variety, middle * (high / middle) ** variety)
    x, y = cloth.lay(side, float(repeats), rng, turned=np.pi * variety)
    return cloth.photograph(cloth.stain(motif.draw(x, y, rng), colours, rng), size, rng)


def find_motif(name: str) -> Motif:
    """Look a motif up by name.

    Raises:
        InputError: There is none of that name.
    """
    if name not in MOTIFS:
        raise InputError(f"unknown motif {name!r}: {choices(name, MOTIFS)}")
    return MOTIFS[name]


def check_variety(variety: float) -> None:
    """Refuse a variety outside 0..1.

    Raises:
        InputError: It is.
    """
    if not 0 <= variety <= 1:
        raise InputError(f"variety must be 0 to 1: got {variety:g}")


def check_size(size: int) -> None:
    """Refuse a side that no motif resolves at or that would exhaust memory.

    Raises:
        InputError: The size is out of range.
    """
    if not MIN_SIZE_PX <= size <= MAX_SIZE_PX:
        raise InputError(f"image size must be {MIN_SIZE_PX} to {MAX_SIZE_PX} pixels: got {size}")
