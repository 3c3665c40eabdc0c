"""Leaks: images of validation or test of which training has already seen a copy."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from batikkit.data.split import SPLITS, SplitRow


@dataclass(frozen=True)
class Leak:
    """One image that is not independent of an earlier split.

    Attributes:
        path: The leaking file.
        split: Where it is: `validation` or `test`.
        copies: Files of the same group in an earlier split (train before validation before test).
    """

    path: str
    split: str
    copies: tuple[str, ...]


def find_leaks(rows: Sequence[SplitRow]) -> tuple[Leak, ...]:
    """Every image whose group also occurs in an earlier split, in the rows' order."""
    members: dict[str, list[SplitRow]] = defaultdict(list)
    for row in rows:
        members[row.sample.group].append(row)
    leaks = []
    for row in rows:
        rank = SPLITS.index(row.split)
        copies = tuple(o.sample.path for o in members[row.sample.group] if SPLITS.index(o.split) < rank)
        if copies:
            leaks.append(Leak(row.sample.path, row.split, copies))
    return tuple(leaks)


def describe_leaks(leaks: Sequence[Leak], rows: Sequence[SplitRow]) -> str:
    """One line for people: how many files leak, of how many, and an example."""
    totals = Counter(row.split for row in rows)
    counts = Counter(leak.split for leak in leaks)
    parts = ", ".join(f"{counts[split]} of {totals[split]} {split} images" for split in SPLITS if counts[split])
    files = "1 file leaks" if len(leaks) == 1 else f"{len(leaks)} files leak"
    first = leaks[0]
    return f"{files} ({parts}): such as {first.path}, a copy of {first.copies[0]}"
