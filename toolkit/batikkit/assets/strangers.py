"""Drawn pictures that show no motif, to see how often a classifier names one all the same.

The threshold is chosen on some kinds and checked on others, so that the check says something about strangers that the
choice never saw. Drawn strangers are no substitute for photographs of other things, and the model card says so.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

Pixels = NDArray[np.uint8]
Draw = Callable[[int, np.random.Generator], Image.Image]


def _colour(rng: np.random.Generator) -> tuple[int, int, int]:
    r, g, b = (int(v) for v in rng.integers(0, 256, 3))
    return r, g, b


def _gradient(size: int, rng: np.random.Generator) -> Image.Image:
    start, end = (np.array(_colour(rng), float) for _ in range(2))
    axis = np.linspace(0, 1, size)
    turn = rng.uniform(0, np.pi)
    share = (np.cos(turn) * axis[None] + np.sin(turn) * axis[:, None] + 1) / 3
    return Image.fromarray((start + share[..., None] * (end - start)).astype(np.uint8))


def _noise(size: int, rng: np.random.Generator) -> Image.Image:
    cells = int(rng.integers(4, size))
    grid = Image.fromarray(rng.integers(0, 256, (cells, cells, 3)).astype(np.uint8))
    return grid.resize((size, size), Image.Resampling.BICUBIC)


def _tartan(size: int, rng: np.random.Generator) -> Image.Image:
    threads = np.array([_colour(rng) for _ in range(4)], float)[rng.integers(0, 4, 12)]
    repeats = int(rng.integers(1, 4))
    line = np.repeat(np.tile(threads, (repeats, 1)), -(-size // (12 * repeats)), axis=0)[:size]
    return Image.fromarray(((line[None] + line[:, None]) / 2).astype(np.uint8))


def _bricks(size: int, rng: np.random.Generator) -> Image.Image:
    image = Image.new("RGB", (size, size), _colour(rng))
    pen, colour = ImageDraw.Draw(image), _colour(rng)
    high = int(rng.integers(size // 14, size // 5))
    for row, y in enumerate(range(0, size, high)):
        for x in range(-high * (row % 2), size, 2 * high):
            pen.rectangle((x + 1, y + 1, x + 2 * high - 2, y + high - 2), fill=colour)
    return image


def _blobs(size: int, rng: np.random.Generator) -> Image.Image:
    image = Image.new("RGB", (size, size), _colour(rng))
    pen = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(3, 30))):
        x, y = rng.uniform(0, size, 2)
        wide, high = rng.uniform(size / 20, size / 3, 2)
        pen.ellipse((x - wide, y - high, x + wide, y + high), fill=_colour(rng))
    return image.filter(ImageFilter.GaussianBlur(float(rng.uniform(0, size / 40))))


def _checks(size: int, rng: np.random.Generator) -> Image.Image:
    cells = int(rng.integers(3, 17))
    y, x = np.mgrid[:size, :size] * cells // size
    colours = np.array([_colour(rng), _colour(rng)], np.uint8)
    return Image.fromarray(colours[(x + y) % 2])


def _page(size: int, rng: np.random.Generator) -> Image.Image:
    """Lines of words on paper, as a photographed page looks from afar."""
    image = Image.new("RGB", (size, size), (int(rng.integers(215, 256)),) * 3)
    pen, high = ImageDraw.Draw(image), int(rng.integers(size // 24, size // 8))
    for y in range(high, size - high, 2 * high):
        x = high
        while x < size - 2 * high:
            word = int(rng.integers(high, 5 * high))
            pen.rectangle((x, y, min(x + word, size - high), y + high // 2), fill=(40, 40, 44))
            x += word + high
    return image


def _landscape(size: int, rng: np.random.Generator) -> Image.Image:
    image = _gradient(size, rng)
    pen, horizon = ImageDraw.Draw(image), float(rng.uniform(0.4, 0.8))
    ridge = np.cumsum(rng.normal(0, 0.02, 24)) + horizon
    line = [(size * i / 23, size * float(h)) for i, h in enumerate(ridge)]
    pen.polygon([*line, (size, size), (0, size)], fill=_colour(rng))
    x, y, r = rng.uniform(0, 1), rng.uniform(0, 0.4), rng.uniform(0.03, 0.12)
    pen.ellipse(tuple(size * v for v in (x - r, y - r, x + r, y + r)), fill=(250, 240, 200))
    return image


def _rings(size: int, rng: np.random.Generator) -> Image.Image:
    y, x = np.mgrid[:size, :size] / size - rng.uniform(0, 1, 2)[:, None, None]
    wave = np.sin(np.hypot(x, y) * rng.uniform(10, 80))[..., None] / 2 + 0.5
    start, end = (np.array(_colour(rng), float) for _ in range(2))
    return Image.fromarray((start + wave * (end - start)).astype(np.uint8))


def _face(size: int, rng: np.random.Generator) -> Image.Image:
    image = _gradient(size, rng)
    pen, unit = ImageDraw.Draw(image), size * float(rng.uniform(0.5, 0.9)) / 2
    middle_x, middle_y = rng.uniform(0.4, 0.6, 2) * size
    skin = tuple(int(v) for v in np.array([225, 180, 150]) * rng.uniform(0.35, 1.1))

    def oval(x: float, y: float, wide: float, high: float, fill: tuple[int, ...]) -> None:
        box = (middle_x + unit * (x - wide), middle_y + unit * (y - high))
        pen.ellipse((*box, middle_x + unit * (x + wide), middle_y + unit * (y + high)), fill=fill)

    oval(0, -0.15, 0.8, 1.0, (40, 26, 18))
    oval(0, 0, 0.7, 0.9, skin)
    for side in (-0.28, 0.28):
        oval(side, -0.2, 0.12, 0.07, (250, 250, 250))
        oval(side, -0.2, 0.06, 0.06, (30, 20, 16))
    oval(0, 0.45, 0.25, 0.07, (150, 60, 60))
    return image.filter(ImageFilter.GaussianBlur(size / 160))


CHOOSING: dict[str, Draw] = {
    "gradient": _gradient, "noise": _noise, "tartan": _tartan, "bricks": _bricks, "blobs": _blobs
}  # fmt: skip
CHECKING: dict[str, Draw] = {
    "checks": _checks, "page": _page, "landscape": _landscape, "rings": _rings, "face": _face
}  # fmt: skip


def draw_foreign(kinds: dict[str, Draw], *, per_kind: int, size: int, seed: int) -> Pixels:
    """Draws `per_kind` pictures of every kind: uint8 [N, size, size, 3], RGB; the same for the same seed."""
    pictures = [
        draw(size, np.random.default_rng((seed, number, index)))
        for number, draw in enumerate(kinds.values())
        for index in range(per_kind)
    ]
    return np.stack([np.asarray(picture.convert("RGB")) for picture in pictures])
