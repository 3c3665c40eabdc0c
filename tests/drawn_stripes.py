"""Photographs of stripes, made on the spot."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image


def write_stripes(folder: Path, *, per_class: int = 12, size: int = 64) -> None:
    rng = np.random.default_rng(7)
    y, x = np.mgrid[:size, :size]
    for name, phase in {"across": y, "diagonal": x + y, "upright": x}.items():
        (folder / name).mkdir(parents=True)
        for index in range(per_class):
            wave = 127 + 90 * np.sin(phase / rng.uniform(2, 4) + rng.uniform(0, 6))
            # Even stripes of any width are scaled copies of each other; the patches tell one cloth from the next.
            patches = Image.fromarray(rng.integers(0, 256, (6, 6), dtype=np.uint8)).resize((size, size))
            wave = wave * (0.35 + 0.65 * np.asarray(patches) / 255)
            pixels = wave[..., None] * rng.uniform(0.5, 1, 3) + rng.normal(0, 12, (size, size, 3))
            image = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
            image.save(folder / name / f"{name}_{index:02d}.png")
