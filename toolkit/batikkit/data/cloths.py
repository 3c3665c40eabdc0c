"""Which photographs of a motif show one cloth, at other places, turned, from nearer or farther."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from batikkit.data.cloth_look import SCALES, ClothLook, Odds
from batikkit.data.linkage import average_linkage

LEAST_ODDS = 100.0
"""Two photographs are linked when one cloth explains them a hundred times better than two of the same motif. The odds
were fitted on windows of single photographs against those of others (`benchmarks/peers/cloth_odds.py`), never on sets
of photographs whose cloths are known; the number is round, and results hardly change between 50 and 200."""

LEAST_SHARE = 0.1
"""Groups join while so many of the pairs between them are linked: views from far and near of one cloth are not linked
with each other, but with those between."""

NEAR_ONE = 1e-3
"""Likenesses are not told apart beyond one minus this: half-precision and resampling differ by as much."""

_ROWS = 256
_Ints = NDArray[np.int64]


def find_cloths(
    looks: Sequence[ClothLook | None], labels: Sequence[str], copies: Sequence[int] | _Ints, odds: Odds
) -> _Ints:
    """Groups photographs that show one cloth.

    Args:
        looks: One per photograph; None for one that shows nothing.
        labels: Its motif. Photographs of different motifs show different cloths.
        copies: int [N], for each the smallest index in its group of copies; copies stay together.
        odds: What the looks' likeness means.

    Returns:
        int64 [N], for each photograph the smallest index of its cloth.
    """
    members: dict[str, list[int]] = defaultdict(list)
    for index, look in enumerate(looks):
        if look is not None:
            members[labels[index]].append(index)
    parts = [_links(np.array(m), [look for i in m if (look := looks[i])], odds) for m in members.values()]
    own, first = np.arange(len(looks)), np.asarray(copies, np.int64)
    twins = np.flatnonzero(own != first)
    parts.append((first[twins], own[twins], np.ones(len(twins))))
    left, right, weight = (np.concatenate(column) for column in zip(*parts, strict=True))
    cloths = average_linkage(len(looks), left, right, weight, least=LEAST_SHARE)
    return _closed(cloths, first)


def _links(index: _Ints, looks: Sequence[ClothLook], odds: Odds) -> tuple[_Ints, _Ints, NDArray[np.float64]]:
    """The pairs of one motif that are linked, and the probability of each."""
    found = [(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))]
    for start, score in log_odds(looks, odds):
        row, column = np.nonzero(score >= np.log(LEAST_ODDS))
        later = column > row + start
        row, column = row[later], column[later]
        probability = 1 / (1 + np.exp(-score[row, column].astype(np.float64)))
        found.append((index[row + start], index[column], probability))
    left, right, weight = (np.concatenate(column) for column in zip(*found, strict=True))
    return left, right, weight


def log_odds(looks: Sequence[ClothLook], odds: Odds) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Log-odds that photographs show one cloth, some rows against all: (first row, float32 [rows, N])."""
    for start, texture, colour in likenesses(looks):
        apart_texture, apart_colour = unlikeness(texture), unlikeness(colour)
        yield start, odds.constant + odds.texture * apart_texture + odds.colour * apart_colour


def likenesses(looks: Sequence[ClothLook]) -> Iterator[tuple[int, NDArray[np.float32], NDArray[np.float32]]]:
    """How alike photographs are, some rows against all: (first row, texture float32 [rows, N], colour likewise)."""
    texture = np.stack([look.texture for look in looks], axis=1).astype(np.float32)
    colours = np.stack([look.colours for look in looks]).astype(np.float32)
    for start in range(0, len(looks), _ROWS):
        rows = slice(start, start + _ROWS)
        alike = np.full((len(colours[rows]), len(looks)), -1, np.float32)
        for own in range(SCALES):
            for other in range(SCALES):
                np.maximum(alike, texture[own, rows] @ texture[other].T, out=alike)
        yield start, alike, colours[rows] @ colours.T


def unlikeness(likeness: NDArray[np.float32]) -> NDArray[np.float32]:
    """What log-odds are linear in: log(1 - likeness), as far as `NEAR_ONE` lets tell."""
    return np.asarray(np.log(np.maximum(1 - likeness, 0) + np.float32(NEAR_ONE)))


def _closed(cloths: _Ints, copies: _Ints) -> _Ints:
    """Copies stay together whatever averages say: the groups, closed under both."""
    while True:
        joined = cloths.copy()
        np.minimum.at(joined, cloths, cloths[copies])
        joined = joined[cloths]
        joined = np.minimum(joined, joined[copies])
        if np.array_equal(joined, cloths):
            return cloths
        cloths = joined
