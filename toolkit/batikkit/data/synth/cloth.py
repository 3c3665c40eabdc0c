"""Everything between a motif's geometry and a photograph of it: lay the cloth, dye it, take the picture."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from batikkit.data.synth.fields import Field, Slots, turn

SUPERSAMPLING = 2


def smooth_noise(rng: np.random.Generator, side: int, knots: int) -> Field:
    """Band-limited noise of zero mean and unit spread at its knots, float32 [side, side]."""
    knots = max(4, min(knots, side))
    coarse = Image.fromarray(rng.standard_normal((knots, knots), dtype=np.float32))
    return np.asarray(coarse.resize((side, side), Image.Resampling.BICUBIC), dtype=np.float32)


def lay(side: int, repeats: float, rng: np.random.Generator, *, turned: float = np.pi) -> tuple[Field, Field]:
    """Coordinates of every pixel on the cloth, in repeats of the motif.

    The cloth is turned either way (by default to any angle, since it has no upright), seen slightly from the side,
    hangs in soft folds, and its lines wobble as a hand-held canting does.

    Args:
        side: Width and height in pixels.
        repeats: How many repeats the width shows.
        rng: Source of the variation.
        turned: Largest turn either way [radians].

    Returns:
        x and y, float32 [side, side].
    """
    axis = (np.arange(side, dtype=np.float32) + np.float32(0.5)) / np.float32(side) - np.float32(0.5)
    x, y = np.meshgrid(axis, axis)
    tilt_x, tilt_y = rng.uniform(-0.22, 0.22, 2).astype(np.float32)
    depth = 1 + tilt_x * x + tilt_y * y
    stretch = np.float32(rng.uniform(0.92, 1.09))
    x, y = turn(x / depth * stretch, y / depth / stretch, float(rng.uniform(-turned, turned)))
    hang = np.float32(rng.uniform(0.0, 0.012))
    wobble = np.float32(rng.uniform(0.003, 0.014))
    fine = int(4 * repeats)
    dx = hang * smooth_noise(rng, side, 4) + wobble / np.float32(repeats) * smooth_noise(rng, side, fine)
    dy = hang * smooth_noise(rng, side, 4) + wobble / np.float32(repeats) * smooth_noise(rng, side, fine)
    start = rng.uniform(-8, 8, 2).astype(np.float32)
    scale = np.float32(repeats)
    return (x + dx) * scale + start[0], (y + dy) * scale + start[1]


def stain(slots: Slots, colours: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Dye the slots: uneven baths, and veins where the wax cracked and let the dye in.

    Args:
        slots: uint8 [H, H].
        colours: float32 [slots, 3], RGB 0..255.
        rng: Source of the variation.

    Returns:
        float32 [H, H, 3], RGB, about 0..255.
    """
    side = slots.shape[0]
    rgb = colours[slots]
    if rng.random() < 0.45:
        vein = np.abs(smooth_noise(rng, side, int(rng.integers(6, 14)))) < rng.uniform(0.015, 0.05)
        vein &= smooth_noise(rng, side, 5) > rng.uniform(-0.3, 0.8)
        strength = np.float32(rng.uniform(0.25, 0.6))
        rgb[vein] += (colours[4] - rgb[vein]) * strength
    bath = 1 + np.float32(rng.uniform(0.01, 0.07)) * smooth_noise(rng, side, int(rng.integers(5, 12)))
    rgb *= bath[:, :, None]
    return rgb


def photograph(rgb: NDArray[np.float32], size: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Scale down to `size` and add what a camera adds: uneven light, weave, blur, noise, JPEG.

    Args:
        rgb: float32 [size * SUPERSAMPLING, size * SUPERSAMPLING, 3], 0..255.
        size: Side of the picture in pixels.
        rng: Source of the variation.

    Returns:
        uint8 [size, size, 3].
    """
    picture = _reduce(rgb, size)
    axis = np.linspace(-0.5, 0.5, size, dtype=np.float32)
    slope = rng.uniform(-0.28, 0.28, 2).astype(np.float32)
    light = 1 + slope[0] * axis[None, :] + slope[1] * axis[:, None]
    if rng.random() < 0.4:
        light = light + np.float32(rng.uniform(0.03, 0.1)) * smooth_noise(rng, size, 4)
    contrast, brightness = rng.uniform(0.72, 1.05), rng.uniform(-14, 14)
    picture = (picture - 120) * np.float32(contrast) + np.float32(120 + brightness)
    picture *= (light * _weave(size, rng))[:, :, None]
    picture += np.float32(rng.uniform(1, 7)) * rng.standard_normal((size, size, 1), dtype=np.float32)
    image = Image.fromarray(np.clip(picture + 0.5, 0, 255).astype(np.uint8))
    blur = rng.uniform(-0.4, 0.6) * size / 96
    if blur > 0.1:
        image = image.filter(ImageFilter.GaussianBlur(min(blur, 2.0)))
    if rng.random() < 0.7:
        image = _through_jpeg(image, int(rng.integers(55, 95)))
    return np.asarray(image, dtype=np.uint8)


def _reduce(rgb: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    """Average each block of supersampled pixels, float32 [size, size, 3]."""
    blocks = rgb.reshape(size, SUPERSAMPLING, size, SUPERSAMPLING, 3)
    mean: NDArray[np.float32] = np.add.reduce(blocks, axis=(1, 3)) / np.float32(SUPERSAMPLING**2)
    return mean


def _weave(size: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Brightness of warp and weft threads about 1, float32 [size, size]."""
    depth = np.float32(rng.uniform(0.0, 0.045))
    warp, weft = rng.standard_normal((2, size), dtype=np.float32)
    woven: NDArray[np.float32] = 1 + depth * np.where(np.indices((size, size)).sum(0) % 2, warp[None, :], weft[:, None])
    return woven


def _through_jpeg(image: Image.Image, quality: int) -> Image.Image:
    """Save as JPEG and read back, as every picture from the web has been."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    buffer.seek(0)
    return Image.open(buffer).convert("RGB")
