"""Leaks: images of validation or test of which training has already seen a copy, or the cloth."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from batikkit.data.dataset import Sample
from batikkit.data.grouping import CLOTH, COPY
from batikkit.data.split import SPLITS, SplitRow


@dataclass(frozen=True)
class Leak:
    """One image that is not independent of an earlier split.

    Attributes:
        path: The leaking file.
        split: Where it is: `validation` or `test`.
        copies: Files of the same group in an earlier split (train before validation before test).
        kind: `copy`, or `cloth` where no copy but another photograph of the cloth lies there.
    """

    path: str
    split: str
    copies: tuple[str, ...]
    kind: str = COPY


def find_leaks(rows: Sequence[SplitRow]) -> tuple[Leak, ...]:
    """Every image whose group also occurs in an earlier split, in the rows' order."""
    seen = _seen(rows, lambda sample: sample.group)
    return tuple(Leak(row.sample.path, row.split, found) for row, found in zip(rows, seen, strict=True) if found)


def find_cloth_leaks(rows: Sequence[SplitRow], leaks: Sequence[Leak]) -> tuple[Leak, ...]:
    """Every image whose cloth, but no copy of it (`leaks`), also occurs in an earlier split, in the rows' order."""
    known = {leak.path for leak in leaks}
    seen = _seen(rows, lambda sample: sample.cloth or sample.group)
    return tuple(
        Leak(row.sample.path, row.split, found, CLOTH)
        for row, found in zip(rows, seen, strict=True)
        if found and row.sample.path not in known
    )


def seen_cloths(*splits: Sequence[SplitRow]) -> str:
    """What a reader of the test figure must know when test images show cloths that training saw; else empty.

    Args:
        splits: One split, or the folds of a cross-validation.
    """
    seen = len(tests_of_seen_cloths(*splits))
    total = sum(row.split == "test" for rows in splits for row in rows)
    return f"test cloths were seen in training: {seen} of {total} test images show one of them" if seen else ""


def tests_of_seen_cloths(*splits: Sequence[SplitRow]) -> tuple[str, ...]:
    """Paths of test images of which training or validation hold a copy or the cloth; `splits` as for `seen_cloths`."""
    found = ((*(copies := find_leaks(rows)), *find_cloth_leaks(rows, copies)) for rows in splits)
    return tuple(leak.path for leaks in found for leak in leaks if leak.split == "test")


def _seen(rows: Sequence[SplitRow], group: Callable[[Sample], str]) -> list[tuple[str, ...]]:
    """For each row the images of its group in earlier splits."""
    members: dict[str, list[SplitRow]] = defaultdict(list)
    for row in rows:
        members[group(row.sample)].append(row)
    rank = {name: place for place, name in enumerate(SPLITS)}
    return [tuple(o.sample.path for o in members[group(row.sample)] if rank[o.split] < rank[row.split]) for row in rows]


def describe_leaks(leaks: Sequence[Leak], rows: Sequence[SplitRow]) -> str:
    """One line for people: how many files leak, of how many, and an example."""
    totals = Counter(row.split for row in rows)
    counts = Counter(leak.split for leak in leaks)
    parts = ", ".join(f"{counts[split]} of {totals[split]} {split} images" for split in SPLITS if counts[split])
    files = "1 file leaks" if len(leaks) == 1 else f"{len(leaks)} files leak"
    first = leaks[0]
    what = "a copy of" if first.kind == COPY else "of one cloth with"
    return f"{files} ({parts}): such as {first.path}, {what} {first.copies[0]}"
