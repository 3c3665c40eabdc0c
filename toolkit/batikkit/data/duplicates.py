"""Finding copies: which images of a set show the same photograph, rotated, mirrored, cropped or saved again.

Hashes bring up candidates (`candidates`), each is placed and aligned (`windows`, `registration`), and only pictures
that then agree in luminance and in colour are copies.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from batikkit.console import Advance
from batikkit.data.candidates import Candidates, find_candidates
from batikkit.data.fingerprint import Fingerprint, oriented
from batikkit.data.registration import blurred, even_light, register, warp
from batikkit.data.windows import SEARCH_SIDE, WINDOWS, place
from batikkit.processors import worker_count

MIN_PLACED = 0.42
"""Correlation of the coarse pictures below which a pair is given up; 99 of 100 pairs of strangers stay below it."""

MIN_AGREEMENT = 0.92
"""Aligned luminance of two copies agrees at least so well; patches of one hand-drawn cloth reach 0.91."""

MAX_COLOUR_SHIFT = 16.0
"""Largest mean difference of the aligned colours of two copies once brightness and contrast are matched, of 255.

Copies mostly stay below 5; a glare across one of them makes it 14."""

GAINS = (0.5, 2.0)
"""Contrast of one copy may be this many times the other's."""

FLAT_CONTRAST = 2.0
"""Below this standard deviation (of 255) a picture shows nothing that could be compared."""

_PAIRS_AT_ONCE = 256
_Floats = NDArray[np.float32]


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
    coarse = _coarse_pictures(prints)
    workers = worker_count()
    with ThreadPoolExecutor(workers) as pool:
        for start in range(0, len(found), workers * _PAIRS_AT_ONCE):
            turn = found.part(slice(start, start + workers * _PAIRS_AT_ONCE))
            # Pairs that nearer ones have joined already need no alignment.
            pairs = zip(index[turn.inner], index[turn.outer], strict=True)
            turn = turn.part(np.array([sets.find(i) != sets.find(j) for i, j in pairs], dtype=bool))
            parts = [turn.part(slice(k, k + _PAIRS_AT_ONCE)) for k in range(0, len(turn), _PAIRS_AT_ONCE)]
            for part, same in zip(parts, pool.map(lambda p: same_picture(prints, coarse, p), parts), strict=True):
                for i, j in zip(part.inner[same], part.outer[same], strict=True):
                    sets.union(int(index[i]), int(index[j]))
            if advance:
                advance(min(start + workers * _PAIRS_AT_ONCE, len(found)), len(found))


def _coarse_pictures(prints: Sequence[Fingerprint]) -> _Floats:
    """float32 [N, 32, 32], every luminance in even light."""
    coarse = np.empty((len(prints), SEARCH_SIDE, SEARCH_SIDE), np.float32)
    for start in range(0, len(prints), _PAIRS_AT_ONCE):
        part = slice(start, start + _PAIRS_AT_ONCE)
        coarse[part] = even_light(np.stack([p.tone for p in prints[part]]), SEARCH_SIDE)
    return coarse


def same_picture(prints: Sequence[Fingerprint], coarse: _Floats, pairs: Candidates) -> NDArray[np.bool_]:
    """Aligns pairs and says which show the same photograph.

    Args:
        prints: All fingerprints.
        coarse: float32 [N, 32, 32], their luminance in even light.
        pairs: P candidates, indices into `prints`.

    Returns:
        bool [P].
    """
    same = np.zeros(len(pairs), dtype=bool)
    placed, maps, swapped = _place(coarse, pairs)
    kept = np.flatnonzero(placed >= MIN_PLACED)
    if not len(kept):
        return same
    looks = [(prints[i], prints[j], turn) for i, j, turn in zip(*_columns(pairs, kept), strict=True)]
    tones = _stacks([(oriented(a.tone, turn), b.tone) for a, b, turn in looks], swapped[kept])
    agreement, maps = register(*tones, maps[kept])
    alike = agreement >= MIN_AGREEMENT
    if alike.any():
        left, right = _stacks([(oriented(a.colour, turn), b.colour) for a, b, turn in looks], swapped[kept])
        alike[alike] = _colour_shift(left[alike], right[alike], maps[alike]) <= MAX_COLOUR_SHIFT
    same[kept] = alike
    return same


def _columns(pairs: Candidates, kept: NDArray[np.int64]) -> tuple[list[int], list[int], list[int]]:
    return pairs.inner[kept].tolist(), pairs.outer[kept].tolist(), pairs.turn[kept].tolist()


def _stacks(
    pairs: Sequence[tuple[NDArray[np.uint8], NDArray[np.uint8]]], swapped: NDArray[np.bool_]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The pictures that lie inside the others, and those others."""
    ordered = [(b, a) if swap else (a, b) for (a, b), swap in zip(pairs, swapped, strict=True)]
    return np.stack([a for a, _ in ordered]), np.stack([b for _, b in ordered])


def _place(coarse: _Floats, pairs: Candidates) -> tuple[_Floats, _Floats, NDArray[np.bool_]]:
    """Where each inner picture lies in its outer one: correlation [P], maps [P, 2, 3], and which swapped their roles.

    When whole resembles whole, either may be the crop, so both ways are tried.
    """
    correlation, maps = np.full(len(pairs), -1, np.float32), np.zeros((len(pairs), 2, 3), np.float32)
    swapped = np.zeros(len(pairs), dtype=bool)
    for window in range(len(WINDOWS)):
        chosen = np.flatnonzero(pairs.window == window)
        if not len(chosen):
            continue
        part = pairs.part(pairs.window == window)
        inner = np.stack([oriented(coarse[i], turn) for i, turn in zip(part.inner, part.turn, strict=True)])
        correlation[chosen], maps[chosen] = place(inner, coarse[part.outer], window)
        if window == 0:
            other, other_maps = place(coarse[part.outer], inner, window)
            better = other > correlation[chosen]
            swapped[chosen] = better
            correlation[chosen] = np.maximum(other, correlation[chosen])
            maps[chosen] = np.where(better[:, None, None], other_maps, maps[chosen])
    return correlation, maps, swapped


def _colour_shift(left: NDArray[np.uint8], right: NDArray[np.uint8], maps: _Floats) -> _Floats:
    """Mean absolute colour difference [P] of aligned pictures [P, N, N, 3], apart from brightness and contrast."""
    target = np.stack([blurred(left[..., channel].astype(np.float32)) for channel in range(3)], axis=-1)
    warped = [warp(blurred(right[..., channel].astype(np.float32)), maps) for channel in range(3)]
    inside = warped[0][1][..., None].astype(np.float32)
    count = np.maximum(3 * inside.sum(axis=(1, 2), keepdims=True), 1)
    values = np.stack([value for value, _ in warped], axis=-1)
    values, target = (
        (stack - (stack * inside).sum(axis=(1, 2), keepdims=True) / count) * inside
        for stack in (values, target.reshape(values.shape))
    )
    gain = (values * target).sum(axis=(1, 2), keepdims=True) / ((values**2).sum(axis=(1, 2), keepdims=True) + 1)
    shift = np.abs(target - np.clip(gain, *GAINS) * values).sum(axis=(1, 2)) / count[:, 0]
    return np.asarray(shift[:, 0], dtype=np.float32)
