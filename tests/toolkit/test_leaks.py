"""A leak is an image of a later part whose group is in an earlier one."""

from __future__ import annotations

from batikkit.data.dataset import Sample
from batikkit.data.leaks import describe_leaks, find_leaks
from batikkit.data.split import SplitRow


def rows(*entries: tuple[str, str, str]) -> list[SplitRow]:
    return [SplitRow(Sample(path, "a", path, group), split) for path, group, split in entries]


def test_leaks_are_counted_in_the_later_part_only() -> None:
    leaks = find_leaks(
        rows(
            ("1", "g", "train"), ("2", "g", "test"), ("3", "g", "test"), ("4", "h", "validation"), ("5", "h", "test"),
            ("6", "i", "train"), ("7", "j", "test"), ("8", "k", "train"), ("9", "k", "validation"),
        )
    )  # fmt: skip
    assert [(leak.path, leak.split, leak.copies) for leak in leaks] == [
        ("2", "test", ("1",)), ("3", "test", ("1",)), ("5", "test", ("4",)), ("9", "validation", ("8",)),
    ]  # fmt: skip


def test_the_description_counts_and_names_one() -> None:
    given = rows(("1", "g", "train"), ("2", "g", "test"), ("3", "x", "test"))
    assert describe_leaks(find_leaks(given), given) == "1 file leaks (1 of 2 test images): such as 2, a copy of 1"


def test_no_leak_in_a_clean_split() -> None:
    assert find_leaks(rows(("1", "g", "train"), ("2", "h", "test"), ("3", "g", "train"))) == ()
