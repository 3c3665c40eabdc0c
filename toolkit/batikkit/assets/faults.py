"""What apps do to a photograph by mistake before the model sees it, each as a function that does the same."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from batikkit.assets.resizes import RESIZES, Pixels, Resize, nearest
from batikkit.errors import InputError
from batikkit.images import open_image, to_rgb
from batikkit.tflite.runtime import LoadedModel

Tensor = NDArray[Any]
Picture = Callable[[Image.Image, Image.Image, int, Resize], Pixels]
"""picture(as stored, upright, image_size, resize) is uint8 [image_size, image_size, 3]; both images are RGB."""
Values = Callable[[Pixels, str], Tensor]
"""values(pixels, dtype) is the input tensor without its batch axis."""


@dataclass(frozen=True)
class Mistake:
    """One thing that apps do wrong.

    Attributes:
        name: What reports and tests call it.
        what: What the app does, as the end of "the app ...".
        cure: What to do instead.
    """

    name: str
    what: str
    cure: str


@dataclass(frozen=True)
class Fault(Mistake):
    """A mistake made before the model sees the picture."""

    picture: Picture
    values: Values
    resizes: bool = True


@dataclass(frozen=True)
class Hypothesis:
    """A fault, or none, together with one way of resizing, and the tensor that the model would have seen.

    Attributes:
        fault: None for the right way.
        resize: A key of `RESIZES`.
        tensor: [1, S, S, 3] of the model's input type.
    """

    fault: Fault | None
    resize: str
    tensor: Tensor

    @property
    def name(self) -> str:
        """The fault's name, or `none`."""
        return self.fault.name if self.fault else "none"


def read_both(data: Image.Image) -> tuple[Image.Image, Image.Image]:
    """The picture as its pixels are stored, and upright as its EXIF says; both RGB."""
    return to_rgb(data), to_rgb(ImageOps.exif_transpose(data))


def hypotheses(
    data: Image.Image, model: LoadedModel, *, resizes: Iterable[str] = tuple(RESIZES)
) -> Iterator[Hypothesis]:
    """The right way, then every fault, each under every resize that it leaves open; `resizes` may be fewer.

    Raises:
        InputError: the model's input type is not one that apps feed.
    """
    stored, upright = read_both(data)
    size, dtype = model.input.shape[1], model.input.dtype
    if dtype not in ("uint8", "float32"):
        raise InputError(f"{model.path.name} takes {dtype} pixels: faults are known for uint8 and float32 input")
    for fault in (RIGHT, *FAULTS):
        for name in resizes if fault.resizes else ("antialias",):
            tensor = fault.values(fault.picture(stored, upright, size, RESIZES[name]), dtype)[None]
            yield Hypothesis(None if fault is RIGHT else fault, name, tensor)


def answers(model: LoadedModel, found: Iterable[Hypothesis]) -> Iterator[tuple[Hypothesis, NDArray[np.float32]]]:
    """What the model answers, float32 [C], to each hypothesis; equal tensors are asked once."""
    known: dict[bytes, NDArray[np.float32]] = {}
    for hypothesis in found:
        key = hypothesis.tensor.tobytes()
        if key not in known:
            model.write(np.ascontiguousarray(hypothesis.tensor))
            model.invoke()
            known[key] = model.scores()
        yield hypothesis, known[key]


def open_golden(path: Path) -> Image.Image:
    """Opens and decodes a picture without turning it upright.

    Raises:
        InputError: unreadable.
    """
    with open_image(path) as image:
        try:
            image.load()
        except (OSError, ValueError, SyntaxError) as error:
            raise InputError(f"damaged image {path}: {error}; take it from the folder again") from error
        # A copy keeps the EXIF block, which PNG and JPEG decoders leave among the image's notes.
        copied: Image.Image = image.copy()
        return copied


# Pictures: what happens before there are S x S pixels.


def _right(_stored: Image.Image, upright: Image.Image, size: int, resize: Resize) -> Pixels:
    return resize(upright, size)


def _nearest(_stored: Image.Image, upright: Image.Image, size: int, _resize: Resize) -> Pixels:
    return nearest(upright, size)


def _crop(_stored: Image.Image, upright: Image.Image, size: int, resize: Resize) -> Pixels:
    side = min(upright.size)
    left, top = (upright.width - side) // 2, (upright.height - side) // 2
    return resize(upright.crop((left, top, left + side, top + side)), size)


