"""The ways in which apps shrink a photograph to the input size, reproduced pixel for pixel in NumPy.

`antialias` is what the model was trained with. The other two look at four neighbours only: correct use of the model,
but other pixels than in training, so the golden vectors hold an answer for each.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from batikkit.images import resize as antialias

Pixels = NDArray[np.uint8]
Resize = Callable[[Image.Image, int], Pixels]


def bilinear(image: Image.Image, image_size: int) -> Pixels:
    """Four neighbours, pixel centres on pixel centres: OpenCV's INTER_LINEAR, Android's scaled bitmaps.

    Args:
        image: RGB.
        image_size: Side of the result.

    Returns:
        uint8 [image_size, image_size, 3].
    """
    return _interpolate(image, image_size, offset=0.5, steps=2048)


def corners(image: Image.Image, image_size: int) -> Pixels:
    """Four neighbours, output pixel x at input position x * W / image_size: what MediaPipe does on a CPU.

    It warps corner onto corner and knows positions to 1/32 pixel.
    """
    return _interpolate(image, image_size, offset=0.0, steps=32)


def nearest(image: Image.Image, image_size: int) -> Pixels:
    """One neighbour, as a hand-written loop or an unfiltered scaling takes."""
    return np.asarray(image.resize((image_size, image_size), Image.Resampling.NEAREST))


RESIZES: dict[str, Resize] = {"antialias": antialias, "bilinear": bilinear, "mediapipe": corners}


def _interpolate(image: Image.Image, image_size: int, *, offset: float, steps: int) -> Pixels:
    pixels = np.asarray(image, np.float64)
    (top, below, y), (left, right, x) = (_neighbours(n, image_size, offset, steps) for n in pixels.shape[:2])
    x, y = x[None, :, None], y[:, None, None]
    upper = pixels[top][:, left] * (1 - x) + pixels[top][:, right] * x
    lower = pixels[below][:, left] * (1 - x) + pixels[below][:, right] * x
    return np.floor(upper * (1 - y) + lower * y + 0.5).astype(np.uint8)


def _neighbours(
    length: int, image_size: int, offset: float, steps: int
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]:
    """For each output position the two input positions around it, and how far it lies from the first, 0..1."""
    position = np.clip((np.arange(image_size) + offset) * length / image_size - offset, 0, length - 1)
    low = np.floor(position).astype(np.intp)
    return low, np.minimum(low + 1, length - 1), np.rint((position - low) * steps) / steps
