"""Weight files in Keras' `.h5` layout, looked at without a framework."""

from __future__ import annotations

from pathlib import Path
from typing import Any

_WIDTHS = {24: 0.35, 32: 0.5, 48: 0.75, 64: 1.0, 80: 1.3, 88: 1.4}
"""Channels that enter `block_7_expand` -> width multiplier (rounded to multiples of 8 as MobileNetV2 does)."""


def is_hdf5(path: Path) -> bool:
    """Whether a file begins as HDF5 files do."""
    with path.open("rb") as file:
        return file.read(8) == b"\x89HDF\r\n\x1a\n"


def backbone_width(path: Path) -> float | None:
    """The width multiplier of the MobileNetV2 that a file was made for; None where it does not tell."""
    import h5py

    widths: list[float | None] = []

    def look(name: str, entry: Any) -> None:
        if "block_7_expand/" in f"{name}/" and getattr(entry, "ndim", 0) == 4:
            widths.append(_WIDTHS.get(entry.shape[2]))

    try:
        with h5py.File(path) as file:
            file.visititems(look)
    except OSError:  # whoever loads it says what is wrong with it
        return None
    return widths[0] if widths else None
