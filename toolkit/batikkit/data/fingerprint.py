"""What an image looks like, small enough to keep for twenty thousand of them and rich enough to recognise a copy.

Three parts: a 64-bit perceptual hash for each of the 8 rotations and reflections (to find candidates quickly), a
128 x 128 luminance thumbnail (to hash parts of the picture and to align two candidates) and a 16 x 16 colour thumbnail
(to keep apart two cloths of one pattern in different colours).

The hash is the pHash of the `imagehash` package (DCT-II of 32 x 32 luminance, the 8 x 8 lowest frequencies against
their median), bit for bit. It is computed here with two matrix products, because a reflection only changes signs of
DCT coefficients and a transposition transposes them: all 8 hashes come from one DCT, without SciPy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

ORIENTATIONS = 8
INVERSE = np.array([0, 1, 2, 3, 4, 6, 5, 7])
"""The orientation that undoes each one: only the two quarter turns differ from their inverse."""

TONE_SIDE = 128
COLOUR_SIDE = 16
DECODE_SIDE = 256
"""JPEG files are decoded at the smallest scale that is still this large: twice the thumbnail, several times faster."""

HASH_INPUT = 32
"""A picture is averaged down to this side [pixels] before its frequencies are taken."""

_HASH_SIDE = 8
_Number = TypeVar("_Number", bound=np.generic)
_positions = np.arange(HASH_INPUT)
_DCT = 2 * np.cos(np.pi * np.outer(np.arange(_HASH_SIDE), 2 * _positions + 1) / (2 * HASH_INPUT))
_ALTERNATING = (-1.0) ** np.arange(_HASH_SIDE)
_BIT_WEIGHTS = (np.uint64(1) << np.arange(63, -1, -1, dtype=np.uint64)).astype(np.uint64)


@dataclass(frozen=True)
class Fingerprint:
    """The look of one image.

    Attributes:
        hashes: uint64 [8], perceptual hash in each orientation; the first is the image as it is.
        tone: uint8 [128, 128], luminance.
        colour: uint8 [16, 16, 3], RGB.
    """

    hashes: NDArray[np.uint64]
    tone: NDArray[np.uint8]
    colour: NDArray[np.uint8]

    @property
    def contrast(self) -> float:
        """Standard deviation of the luminance thumbnail, 0..127.5; near 0 for a picture of nothing."""
        return float(self.tone.std())


def fingerprint(image: Image.Image) -> Fingerprint:
    """The fingerprint of an RGB image."""
    grey = image.convert("L")
    tone = np.asarray(grey.resize((TONE_SIDE, TONE_SIDE), Image.Resampling.BOX))
    colour = np.asarray(image.resize((COLOUR_SIDE, COLOUR_SIDE), Image.Resampling.BOX))
    return Fingerprint(hashes=perceptual_hashes(grey), tone=tone, colour=colour)


def perceptual_hashes(grey: Image.Image) -> NDArray[np.uint64]:
    """The pHash of a luminance image in each of the 8 orientations, uint64 [8], in the order of `oriented`."""
    small = grey.resize((HASH_INPUT, HASH_INPUT), Image.Resampling.LANCZOS)
    hashes = hashes_of_coefficients(lowest_frequencies(np.asarray(small, dtype=np.float64)[None]))
    return hashes.reshape(ORIENTATIONS)


def lowest_frequencies(pictures: NDArray[np.floating]) -> NDArray[np.float64]:
    """The 8 x 8 lowest DCT-II coefficients, float64 [P, 8, 8], of pictures [P, 32, 32]."""
    return np.asarray(_DCT @ pictures @ _DCT.T, dtype=np.float64)


def hashes_of_coefficients(low: NDArray[np.float64]) -> NDArray[np.uint64]:
    """Which coefficients exceed their median, in each orientation: uint64 [P, 8] from float [P, 8, 8]."""
    views = np.stack(_oriented_coefficients(low), axis=1).reshape(len(low), ORIENTATIONS, -1)
    bits = views > np.median(views, axis=2, keepdims=True)
    return np.asarray((bits * _BIT_WEIGHTS).sum(axis=2, dtype=np.uint64))


def _oriented_coefficients(low: NDArray[np.float64]) -> Sequence[NDArray[np.float64]]:
    rows, columns = _ALTERNATING[:, None], _ALTERNATING[None, :]
    return [signs * block for block in (low, low.swapaxes(1, 2)) for signs in (1.0, columns, rows, rows * columns)]


def oriented(pixels: NDArray[_Number], orientation: int) -> NDArray[_Number]:
    """One of the 8 rotations and reflections of a square picture [N, N] or [N, N, C].

    Bit 0 mirrors left-right, bit 1 mirrors top-bottom, bit 2 transposes first.
    """
    turned = pixels.swapaxes(0, 1) if orientation & 4 else pixels
    turned = turned[::-1] if orientation & 2 else turned
    return turned[:, ::-1] if orientation & 1 else turned


def hamming(left: NDArray[np.uint64], right: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """Differing bits of two broadcastable arrays of 64-bit hashes."""
    different = np.bitwise_xor(left, right)
    if hasattr(np, "bitwise_count"):  # NumPy 2
        return np.asarray(np.bitwise_count(different), dtype=np.uint8)
    words = different[..., None].view(np.uint16)
    return np.asarray(_ONES_IN_16_BITS[words].sum(axis=-1, dtype=np.uint8))


_ONES_IN_16_BITS = np.unpackbits(np.arange(1 << 16, dtype=np.uint16).view(np.uint8).reshape(-1, 2), axis=1).sum(
    axis=1, dtype=np.uint8
)
