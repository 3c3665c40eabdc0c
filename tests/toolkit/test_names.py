"""File names beside pictures: what agrees is proposed as a pattern that works, what does not is passed over."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from batikkit.data.dataset import Sample
from batikkit.data.grouping import group_samples
from batikkit.data.names import MIN_GROUPS, NamePattern, name_findings, propose_patterns
from batikkit.data.tree import image_files

Row = tuple[str, str, str, str]
"""Motif, number of the cloth, place, edit."""

STYLES: dict[str, Callable[[Row], str]] = {
    "fields": lambda r: f"{r[0]}/{r[0].title()}_{r[1]}_{r[2]}_{r[3]}.jpg",
    "an edit only where there is one": lambda r: f"{r[0]}/{r[0].title()}_{r[1]}_{r[2]}{r[3] and '_' + r[3]}.jpg",
    "folders": lambda r: f"{r[0]}/cloth{r[1]}/{r[2]}-{r[3]}.jpg",
    "letters and digits run together": lambda r: f"train/{r[0]}/batik{r[1]}p{r[2]}{r[3]}.png",
    "words and spaces": lambda r: f"{r[0]}/cloth {r[1]} place {r[2]} ({r[3]}).JPG",
    "a date before": lambda r: f"{r[0]}/IMG-20240{r[2]}11-{r[1]}-{r[3]}.jpeg",
    "the motif's own name has two words": lambda r: f"{r[0]}/{'udan_liris' if r[0] < 'n' else r[0]}_{r[1]}_{r[2]}.jpg",
}


@pytest.fixture
def rows(cloths: Path) -> list[Row]:
    edits = {"none": "", "turned -5": "rot5", "turned -10": "rot10", "turned 180": "rot180"}
    with (cloths / "truth.csv").open(encoding="utf-8") as stream:
        table = list(csv.DictReader(stream))
    return [(*r["cloth"].split("-"), r["place"], edits.get(r["edit"], r["edit"].replace(" ", ""))) for r in table]


def propose(rows: list[Row], style: Callable[[Row], str], together: list[object]) -> tuple[NamePattern, ...]:
    return propose_patterns([style(row) for row in rows], [row[0] for row in rows], together)


def count_groups(pattern: str, rows: list[Row], style: Callable[[Row], str]) -> int:
    """Groups that `--group-by` makes, by the code that training uses."""
    samples = [Sample(style(row), row[0], f"{index:016d}", str(index)) for index, row in enumerate(rows)]
    return len({s.group for s in group_samples(samples, list(range(len(rows))), group_by=pattern)})


@pytest.mark.parametrize("style", STYLES.values(), ids=STYLES.keys())
def test_the_number_of_the_cloth_is_found(rows: list[Row], style: Callable[[Row], str]) -> None:
    truth = [row[:2] for row in rows]
    (found,) = propose(rows, style, truth)
    assert (found.recall, found.precision, found.agreement) == (1.0, 1.0, 1.0)
    assert found.groups == len(set(truth)) == count_groups(found.pattern, rows, style)


@pytest.mark.parametrize("style", STYLES.values(), ids=STYLES.keys())
def test_names_that_do_not_go_with_the_pictures_are_passed_over(rows: list[Row], style: Callable[[Row], str]) -> None:
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(len(rows))
        assert propose(rows, style, [rows[index][:2] for index in order]) == ()


def test_pictures_that_err_do_not_hide_the_number(rows: list[Row]) -> None:
    """A twentieth of the images lost and every twelfth cloth taken for its neighbour."""
    rng = np.random.default_rng(0)
    cloth = {name: index for index, name in enumerate(sorted({row[:2] for row in rows}))}
    seen = [
        ("lost", index) if rng.random() < 0.05 else cloth[row[:2]] - (cloth[row[:2]] % 12 == 1)
        for index, row in enumerate(rows)
    ]
    (found,) = propose(rows, STYLES["fields"], seen)
    assert found.groups == 31
    assert 0.8 < found.recall < 1
    assert 0.85 < found.precision < 0.95
    assert 0.8 < found.agreement < 1


def test_pictures_that_show_only_places_get_cloth_and_place(rows: list[Row]) -> None:
    (found,) = propose(rows, STYLES["fields"], [row[:3] for row in rows])
    assert (found.groups, found.agreement) == (155, 1.0)


def test_pictures_that_find_few_pairs_are_enough(rows: list[Row]) -> None:
    """Of each place only the picture and its half turn are joined: 155 of 13,485 pairs of one cloth."""
    seen = [row[:3] if row[3] in ("", "rot180") else index for index, row in enumerate(rows)]
    (found,) = propose(rows, STYLES["an edit only where there is one"], seen)
    assert found.recall == 1.0
    assert found.agreement < 0.5
    made = group_samples(
        [Sample(STYLES["an edit only where there is one"](r), r[0], f"{i:016d}", "") for i, r in enumerate(rows)],
        list(range(len(rows))),
        group_by=found.pattern,
    )
    cloths: dict[str, set[tuple[str, ...]]] = {}
    for sample, row in zip(made, rows, strict=True):
        cloths.setdefault(sample.group, set()).add(row[:2])
    assert all(len(found) == 1 for found in cloths.values())


def test_nitiks_patches_are_found_and_its_names_say_nothing_more(nitik20: Path) -> None:
    paths = list(image_files(nitik20))
    motifs = [path.split("/")[0] for path in paths]
    (found,) = propose_patterns(paths, motifs, [path.rsplit("_", 1)[0] for path in paths], limit=5)
    assert (found.pattern, found.groups, found.agreement) == (r"patch(\d+)", 80, 1.0)
    # One cloth a motif: any part of a name would tear it, and none could tell it from another.
    assert propose_patterns(paths, motifs, motifs) == ()


def test_blank_names_say_nothing(cloths: Path) -> None:
    with (cloths / "truth.csv").open(encoding="utf-8") as stream:
        truth = list(csv.DictReader(stream))
    paths = [row["path"] for row in truth]
    assert propose_patterns(paths, [path.split("/")[0] for path in paths], [row["cloth"] for row in truth]) == ()


def test_a_constant_and_a_unique_part_are_never_proposed() -> None:
    paths = [f"{motif}/photo_{cloth * 6 + view}.jpg" for motif in "ab" for cloth in range(8) for view in range(6)]
    together = [index // 6 for index in range(len(paths))]
    assert propose_patterns(paths, [path[0] for path in paths], together, limit=9) == ()


def test_few_groups_of_pictures_prove_nothing() -> None:
    def copies(count: int) -> tuple[NamePattern, ...]:
        names = [f"a/{n}_{v}.jpg" for n in range(60) for v in range(2)]
        return propose_patterns(names, ["a"] * 120, [i // 2 if i < 2 * count else -i for i in range(120)])

    assert copies(MIN_GROUPS - 1) == ()
    assert copies(60)[0].groups == 60
    assert propose_patterns([], [], []) == ()


def test_a_finding_gives_the_ready_option(nitik20: Path) -> None:
    samples = [Sample(path, path.split("/")[0], "", "") for path in image_files(nitik20)]
    whole = [sample.label for sample in samples]
    copies = [sample.path.rsplit("_", 1)[0] for sample in samples]
    assert name_findings(samples, whole) == []
    (finding,) = name_findings(samples, whole, copies)
    assert (finding.kind, finding.severity) == ("names-agree", "info")
    assert r"--group-by 'patch(\d+)'" in finding.advice
    assert "100% of the 480 pairs" in finding.message


def test_long_hostile_names_take_no_time() -> None:
    """Names as long as file systems allow, of every separator and digit: no pattern may backtrack without end."""
    names = [f"a/{'1_' * 100}{index}{'-x' * 20}" for index in range(60)] + ["a/" + "_" * 240, "a/" + "9" * 240]
    assert propose_patterns(names, ["a"] * len(names), [index // 2 for index in range(len(names))]) == ()
