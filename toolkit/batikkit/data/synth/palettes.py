"""Dye palettes of the batik regions, jittered per cloth and drawn without regard to the motif.

The same distribution serves every motif: colour must not give a motif away.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from batikkit.data.synth.fields import RAMP_STEPS

# ground, light (where the wax kept the cloth pale), accent, second, outline; sRGB hex.
PALETTES: tuple[tuple[str, str, str, str, str], ...] = (
    ("2b1a12", "f0e0bd", "a5642a", "6b3a1c", "1c100b"),  # Solo sogan: black-brown, cream, golden brown
    ("4a2814", "e8cf9a", "c0853c", "7d4a20", "22120a"),  # older sogan, yellowed cream
    ("1a1d33", "f4ecd8", "9a5b2c", "31406e", "0e0f1c"),  # Yogya: blue-black, white, soga brown
    ("15305e", "e6edf2", "5f8fc2", "27518f", "0b1a38"),  # indigo alone (kelengan, biron)
    ("7d1420", "f5e9d6", "d8913b", "a82a32", "35080e"),  # Lasem "chicken's blood" red
    ("173d7a", "f2f0e6", "c93a3f", "3f7fc4", "0c1d3f"),  # Cirebon blue with red
    ("b3232c", "fbf1e0", "2b4f93", "e0703f", "3d0b12"),  # Cirebon red with blue
    ("16281c", "efe6c2", "c7392b", "4f7f3a", "0a140d"),  # Madura green and red
    ("5c1116", "f2d38b", "d9622b", "8d2a1b", "240608"),  # Madura red-brown and yellow
    ("0f4a46", "e7f3e6", "e0a63d", "2f8577", "06211f"),  # Pekalongan teal
    ("5a2a63", "f6e7f0", "e58aa5", "8b4d96", "260f2b"),  # Pekalongan violet
    ("1f1f22", "e9e9e6", "9a9a98", "5c5c60", "0b0b0d"),  # modern monochrome
    ("20666e", "fff4dc", "f08a4b", "49a0a3", "0c2c30"),  # modern turquoise and orange
    ("6d6a2b", "f7f2d2", "c9b13f", "47521f", "24240d"),  # natural dyes: tegeran yellow, olive
)


def dye(rng: np.random.Generator) -> NDArray[np.float32]:
    """Draw the colours of one cloth.

    Returns:
        float32 [5 + RAMP_STEPS, 3], RGB 0..255: one row per slot, the gradation last, light to deep.
    """
    colours = _rgb(PALETTES[int(rng.integers(len(PALETTES)))])
    # Half of all cloths are "latar putih": pale ground, dark drawing.
    if rng.random() < 0.45:
        colours[[0, 1]] = colours[[1, 0]]
        # The contour lies on the drawing, so it must be pale where the drawing is dark.
        colours[4] = colours[0] * 0.93
        if rng.random() < 0.5:
            colours[[1, 3]] = colours[[3, 1]]
    if rng.random() < 0.5:
        colours[[2, 3]] = colours[[3, 2]]
    tint = rng.normal(1.0, 0.06, 3)
    colours = np.clip(colours * tint + rng.normal(0, 7, colours.shape), 0, 255)
    light = colours[1]
    # The gradation ends in one of the two dyes that stand out best from its light end.
    by_contrast = sorted((2, 3, 4), key=lambda slot: -float(np.abs(colours[slot] - light).sum()))
    deep = colours[by_contrast[int(rng.integers(2))]]
    steps = np.linspace(0.1, 1.0, RAMP_STEPS)[:, None]
    return np.concatenate([colours, light + (deep - light) * steps]).astype(np.float32)


def _rgb(codes: tuple[str, ...]) -> NDArray[np.float64]:
    """Hex codes as float64 [N, 3], 0..255."""
    return np.array([list(bytes.fromhex(code)) for code in codes], dtype=np.float64)
