"""Isen-isen, the small fillings a batik maker sets into larger shapes, each as a mask that repeats with period 1.

The names are the makers' own: cecek (dots), sawut (fine strokes), gringsing (scales), poleng (checks), untu walang
("grasshopper teeth") and so on. Tambal fills its patches with them, lereng its bands.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from batikkit.data.synth.fields import Field, Mask, fold, oval, petals, polar


def cecek(x: Field, y: Field) -> Mask:
    """Dots, two by two."""
    return np.hypot(fold(2 * x + 0.5), fold(2 * y + 0.5)) < 0.3


def sawut(x: Field, y: Field) -> Mask:
    """Slanting strokes."""
    return np.abs(fold(2 * x + y)) < 0.24


def untu_walang(x: Field, y: Field) -> Mask:
    """A row of teeth."""
    teeth: Mask = fold(y) > 0.4 - 1.7 * (0.5 - np.abs(fold(2 * x)))
    return teeth


def lung(x: Field, y: Field) -> Mask:
    """A running tendril with a bud in each bend."""
    wave = 0.22 * np.sin(2 * np.pi * x)
    stem: Mask = np.abs(fold(y) - wave) < 0.11
    bend: Mask = np.hypot(fold(2 * x + 0.5) / 2, fold(y) + 0.12 * np.sign(wave)) < 0.11
    return stem | bend


def kembang(x: Field, y: Field) -> Mask:
    """A four-petalled flower with an open heart."""
    radius, angle = polar(fold(x), fold(y))
    return (radius < 0.2 + 0.25 * petals(angle, 4)) & (radius > 0.1)


def poleng(x: Field, y: Field) -> Mask:
    """Checks."""
    return (fold(x) > 0) ^ (fold(y) > 0)


def gringsing(x: Field, y: Field) -> Mask:
    """Scales, each with its dot."""
    row = np.floor(2 * y)
    dx, dy = fold(x + 0.5 * (row % 2)), 2 * y - row
    radius = np.hypot(dx * 2, dy)
    return (np.abs(radius - 0.86) < 0.16) | (radius < 0.3)


def kawung_cilik(x: Field, y: Field) -> Mask:
    """Kawung in small: four ovals to a repeat."""
    ax, ay = np.abs(fold(x)) - 0.25, np.abs(fold(y)) - 0.25
    return oval(ax + ay, ax - ay, 0.44, 0.25) < 1


def rantai(x: Field, y: Field) -> Mask:
    """A chain of rings."""
    radius = np.hypot(fold(x), fold(y))
    return (np.abs(radius - 0.36) < 0.11) | (radius < 0.11)


def galar(_x: Field, y: Field) -> Mask:
    """Parallel lines."""
    return np.abs(fold(3 * y + 0.5)) < 0.25


def patran(x: Field, y: Field) -> Mask:
    """Leaning leaves in a row."""
    dx, dy = fold(1.5 * x + 0.5 * y), fold(y)
    half_width = 0.42 * np.sqrt(np.clip(1 - (2.2 * dy) ** 2, 0, None)) - 0.1
    inside: Mask = np.abs(dx) < half_width
    return inside


def cacah_gori(x: Field, y: Field) -> Mask:
    """A trellis of crossed lines with a dot in each mesh."""
    a, b = fold(x + y), fold(x - y)
    return (np.abs(a) < 0.11) | (np.abs(b) < 0.11) | (np.hypot(fold(x + y + 0.5), fold(x - y + 0.5)) < 0.2)


ISEN: Mapping[str, Callable[[Field, Field], Mask]] = MappingProxyType(
    {
        f.__name__: f
        for f in (
            cecek,
            sawut,
            untu_walang,
            lung,
            kembang,
            poleng,
            gringsing,
            kawung_cilik,
            rantai,
            galar,
            patran,
            cacah_gori,
        )
    }
)
BAND_ISEN = ("cecek", "sawut", "untu_walang", "lung", "kembang", "rantai", "patran", "gringsing")
"""Fillings that read well as one narrow row."""

PATCH_ISEN = (
    "cecek",
    "sawut",
    "kembang",
    "poleng",
    "gringsing",
    "kawung_cilik",
    "galar",
    "cacah_gori",
    "lung",
    "rantai",
)
"""Fillings that read well over a patch."""
