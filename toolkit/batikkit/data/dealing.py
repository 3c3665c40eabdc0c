"""Deals the groups of one class to parts: by chance, no size favoured, as near to the shares as groups allow.

Groups are dealt the largest first, each to a part drawn in proportion to the images that the parts still lack. What a
draw in these very proportions does to them is nothing on average (they are a martingale), so until a part is overfilled
every group has exactly the asked shares for its chances, whatever its size: copies and large cloths are tested as
often as single photographs. The small groups come last and even out what the large ones left. Giving each group to the
part that lacks most, instead, would send every large group to training.

Chance is SHA-256 of the seed and the group's name: the same on every machine, whatever the order of the groups.
"""

from __future__ import annotations

import hashlib
import itertools
import math
import statistics
from collections.abc import Iterable, Mapping


def deal(sizes: Mapping[str, int], shares: Mapping[str, float], *, seed: int) -> dict[str, str]:
    """Gives every group of a class a part.

    With as many groups as parts no part stays empty; two groups for three parts fill the first and the last, a single
    one the first.

    Args:
        sizes: Group -> number of images.
        shares: Part -> its share of the images, in the parts' order; a part of share 0 stays empty.
        seed: Another seed deals otherwise.
    """
    lack = _asked(sizes, {part: share for part, share in shares.items() if share > 0})
    smallest = min(sizes.values())
    dealt: dict[str, str] = {}
    for index, group in enumerate(_largest_first(sizes, seed)):
        empty = [part for part in lack if part not in dealt.values()]
        must = empty if len(sizes) - index <= len(empty) else list(lack)
        # No smaller groups will come to even out: what is left of a group's size is dealt last.
        room = [part for part in must if lack[part] >= sizes[group] == smallest]
        part = _draw({p: _weight(lack[p], sizes[group]) for p in room or must}, fraction(seed, group))
        dealt[group] = part
        lack[part] -= sizes[group]
    return dealt


def deal_evenly(sizes: Mapping[str, int], parts: int, *, seed: int, label: str) -> dict[str, int]:
    """Gives every group of a class one of `parts` equal parts, 0..parts-1, the largest first to the emptiest part.

    Args:
        sizes: Group -> number of images.
        parts: Number of parts.
        seed: Another seed deals otherwise.
        label: The class; where its dealing begins depends on it, which spreads the classes' remainders over the parts.
    """
    counts = [0] * parts
    start = int(_chance(seed, label)[:8], 16) % parts
    dealt: dict[str, int] = {}
    for group in _largest_first(sizes, seed):
        part = min(range(parts), key=lambda p: (counts[p], (p - start) % parts))
        counts[part] += sizes[group]
        dealt[group] = part
    return dealt


def take_arc(circle: Mapping[str, int], share: float, *, start: float) -> set[str]:
    """Takes the groups whose middle lies on an arc of a circle of images, as systematic sampling does.

    Whatever its size, a group has one middle, so none is favoured. One group at least is taken where there are two, and
    one stays. A group of over twice the share would lead further away from it than taking nothing, and stays.

    Args:
        circle: Group -> number of images, in the order in which they lie.
        share: Length of the arc as a share of all images, 0..1; never less than the smallest group.
        start: Where it begins, in images.
    """
    if share <= 0 or len(circle) < 2:
        return set()
    length = max(share * sum(circle.values()), min(circle.values()))
    fitting = {group: size for group, size in circle.items() if size <= 2 * length}
    ends = dict(zip(fitting, itertools.accumulate(fitting.values()), strict=True))
    behind = {group: (ends[group] - size / 2 - start) % sum(fitting.values()) for group, size in fitting.items()}
    nearest = sorted(fitting, key=lambda group: behind[group])
    return {group for group in nearest[: len(circle) - 1] if group == nearest[0] or behind[group] < length}


def shuffled(groups: Iterable[str], seed: int) -> list[str]:
    """The groups in an order that only the seed and their names decide."""
    return sorted(groups, key=lambda group: _chance(seed, group))


def fraction(seed: int, name: str) -> float:
    """A number that only the seed and the name decide: 0 <= x < 1, in steps of 2^-52."""
    return int(_chance(seed, name)[32:45], 16) / 16**13  # other digits than those that decide the order


def _asked(sizes: Mapping[str, int], shares: Mapping[str, float]) -> dict[str, float]:
    """Part -> images it should get: its share, but never less than a group, since a part cannot hold less.

    The group is the mean one, counting none above twice the median: where a part holds a single group, each must have
    the same chance to be it, except a giant.
    """
    parts = list(shares)
    if len(sizes) < len(parts):
        parts = [parts[0], parts[-1]] if len(sizes) > 1 else parts[:1]
    # fsum: plain sums of floats differ between versions of Python in the last bit.
    total, whole = sum(sizes.values()), math.fsum(shares[part] for part in parts)
    cap = 2 * statistics.median_low(sizes.values())
    least = sum(min(size, cap) for size in sizes.values()) / len(sizes)
    # Rounded, since 0.7 * 110 must not lack 77 by the last bit.
    asked = {part: round(max(shares[part] / whole * total, least), 9) for part in parts}
    asked[max(parts, key=lambda part: asked[part])] -= math.fsum(asked.values()) - total
    return asked


def _weight(lack: float, size: int) -> float:
    """What a part lacks; less, but never nothing, where the group would overfill it by more than it lacks."""
    if lack <= 0:
        return 0.0
    return lack if size <= 2 * lack else lack * lack / (size - lack)


def _draw(weights: Mapping[str, float], at: float) -> str:
    """The part at `at`, 0..1, of the weights laid end to end; the first of the heaviest where all are 0."""
    point = at * math.fsum(weights.values())
    for part, weight in weights.items():
        if point < weight:
            return part
        point -= weight
    return max(weights, key=lambda part: weights[part])


def _largest_first(sizes: Mapping[str, int], seed: int) -> list[str]:
    return sorted(shuffled(sizes, seed), key=lambda group: -sizes[group])


def _chance(seed: int, text: str) -> str:
    return hashlib.sha256(f"{seed}/{text}".encode()).hexdigest()
