"""Which part of a picture a cropped copy may show: the hash of each such part, and where exactly a copy lies in it.

A crop of a few per cent already moves a perceptual hash far from that of the whole. So every picture is also hashed
without its margin and without each of its sides, and the whole of one picture is compared with the parts of the other.
The part that fits says roughly where the crop lies; `place` then finds it by normalised cross-correlation over all
positions and the scales near that part (Lewis, Fast Normalized Cross-Correlation, Vision Interface 1995).
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from batikkit.data.fingerprint import HASH_INPUT, hashes_of_coefficients, lowest_frequencies

WINDOWS = (
    (0.0, 0.0, 1.0, 1.0),
    (0.05, 0.05, 0.95, 0.95),
    (0.10, 0.10, 0.90, 0.90),
    (0.12, 0.0, 1.0, 1.0),
    (0.0, 0.0, 0.88, 1.0),
    (0.0, 0.12, 1.0, 1.0),
    (0.0, 0.0, 1.0, 0.88),
)
"""Parts (left, top, right, bottom) as shares of the picture; the first is the whole of it."""

SEARCH_SIDE = 32
"""Pictures are this large [pixels] while a crop's place is searched."""

_SIZES = (32, 30, 28, 26, 24, 22)
_SIZE_SPREAD = 4.2
_Floats = NDArray[np.float32]


def window_hashes(tones: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """The perceptual hash of each part of each picture in each orientation.

    Args:
        tones: uint8 [P, N, N], luminance.

    Returns:
        uint64 [P, len(WINDOWS), 8].
    """
    side = tones.shape[-1]
    pictures = tones.astype(np.float32)
    parts = []
    for left, top, right, bottom in WINDOWS:
        down, across = (averaging(side, HASH_INPUT, *span) for span in ((top, bottom), (left, right)))
        parts.append(hashes_of_coefficients(lowest_frequencies(down @ pictures @ across.T)))
    return np.stack(parts, axis=1)


def place(inner: _Floats, outer: _Floats, window: int) -> tuple[_Floats, _Floats]:
    """Finds where in `outer` the whole of `inner` lies, near one of the `WINDOWS`.

    Args:
        inner: float32 [P, 32, 32], with even light (see `registration.even_light`).
        outer: float32 [P, 32, 32], likewise.
        window: Index into `WINDOWS`.

    Returns:
        correlation: float32 [P], -1..1, at the best place.
        maps: float32 [P, 2, 3], from coordinates of `inner` to those of `outer`, both -1 to 1 across the picture.
    """
    count, side = len(inner), SEARCH_SIDE
    left, top, right, bottom = WINDOWS[window]
    spectrum = np.fft.rfft2(outer)
    sums, squares = _running_sums(outer), _running_sums(outer * outer)
    best, maps = np.full(count, -1, np.float32), np.zeros((count, 2, 3), np.float32)
    for height in _sizes_near(bottom - top):
        tall = averaging(side, height) @ inner
        for width in _sizes_near(right - left):
            found, y, x = _best_position(tall @ averaging(side, width).T, spectrum, sums, squares)
            better = found > best
            best[better] = found[better]
            maps[better, 0, 0], maps[better, 1, 1] = width / side, height / side
            maps[better, 0, 2] = ((2 * x + width) / side - 1)[better]
            maps[better, 1, 2] = ((2 * y + height) / side - 1)[better]
    return best, maps


def _best_position(
    template: _Floats, spectrum: NDArray[np.complexfloating], sums: _Floats, squares: _Floats
) -> tuple[_Floats, NDArray[np.int64], NDArray[np.int64]]:
    """The highest correlation [P] of a template [P, h, w] wholly inside a picture, and its row and column [P]."""
    (height, width), side = template.shape[1:], SEARCH_SIDE
    template = template - template.mean(axis=(1, 2), keepdims=True)
    norm = np.sqrt(np.einsum("phw,phw->p", template, template))
    product = spectrum * np.conj(np.fft.rfft2(template, s=(side, side)))
    rows, columns = side - height + 1, side - width + 1
    covariance = np.fft.irfft2(product, s=(side, side))[:, :rows, :columns]
    area = height * width
    variance = _box_sums(squares, height, width) - _box_sums(sums, height, width) ** 2 / area
    # The summand keeps pictures of almost nothing from fitting everywhere.
    bound = norm[:, None, None] * np.sqrt(np.maximum(variance, 0)) + 1e-3 * area
    correlation = (covariance / bound).reshape(len(template), -1)
    position = correlation.argmax(axis=1)
    y, x = np.divmod(position, columns)
    return correlation[np.arange(len(template)), position].astype(np.float32), y, x


def _sizes_near(share: float) -> list[int]:
    return [size for size in _SIZES if abs(size - share * SEARCH_SIDE) <= _SIZE_SPREAD]


@functools.lru_cache(maxsize=64)
def averaging(side: int, wanted: int, low: float = 0.0, high: float = 1.0) -> _Floats:
    """float32 [wanted, side]: the matrix that averages a span of `side` pixels down to `wanted` of them."""
    edges = (low + (high - low) * np.arange(wanted + 1) / wanted) * side
    pixels = np.arange(side)
    overlap = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    weights = np.maximum(overlap, 0)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), dtype=np.float32)


def _running_sums(pictures: _Floats) -> _Floats:
    sums = np.zeros((len(pictures), SEARCH_SIDE + 1, SEARCH_SIDE + 1), np.float32)
    np.cumsum(pictures.cumsum(axis=1), axis=2, out=sums[:, 1:, 1:])
    return sums


def _box_sums(sums: _Floats, height: int, width: int) -> _Floats:
    return sums[:, height:, width:] - sums[:, :-height, width:] - sums[:, height:, :-width] + sums[:, :-height, :-width]
