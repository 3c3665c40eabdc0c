"""How a photograph was taken and saved, whatever it shows: size, compression, sharpness, frame and background.

Where that alone tells the motif, a model may learn the camera, the shop or the frame instead of the pattern.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter

_SIDE = 128
_FRAME = 6


def of_file(image: Image.Image, size_bytes: int) -> tuple[float, ...]:
    """What a file tells beside its pixels, always equally many numbers.

    Args:
        image: As it was opened, before it is decoded.
        size_bytes: Length of the file.
    """
    width, height = image.size
    kinds = [float(image.format in kind) for kind in (("JPEG", "MPO"), ("PNG",))]
    size = [np.log(width * height), abs(np.log(width / height)), np.log(size_bytes / (width * height))]
    return _rounded([*size, *kinds, *_compression(image)])


def of_picture(picture: Image.Image) -> tuple[float, ...]:
    """What its pixels tell beside the pattern, of a picture that is upright RGB."""
    return _rounded([*_sharpness(picture.convert("L")), *_frame(picture)])


def _rounded(numbers: list[float]) -> tuple[float, ...]:
    return tuple(round(float(number), 4) for number in numbers)


def _compression(image: Image.Image) -> list[float]:
    """Of a JPEG's tables: how coarse, and how much coarser for fine detail and for colour; 0 for other formats."""
    tables = getattr(image, "quantization", None) or {}
    light = np.asarray(tables.get(0, [1]), np.float64)
    colour = np.asarray(tables.get(1, light), np.float64)
    fine, coarse = light[len(light) // 2 :], light[: max(1, len(light) // 2)]
    known = [np.log(light.mean()), np.log(fine.mean() / coarse.mean()), np.log(colour.mean() / light.mean())]
    return [*known, float(bool(image.info.get("progressive"))), float(bool(image.info.get("exif")))]


def _sharpness(grey: Image.Image) -> list[float]:
    """How much of the contrast is fine, at two scales."""
    found = []
    for side in (2 * _SIDE, _SIDE):
        small = grey.resize((side, side), Image.Resampling.BILINEAR)
        contrast = np.asarray(small, np.float64).std()
        fine = np.asarray(small, np.float64) - np.asarray(small.filter(ImageFilter.BoxBlur(1)), np.float64)
        found.append(np.log((fine.std() + 0.1) / (contrast + 1)))
    return found


def _frame(picture: Image.Image) -> list[float]:
    """How even each side is, and how the frame differs from the middle in light and contrast."""
    pixels = np.asarray(picture.resize((_SIDE, _SIDE), Image.Resampling.BOX), np.float64)
    light = pixels.mean(axis=2)
    sides = [light[:_FRAME], light[-_FRAME:], light[:, :_FRAME], light[:, -_FRAME:]]
    middle = light[_FRAME:-_FRAME, _FRAME:-_FRAME]
    evenness = sorted(np.log(side.std() + 1) for side in sides)
    edge = np.concatenate([side.ravel() for side in sides])
    return [*evenness, (edge.mean() - middle.mean()) / 64, np.log((edge.std() + 1) / (middle.std() + 1)),
            float((edge > 245).mean()), float((edge < 10).mean())]  # fmt: skip
