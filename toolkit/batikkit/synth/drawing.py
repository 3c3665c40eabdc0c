"""Draw one picture of a motif."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from batikkit.errors import InputError
from batikkit.synth import cloth
from batikkit.synth.motifs import MOTIFS, Motif
from batikkit.synth.palettes import dye

MIN_SIZE_PX, MAX_SIZE_PX = 32, 2048


def draw_motif(name: str, *, size: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Draw one picture of a motif as if a camera had taken it.

    Args:
        name: A key of `MOTIFS`.
        size: Side in pixels, 32..2048.
        rng: Decides everything that varies: colour, scale, turn, wobble, light, softness.

    Returns:
        uint8 [size, size, 3], RGB.

    Raises:
        InputError: The motif is unknown or the size out of range.
    """
    motif = find_motif(name)
    check_size(size)
    colours = dye(rng)
    side = size * cloth.SUPERSAMPLING
    x, y = cloth.lay(side, float(rng.uniform(*motif.repeats)), rng)
    return cloth.photograph(cloth.stain(motif.draw(x, y, rng), colours, rng), size, rng)


def find_motif(name: str) -> Motif:
    """Look a motif up by name.

    Raises:
        InputError: There is none of that name.
    """
    if name not in MOTIFS:
        raise InputError(f"unknown motif {name!r}: choose from {', '.join(MOTIFS)}")
    return MOTIFS[name]


def check_size(size: int) -> None:
    """Refuse a side that no motif resolves at or that would exhaust memory.

    Raises:
        InputError: The size is out of range.
    """
    if not MIN_SIZE_PX <= size <= MAX_SIZE_PX:
        raise InputError(f"image size must be {MIN_SIZE_PX} to {MAX_SIZE_PX} pixels: got {size}")
