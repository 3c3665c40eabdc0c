"""Finding copies: which images of a set show the same photograph, rotated, mirrored, cropped or saved again.

No loop over all pairs in Python. Hashes are compared in blocks of a list sorted by brightness, each block only with
the neighbours of similar brightness; each image keeps its few nearest candidates; only those are aligned and compared
pixel by pixel. The number of alignments grows with the number of images, not with its square.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from batikkit.console import Advance
from batikkit.fingerprint import INVERSE, ORIENTATIONS, Fingerprint, hamming, oriented
from batikkit.registration import register, warp

SEARCH_BITS = 22
"""Hashes that differ in more bits are not looked at. Large, since the alignment decides, not the hash."""

NEAREST = 24
"""Candidates kept per image: the (other image, orientation) pairs of smallest hash distance."""

ORIENTATIONS_PER_PAIR = 2
"""Of one other image only its nearest orientations (and ties) are candidates."""

MIN_CORRELATION = 0.92
"""Aligned luminance of two copies agrees at least so well; other parts of one cloth stay below 0.90."""

MAX_MEAN_SHIFT = 20.0
"""Largest difference of the mean red, green and blue of two copies, of 255."""

MAX_COLOUR_SHIFT = 16.0
"""Largest mean difference of the aligned colours of two copies once the difference in brightness is removed, of 255."""

FLAT_CONTRAST = 2.0
"""Below this standard deviation (of 255) a picture shows nothing that could be compared."""

_BLOCK_ELEMENTS = 1 << 22
_PAIRS_AT_ONCE = 512


@dataclass(frozen=True)
class Candidates:
    """Pairs to be aligned, nearest hashes first.

    Attributes:
        first, second: int64 [P], indices of the images.
        orientation: int64 [P], orientation of `first` that resembles `second`.
        distance: uint8 [P], differing bits.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    orientation: NDArray[np.int64]
    distance: NDArray[np.uint8]


class UnionFind:
    """Disjoint sets of 0..count-1; the smallest member stands for its set."""

    def __init__(self, count: int) -> None:
        self._parent = list(range(count))

    def find(self, item: int) -> int:
        """The smallest member of the set of `item`."""
        parent = self._parent
        while parent[item] != item:
            parent[item] = parent[parent[item]]
            item = parent[item]
        return item

    def union(self, left: int, right: int) -> None:
        """Joins two sets."""
        low, high = sorted((self.find(left), self.find(right)))
        self._parent[high] = low

    def roots(self) -> NDArray[np.int64]:
        """int64 [count], the smallest member of each item's set."""
        return np.array([self.find(item) for item in range(len(self._parent))], dtype=np.int64)


def find_copies(
    prints: Sequence[Fingerprint], digests: Sequence[str], *, advance: Advance | None = None
) -> NDArray[np.int64]:
    """Groups images that are copies of each other.

    Args:
        prints: One fingerprint per image.
        digests: SHA-256 of each file; equal files are equal without looking.
        advance: Called with (done, total) while comparing.

    Returns:
        int64 [N]: for each image the smallest index in its group; an image without copies is its own group.
    """
    sets = UnionFind(len(prints))
    first_of: dict[str, int] = {}
    for index, digest in enumerate(digests):
        sets.union(index, first_of.setdefault(digest, index))
    looked_at = [i for i in sorted(first_of.values()) if prints[i].contrast >= FLAT_CONTRAST]
    if len(looked_at) > 1:
        _join_lookalikes(sets, [prints[i] for i in looked_at], np.array(looked_at), advance)
    return sets.roots()


def _join_lookalikes(
    sets: UnionFind, prints: Sequence[Fingerprint], index: NDArray[np.int64], advance: Advance | None
) -> None:
    found = find_candidates(prints)
    for start in range(0, len(found.first), _PAIRS_AT_ONCE):
        part = slice(start, start + _PAIRS_AT_ONCE)
        a, b, orientation = found.first[part], found.second[part], found.orientation[part]
        # Pairs that nearer ones have joined already need no alignment.
        open_ = np.array([sets.find(index[i]) != sets.find(index[j]) for i, j in zip(a, b, strict=True)], dtype=bool)
        a, b, orientation = a[open_], b[open_], orientation[open_]
        for i, j in zip(*(side[same_picture(prints, a, b, orientation)] for side in (a, b)), strict=True):
            sets.union(int(index[i]), int(index[j]))
        if advance:
            advance(min(start + _PAIRS_AT_ONCE, len(found.first)), len(found.first))


