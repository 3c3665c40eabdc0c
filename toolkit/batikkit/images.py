"""The one decode-and-resize of batikkit: training, calibration, evaluation, bench and predict all see these pixels.

The pixel contract: RGB 0..255, the whole image stretched to the input size (no crop, no padding), as MediaPipe does.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from batikkit.errors import InputError, first_line
from batikkit.image_kinds import CAMERA_RAW, HEAD_BYTES, READ, kind_of, unread_kinds

RESIZE = "stretch-bilinear-antialias"
"""What manifests call this resize."""

MAX_PIXELS = 89_478_485
"""Refuse larger images (Pillow's own bomb threshold): a few kilobytes can claim gigabytes of pixels."""

_Pixels = NDArray[np.uint8]


def open_image(path: Path, source: BinaryIO | None = None) -> Image.Image:
    """Opens an image without decoding its pixels.

    Args:
        path: The file; its extension is ignored.
        source: Its content, where it has been opened already; must stay open as long as the image.

    Raises:
        InputError: missing, empty, a pipe, not an image of a supported format, or larger than `MAX_PIXELS`.
    """
    if path.suffix.lower() in CAMERA_RAW:
        raise InputError(f"a camera's raw file: {path}; develop it to JPEG")
    if source is None:
        _refuse_pipe(path)
    try:
        image = _open(path, source)
    except UnidentifiedImageError as error:
        raise InputError(f"not a readable image: {path}; {_cure(path, source)}") from error
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise InputError(f"image too large: {path} claims over {MAX_PIXELS} pixels; scale it down") from error
    except (OSError, ValueError, SyntaxError) as error:
        raise InputError(f"cannot open image {path}: {_reason(error)}") from error
    if image.width * image.height > MAX_PIXELS:
        image.close()
        raise InputError(f"image too large: {path} is {image.width}x{image.height}; scale it below {MAX_PIXELS} pixels")
    return image


def _refuse_pipe(path: Path) -> None:
    """Opening a pipe waits for somebody who writes into it, which may be nobody."""
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116 (Path.stat is the same call, slower; there are many)
    except (OSError, ValueError):
        return  # opening it says what is wrong
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise InputError(f"cannot open image {path}: it is no file but a pipe or a device; remove it")


def _open(path: Path, source: BinaryIO | None) -> Image.Image:
    Image.init()  # naming formats needs all decoders registered; a second call costs nothing
    try:
        return Image.open(source or path, formats=[kind for kind in READ if kind in Image.OPEN])
    except UnidentifiedImageError:
        # Only now: nearly no file needs that decoder.
        if "HEIF" in Image.OPEN or _kind(path, source) != "HEIF" or "HEIF" in unread_kinds():
            raise
        import pillow_heif

        pillow_heif.register_heif_opener()
        return Image.open(source or path, formats=["HEIF"])


def _kind(path: Path, source: BinaryIO | None) -> str:
    if source is None:
        with path.open("rb") as stream:
            return kind_of(stream.read(HEAD_BYTES))
    source.seek(0)
    kind = kind_of(source.read(HEAD_BYTES))
    source.seek(0)
    return kind


def _cure(path: Path, source: BinaryIO | None) -> str:
    kind = _kind(path, source)
    missing = unread_kinds().get(kind)
    return f"it is {kind}: {missing}" if missing else "convert it to JPEG or PNG"


def load_rgb(path: Path, *, at_least: int | None = None) -> Image.Image:
    """Decodes an image file to upright RGB.

    EXIF orientation is applied, transparency is laid over white, palette, grey, CMYK and 16-bit images are converted,
    the first frame of an animation is taken.

    Args:
        path: The file; its extension is ignored.
        at_least: When given, JPEG may be decoded at a reduced scale whose sides are still at least this long [pixels].

    Raises:
        InputError: unreadable or truncated.
    """
    with open_image(path) as image, damage_named(path):
        return decode(image, at_least=at_least)


def decode(image: Image.Image, *, at_least: int | None = None) -> Image.Image:
    """What `load_rgb` does with an image that `open_image` has opened; belongs into `damage_named`."""
    if at_least is not None:
        image.draft(None, (at_least, at_least))
    image.load()
    return to_rgb(ImageOps.exif_transpose(image))


@contextlib.contextmanager
def damage_named(path: Path) -> Iterator[None]:
    """Names `path` when Pillow finds its content damaged; headers too are read only when somebody asks for them.

    Raises:
        InputError: it is damaged.
    """
    try:
        yield
    except Exception as error:  # each of Pillow's formats raises its own kinds
        raise InputError(f"damaged image {path}: {_reason(error)}; replace or remove it") from error


def to_rgb(image: Image.Image) -> Image.Image:
    """Converts any Pillow mode to RGB, laying transparency over white and scaling 16-bit values to 8 bits."""
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode in ("I", "I;16", "I;16B", "I;16L", "F"):
        return Image.fromarray(_eight_bit(np.asarray(image))).convert("RGB")
    if image.mode in ("LA", "PA", "La", "RGBA", "RGBa") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
    return image.convert("RGB")


def resize(image: Image.Image, image_size: int) -> _Pixels:
    """Stretches an RGB image to uint8 [image_size, image_size, 3], bilinear with antialiasing when shrinking."""
    return np.asarray(image.resize((image_size, image_size), Image.Resampling.BILINEAR))


def load_pixels(path: Path, image_size: int) -> _Pixels:
    """Decodes and stretches one file to uint8 [image_size, image_size, 3], RGB 0..255.

    Raises:
        InputError: unreadable or truncated.
    """
    # At twice the target the antialiased result does not visibly change, while large JPEGs decode several times faster.
    return resize(load_rgb(path, at_least=2 * image_size), image_size)


def _eight_bit(values: NDArray[np.generic]) -> _Pixels:
    """Scales 16-bit (or float) grey values to uint8; values that already fit 0..255 are kept."""
    wide = values.astype(np.float64)
    top = wide.max(initial=0.0)
    if 0 < top <= 1.0 and np.issubdtype(values.dtype, np.floating):
        wide = wide * 255.0
    elif top > 255:
        wide = wide / 257.0
    return np.clip(np.rint(wide), 0, 255).astype(np.uint8)


def _reason(error: BaseException) -> str:
    return str(getattr(error, "strerror", None) or first_line(error))
