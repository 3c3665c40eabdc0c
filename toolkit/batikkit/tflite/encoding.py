"""From raw RGB 0..255 to the values that a file's input tensor takes, whoever made the file.

What a file wants is told, in this order: by the user, by its batikkit manifest (raw pixels), by the
NormalizationOptions of its metadata, by the range that its quantized input spans. A float file without any of these
gets raw pixels and a caution.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from batikkit.errors import InputError

LIMITS = {"uint8": (0, 255), "int8": (-128, 127)}
"""Quantized types that a photograph fits in."""

RAW = (0.0, 255.0)
_CURE = "say what it wants with --input-range LOW,HIGH"


@dataclass(frozen=True)
class Normalization:
    """`(pixel - mean) / std`, one value for all channels or one for each of red, green and blue."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __str__(self) -> str:
        if not any(self.mean) and set(self.std) == {1.0}:
            return "pixels 0..255"
        mean, std = (" ".join(f"{value:g}" for value in dict.fromkeys(v)) for v in (self.mean, self.std))
        return f"(pixel - {mean}) / {std}"


@dataclass(frozen=True, eq=False)
class Encoding:
    """How pixels become the input tensor's values.

    Attributes:
        dtype: `float32`, `uint8` or `int8`.
        table: [256, 3], what each value of each channel becomes, in `dtype`; None where pixels pass unchanged.
        source: Whose word it is: `user`, `manifest`, `metadata`, `quantization`, or `nobody`.
        words: What is done, for people.
    """

    dtype: str
    table: NDArray[Any] | None
    source: str
    words: str

    def encode(self, image: NDArray[np.uint8]) -> NDArray[Any]:
        """Uint8 [H, W, 3] RGB to the input tensor's value [1, H, W, 3]."""
        if self.table is None:
            return image[None].astype(self.dtype, copy=False)
        value: NDArray[Any] = self.table[image, np.arange(3)][None]
        return value


def choose_encoding(
    dtype: str,
    scale: float | None,
    zero_point: int | None,
    *,
    input_range: tuple[float, float] | None = None,
    manifest: bool = False,
    normalization: Normalization | None = None,
) -> Encoding:
    """What to do with pixels for one input tensor.

    Args:
        dtype: Of the tensor.
        scale: Of a quantized tensor; None where it is not.
        zero_point: Likewise.
        input_range: What black and white become, by the user's word.
        manifest: Whether a batikkit manifest describes the file: then it takes raw pixels.
        normalization: NormalizationOptions of the file's metadata.

    Raises:
        InputError: the quantization spans a range that means no kind of pixels, or the options are senseless.
    """
    if input_range is not None:
        chosen, source = _spanning(*input_range), "user"
    elif manifest:
        chosen, source = _spanning(*RAW), "manifest"
    elif normalization is not None:
        chosen, source = _usable(normalization), "metadata"
    elif dtype in LIMITS and scale:
        chosen, source = _spanning(*_spanned(dtype, scale, zero_point or 0)), "quantization"
    else:
        chosen, source = _spanning(*RAW), "nobody"
    table = _table(chosen, dtype, scale, zero_point)
    raw = table.dtype != np.int8 and bool((table == np.arange(256)[:, None]).all())
    words = "raw pixels 0..255" if raw else f"{chosen}, as {dtype}"
    return Encoding(dtype, None if raw else table, source, words)


def _spanning(low: float, high: float) -> Normalization:
    if not np.isfinite([low, high]).all() or low >= high:
        raise InputError(f"input range {low:g},{high:g}: give what black and white become, such as -1,1 or 0,255")
    width = high - low
    return Normalization((-low * 255 / width + 0.0,), (255 / width,))


def _usable(found: Normalization) -> Normalization:
    lengths = {len(found.mean), len(found.std)}
    sane = bool(np.isfinite(found.mean).all() and np.isfinite(found.std).all() and all(found.std))
    if not lengths <= {1, 3} or not sane:
        raise InputError(f"its NormalizationOptions are senseless ({found}): {_CURE}")
    return found


def _spanned(dtype: str, scale: float, zero_point: int) -> tuple[float, float]:
    """The pixels' range that a quantized input was made for: of the usual three the one that it spans."""
    low, high = ((limit - zero_point) * scale for limit in LIMITS[dtype])
    if high > 16 and low > -16:
        return RAW
    if high <= 1.5 and low >= -1.5:
        return (0.0, 1.0) if low > -0.1 else (-1.0, 1.0)
    raise InputError(f"its {dtype} input spans {low:.3g} to {high:.3g}, which no usual pixels do: {_CURE}")


def _table(chosen: Normalization, dtype: str, scale: float | None, zero_point: int | None) -> NDArray[Any]:
    pixels = np.arange(256, dtype=np.float64)[:, None]
    real = np.broadcast_to((pixels - np.array(chosen.mean)) / np.array(chosen.std), (256, 3))
    if dtype not in LIMITS:
        return real.astype(np.float32)
    # An integer input without scale takes the pixels themselves.
    quantized = np.rint(real / scale) + (zero_point or 0) if scale else real
    table: NDArray[Any] = np.clip(quantized, *LIMITS[dtype]).astype(dtype)
    return table