def find_candidates(prints: Sequence[Fingerprint]) -> Candidates:
    """The pairs worth aligning: similar mean colour, and among each image's `NEAREST` hashes."""
    means = np.array([p.colour.reshape(-1, 3).mean(axis=0) for p in prints], dtype=np.float32)
    # Similar red, green and blue means imply a similar sum, so only a window of the sorted list can match.
    brightness = means.mean(axis=1)
    order = np.argsort(brightness, kind="stable")
    hashes = np.stack([prints[i].hashes for i in order])
    means, brightness = means[order], brightness[order]
    parts = list(_candidates_by_block(hashes, means, brightness))
    first, second, orientation, distance = (np.concatenate(column) for column in zip(*parts, strict=True))
    rank = np.lexsort((orientation, second, first, distance))
    return Candidates(order[first[rank]], order[second[rank]], orientation[rank], distance[rank].astype(np.uint8))


def _candidates_by_block(
    hashes: NDArray[np.uint64], means: NDArray[np.float32], brightness: NDArray[np.float32]
) -> list[tuple[NDArray[np.int64], ...]]:
    parts = []
    start = 0
    while start < len(hashes):
        reach = int(np.searchsorted(brightness, brightness[start] + MAX_MEAN_SHIFT, side="right"))
        stop = min(len(hashes), start + max(1, _BLOCK_ELEMENTS // (ORIENTATIONS * max(1, reach - start))))
        reach = int(np.searchsorted(brightness, brightness[stop - 1] + MAX_MEAN_SHIFT, side="right"))
        shift = np.abs(means[start:stop, None] - means[None, start:reach]).max(axis=2)
        later = np.arange(start, reach) > np.arange(start, stop)[:, None]
        row, column = np.nonzero((shift <= MAX_MEAN_SHIFT) & later)
        row_hashes, column_hashes = hashes[start + row], hashes[start + column]
        # The median makes a turned picture's hash more than a permutation of bits: ask from both sides.
        bits = np.minimum(
            hamming(row_hashes, column_hashes[:, :1]), hamming(column_hashes, row_hashes[:, :1])[:, INVERSE]
        )
        parts.append(_nearest(row + start, column + start, bits, shift[row, column]))
        start = stop
    return parts


def _nearest(
    row: NDArray[np.int64], column: NDArray[np.int64], bits: NDArray[np.uint8], shift: NDArray[np.float32]
) -> tuple[NDArray[np.int64], ...]:
    """Keeps, for each row, its `NEAREST` (column, orientation) entries within `SEARCH_BITS`; colour breaks ties."""
    # A symmetric pattern resembles itself in many orientations, which would crowd out the other neighbours.
    limit = np.minimum(np.partition(bits, ORIENTATIONS_PER_PAIR - 1, axis=1)[:, ORIENTATIONS_PER_PAIR - 1], SEARCH_BITS)
    entry, orientation = np.nonzero(bits <= limit[:, None])
    row, column, shift = row[entry], column[entry], shift[entry]
    distance = bits[entry, orientation].astype(np.int64)
    rank = np.lexsort((orientation, column, shift, distance, row))
    row = row[rank]
    kept = np.arange(len(row)) - np.searchsorted(row, row) < NEAREST  # place within the row's entries
    return row[kept], column[rank][kept], orientation[rank][kept], distance[rank][kept]


def same_picture(
    prints: Sequence[Fingerprint],
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    orientation: NDArray[np.int64],
) -> NDArray[np.bool_]:
    """Aligns pairs and says which show the same photograph.

    Args:
        prints: All fingerprints.
        first: int64 [P], indices into `prints`.
        second: int64 [P], indices into `prints`.
        orientation: int64 [P], how to turn `first`.

    Returns:
        bool [P].
    """
    if not len(first):
        return np.zeros(0, dtype=bool)
    turns = list(zip(first, orientation, strict=True))
    left = np.stack([prints[j].tone for j in second])
    right = np.stack([oriented(prints[i].tone, o) for i, o in turns])
    correlation, maps = register(left, right)
    same = correlation >= MIN_CORRELATION
    if same.any():
        left = np.stack([prints[j].colour for j in second[same]])
        right = np.stack([oriented(prints[i].colour, o) for (i, o), s in zip(turns, same, strict=True) if s])
        same[same] = _colour_shift(left, right, maps[same]) <= MAX_COLOUR_SHIFT
    return same


def _colour_shift(left: NDArray[np.uint8], right: NDArray[np.uint8], maps: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean absolute colour difference [P] of aligned pictures [P, N, N, 3], apart from a difference in brightness."""
    warped = [warp(right[..., channel].astype(np.float32), maps) for channel in range(3)]
    inside = warped[0][1][..., None]
    difference = np.stack([values for values, _ in warped], axis=-1) - left.reshape(len(left), -1, 3)
    covered = np.maximum(inside.sum(axis=(1, 2)), 1)[:, None, None]
    brightness = (difference * inside).sum(axis=(1, 2), keepdims=True) / (3 * covered)
    shift = np.abs((difference - brightness) * inside).sum(axis=(1, 2)) / (3 * covered[:, 0, 0])
    return np.asarray(shift, dtype=np.float32)