def _letterbox(_stored: Image.Image, upright: Image.Image, size: int, resize: Resize) -> Pixels:
    side = max(upright.size)
    padded = Image.new("RGB", (side, side))
    padded.paste(upright, ((side - upright.width) // 2, (side - upright.height) // 2))
    return resize(padded, size)


def _stored(stored: Image.Image, _upright: Image.Image, size: int, resize: Resize) -> Pixels:
    return resize(stored, size)


def _transposed(method: Image.Transpose) -> Picture:
    return lambda _stored, upright, size, resize: resize(upright.transpose(method), size)


# Values: what happens to the S x S pixels on their way into the tensor.


def _raw(pixels: Pixels, dtype: str) -> Tensor:
    return pixels.astype(dtype)


def _bgr(pixels: Pixels, dtype: str) -> Tensor:
    return pixels[..., ::-1].astype(dtype)


def _planar(pixels: Pixels, dtype: str) -> Tensor:
    planes: Tensor = np.moveaxis(pixels, 2, 0).reshape(pixels.shape).astype(dtype)
    return planes


def _signed(pixels: Pixels, dtype: str) -> Tensor:
    shifted = pixels.astype(np.int16) - 128
    return shifted.astype(np.uint8) if dtype == "uint8" else shifted.astype(dtype)


def _unit(pixels: Pixels, dtype: str) -> Tensor:
    divided: Tensor = (pixels / np.float32(255)).astype(dtype)
    return divided


def _twice(pixels: Pixels, dtype: str) -> Tensor:
    scaled: Tensor = pixels / np.float32(127.5) - np.float32(1)
    # Java's and Kotlin's way to a byte: cut the fraction off, keep the lowest eight bits, so -1 becomes 255.
    return np.trunc(scaled).astype(np.int8).view(np.uint8) if dtype == "uint8" else scaled.astype(dtype)


def _never(pixels: Pixels, dtype: str) -> Tensor:
    # The graph scales by x / 127.5 - 1; this is what it must be fed so that the network behind sees 0..255.
    undone: Tensor = (pixels.astype(np.float32) + 1) * np.float32(127.5)
    return np.minimum(undone, 255).astype(dtype) if dtype == "uint8" else undone.astype(dtype)


RIGHT = Fault("none", "feeds the model correctly", "nothing", _right, _raw)

FAULTS = (
    Fault(
        "bgr", "feeds BGR, or takes the bytes of an ARGB pixel in the wrong order",
        "write red, green, blue, in this order", _right, _bgr,
    ),
    Fault(
        "divided-by-255", "divides the pixels by 255",
        "feed raw values 0..255; the scaling is part of the graph", _right, _unit,
    ),
    Fault(
        "scaled-twice", "scales the pixels with (x - 127.5) / 127.5, which the graph does once more",
        "feed raw values 0..255; mean 0 and standard deviation 1 where a library asks", _right, _twice,
    ),
    Fault(
        "never-scaled", "runs a network that sees 0..255 where it wants -1..1: a copy without its first layer",
        "use the file of this folder as it is; its SHA-256 is in manifest.json", _right, _never,
    ),
    Fault(
        "signed-bytes", "subtracts 128 from every pixel, as int8 input would want",
        "feed unsigned bytes 0..255", _right, _signed,
    ),
    Fault(
        "planar", "writes all red values, then all green, then all blue",
        "write the three values of one pixel side by side, row by row (NHWC)", _right, _planar,
    ),
    Fault(
        "nearest", "shrinks with the nearest neighbour instead of bilinear filtering",
        "scale with filtering: createScaledBitmap(..., true), ResizeMethod.BILINEAR", _nearest, _raw, resizes=False,
    ),
    Fault(
        "crop", "cuts the middle square out instead of stretching the whole image",
        "scale the whole image to a square", _crop, _raw,
    ),
    Fault(
        "letterbox", "pads the image to a square instead of stretching it",
        "scale the whole image to a square", _letterbox, _raw,
    ),
    Fault(
        "exif-ignored", "does not turn the image as its EXIF orientation says",
        "read the orientation (ExifInterface) and rotate the bitmap first", _stored, _raw,
    ),
    Fault(
        "rotated-90", "turns the image a quarter clockwise",
        "check the rotation handed to the classifier (sensor against display)",
        _transposed(Image.Transpose.ROTATE_270), _raw,
    ),
    Fault(
        "rotated-270", "turns the image a quarter anticlockwise",
        "check the rotation handed to the classifier (sensor against display)",
        _transposed(Image.Transpose.ROTATE_90), _raw,
    ),
    Fault(
        "rotated-180", "turns the image upside down",
        "check the rotation handed to the classifier (sensor against display)",
        _transposed(Image.Transpose.ROTATE_180), _raw,
    ),
    Fault(
        "mirrored", "mirrors the image, as the front camera's preview does",
        "feed the picture, not its preview", _transposed(Image.Transpose.FLIP_LEFT_RIGHT), _raw,
    ),
)  # fmt: skip
