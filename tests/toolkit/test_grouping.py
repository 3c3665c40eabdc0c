"""What belongs together: copies, the user's expression, and a split file's own groups."""

from __future__ import annotations

import numpy as np
import pytest

from batikkit.data.dataset import Sample
from batikkit.data.grouping import conflicting_labels, group_samples, groups_per_class, unnamed
from batikkit.errors import InputError

PATHS = ["a/cloth1_p1.png", "a/cloth1_p2.png", "a/cloth2_p1.png", "b/cloth1_p1.png", "b/other.png"]
SAMPLES = [Sample(path, path[0], f"{number:x}" * 64, f"{number}") for number, path in enumerate(PATHS)]


def together(**options: object) -> list[list[str]]:
    grouped = group_samples(SAMPLES, options.pop("copies", list(range(5))), **options)  # type: ignore[arg-type]
    groups: dict[str, list[str]] = {}
    for sample in grouped:
        groups.setdefault(sample.group, []).append(sample.path)
    return sorted(groups.values())


def test_without_copies_every_image_is_alone() -> None:
    assert together() == [[path] for path in PATHS]


def test_copies_are_joined_whatever_index_stands_for_them() -> None:
    assert [PATHS[0], PATHS[4]] in together(copies=[7, 1, 2, 3, 7])


def test_the_captured_part_joins_images_of_one_class_only() -> None:
    assert together(group_by=r"cloth(\d+)") == [
        ["a/cloth1_p1.png", "a/cloth1_p2.png"], ["a/cloth2_p1.png"], ["b/cloth1_p1.png"], ["b/other.png"],
    ]  # fmt: skip


def test_without_parentheses_the_whole_match_counts() -> None:
    assert ["a/cloth1_p1.png", "a/cloth2_p1.png"] in together(group_by=r"_p\d")


def test_expression_copies_and_given_groups_add_up() -> None:
    given = dict(zip(PATHS, ["1", "2", "3", "4", "4"], strict=True))
    assert together(copies=[0, 1, 1, 3, 4], group_by=r"cloth(\d+)", given=given) == [PATHS[:3], PATHS[3:]]


def test_group_names_come_from_content_not_from_order() -> None:
    copies = np.array([0, 1, 0, 3, 3])
    forward = {s.path: s.group for s in group_samples(SAMPLES, copies)}
    backward = {s.path: s.group for s in group_samples(SAMPLES[::-1], copies[::-1])}
    assert forward == backward


@pytest.mark.parametrize(("expression", "message"), [("(", "not a regular expression"), ("patch", "matches no path")])
def test_useless_expressions_are_named(expression: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        together(group_by=expression)


def test_groups_of_several_labels_are_found_and_counted_in_each() -> None:
    grouped = group_samples(SAMPLES, [0, 1, 2, 0, 4])
    assert [[s.path for s in group] for group in conflicting_labels(grouped)] == [
        ["a/cloth1_p1.png", "b/cloth1_p1.png"]
    ]
    assert groups_per_class(grouped) == {"a": 3, "b": 2}


def test_pictures_decide_about_what_no_name_tells_and_about_nothing_else() -> None:
    """All five look like one cloth; names say otherwise of those that match."""
    shown = group_samples(SAMPLES, list(range(5)), cloths=[0] * 5, group_by=r"a/cloth(\d+)")
    cloths: dict[str, list[str]] = {}
    for sample in shown:
        cloths.setdefault(sample.cloth, []).append(sample.path)
    assert sorted(cloths.values()) == [PATHS[:2], [PATHS[2]], PATHS[3:]]
    assert unnamed(PATHS, r"a/cloth(\d+)") == PATHS[3:]
    assert unnamed(PATHS, None) == PATHS
    with pytest.raises(InputError, match="not a regular expression"):
        unnamed(PATHS, "(")
