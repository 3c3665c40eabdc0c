"""Which pairs of pictures are worth aligning: similar colour, and a hash of one's parts near that of the other's whole.

No loop over pairs in Python: pictures are sorted by brightness and compared in blocks, each only with the neighbours of
similar brightness, and every picture keeps its few nearest. So the number of alignments grows with the number of
pictures, not with its square.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from batikkit.data.fingerprint import INVERSE, Fingerprint, hamming
from batikkit.data.windows import WINDOWS, window_hashes
from batikkit.processors import worker_count

SEARCH_BITS = 22
"""Hashes that differ in more bits are not looked at. Half of all strangers have fewer: the alignment decides."""

NEAREST = 16
"""Entries kept per picture: the (other picture, orientation) of smallest hash distance; more of them cost time."""

ENTRIES_PER_PAIR = 2
"""A symmetric pattern resembles itself in many orientations, which must not crowd out the other neighbours."""

MAX_BRIGHTNESS_SHIFT = 30.0
"""Largest difference of mean brightness of two copies, of 255."""

MAX_TINT_SHIFT = 10.0
TINT_SHARE = 0.3
"""Mean red, green and blue, once brightness is taken off, differ by at most so much, of 255, and this share of the
stronger tint, since less contrast is less tint."""

_BLOCK_PAIRS = 1 << 16
_HASHED_AT_ONCE = 512
_Indices = NDArray[np.int64]
_Columns = tuple[_Indices, _Indices, _Indices, _Indices, _Indices]


@dataclass(frozen=True)
class Candidates:
    """Pairs to be aligned, nearest hashes first.

    Attributes:
        inner: int64 [P], the picture that may be a crop of the other.
        outer: int64 [P], the other.
        turn: int64 [P], orientation of `inner` that resembles a part of `outer` as it is.
        window: int64 [P], that part, an index into `WINDOWS`.
        distance: int64 [P], differing bits.
    """

    inner: _Indices
    outer: _Indices
    turn: _Indices
    window: _Indices
    distance: _Indices

    def __len__(self) -> int:
        return len(self.inner)

    def part(self, chosen: slice | NDArray[np.bool_] | _Indices) -> Candidates:
        """Some of the pairs."""
        return Candidates(*(column[chosen] for column in vars(self).values()))


def find_candidates(prints: Sequence[Fingerprint]) -> Candidates:
    """The pairs worth aligning, at most `NEAREST` entries per picture."""
    means = np.array([p.colour.reshape(-1, 3).mean(axis=0) for p in prints], dtype=np.float32)
    order = np.argsort(means.mean(axis=1), kind="stable")
    means = means[order]
    wholes = np.array([prints[i].hashes[0] for i in order], np.uint64)
    parts = _all_window_hashes([prints[i].tone for i in order])
    with ThreadPoolExecutor(worker_count()) as pool:  # NumPy releases the GIL
        found = list(pool.map(lambda block: _compare(block, wholes, parts, means), _blocks(means.mean(axis=1))))
    inner, outer, turn, window, distance = (np.concatenate(column) for column in zip(*found, strict=True))
    rank = np.asarray(np.lexsort((turn, order[outer], order[inner], distance)), np.int64)
    return Candidates(order[inner], order[outer], turn, window, distance).part(rank)


def _all_window_hashes(tones: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint64]:
    starts = range(0, len(tones), _HASHED_AT_ONCE)
    return np.concatenate([window_hashes(np.stack(tones[start : start + _HASHED_AT_ONCE])) for start in starts])


def _blocks(brightness: NDArray[np.float32]) -> Iterator[tuple[int, int, int]]:
    """Spans [start, stop) of the sorted list and how far the neighbours of their last one reach."""
    start = 0
    while start < len(brightness):
        reach = int(np.searchsorted(brightness, brightness[start] + MAX_BRIGHTNESS_SHIFT, side="right"))
        stop = min(len(brightness), start + max(1, _BLOCK_PAIRS // (reach - start)))
        yield start, stop, int(np.searchsorted(brightness, brightness[stop - 1] + MAX_BRIGHTNESS_SHIFT, side="right"))
        start = stop


def _compare(
    block: tuple[int, int, int],
    wholes: NDArray[np.uint64],
    parts: NDArray[np.uint64],
    means: NDArray[np.float32],
) -> _Columns:
    """The columns of `Candidates` for the rows of a block, as places in the sorted list."""
    start, stop, reach = block
    brightness = means[start:reach].mean(axis=1)
    tint = means[start:reach] - brightness[:, None]
    count = stop - start
    strength = np.abs(tint).max(axis=1)
    allowed = MAX_TINT_SHIFT + TINT_SHARE * np.maximum(strength[:count, None], strength[None])
    alike = np.abs(tint[:count, None] - tint[None]).max(axis=2) <= allowed
    near = np.abs(brightness[:count, None] - brightness[None]) <= MAX_BRIGHTNESS_SHIFT
    later = np.arange(reach - start) > np.arange(count)[:, None]
    row, column = (place + start for place in np.nonzero(alike & near & later))
    # uint8 [pairs, 7, 8]: the row's whole against the column's parts; then the other way round, in the same order of
    # orientations of the column.
    one = hamming(wholes[row][:, None, None], parts[column])
    other = hamming(wholes[column][:, None, None], parts[row])[..., INVERSE]
    bits = np.concatenate([one, other], axis=1)
    pair, orientation = _nearest(row, bits.min(axis=1))
    swapped, window = np.divmod(bits.argmin(axis=1)[pair, orientation], len(WINDOWS))
    row, column, distance = row[pair], column[pair], bits[pair].min(axis=1)[np.arange(len(pair)), orientation]
    inner, outer = np.where(swapped, column, row), np.where(swapped, row, column)
    turn = np.where(swapped, orientation, INVERSE[orientation])
    return inner, outer, turn, window, distance.astype(np.int64)


def _nearest(row: _Indices, distance: NDArray[np.uint8]) -> tuple[_Indices, _Indices]:
    """The entries (pair, orientation) to keep of uint8 [pairs, 8], at most `NEAREST` for each row."""
    limit = np.partition(distance, ENTRIES_PER_PAIR - 1, axis=1)[:, ENTRIES_PER_PAIR - 1]
    pair, orientation = np.nonzero(distance <= np.minimum(limit, SEARCH_BITS)[:, None])
    rank = np.lexsort((orientation, pair, distance[pair, orientation], row[pair]))
    pair, orientation = pair[rank], orientation[rank]
    rows = row[pair]
    kept = np.arange(len(rows)) - np.searchsorted(rows, rows) < NEAREST  # place within the row's entries
    return pair[kept], orientation[kept]
