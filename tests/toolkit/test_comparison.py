"""Judging systems on the same images: pairs, folds, groups, files and pages."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import stats

from batikkit.errors import InputError
from batikkit.evaluation.compare import Candidate, compare_systems
from batikkit.evaluation.comparison import Part, read_comparison, write_comparison
from batikkit.evaluation.page import to_html
from batikkit.evaluation.predictions import Predictions
from batikkit.evaluation.reports import write_reports
from batikkit.evaluation.text import confusion_table, pair_table, system_table, to_markdown, verdicts
from batikkit.intervals import wilson_interval
from batikkit.paired import mcnemar_p
from sample_comparison import NITIK, make_comparison, make_predictions
from web_pages import assert_whole, screenshot

LABELS = ("kawung", "parang", "truntum")


def candidate(name: str, right: list[bool], *, groups: list[str] | None = None, prefix: str = "") -> Candidate:
    truth = np.arange(len(right)) % 3
    answer = np.where(right, truth, (truth + 1) % 3)
    paths = tuple(f"{prefix}{number}.jpg" for number in range(len(right)))
    answers = Predictions(LABELS, paths, tuple(groups or paths), truth, np.eye(3, dtype=np.float32)[answer])
    return Candidate(name, name.title(), [answers], [Part(float(np.mean(right)), len(right), name)])


def compare(*candidates: Candidate):  # type: ignore[no-untyped-def]
    return compare_systems(candidates, title="t", created="2026-01-01T00:00:00+00:00", tested="nothing real")


def test_pairs_count_every_image_once() -> None:
    weak, strong = [True] * 6 + [False] * 6, [True] * 4 + [False] * 2 + [True] * 5 + [False]
    (pair,) = compare(candidate("weak", weak), candidate("strong", strong)).pairs
    assert (pair.worse, pair.better) == ("weak", "strong")
    assert (pair.both_right, pair.only_better, pair.only_worse, pair.both_wrong) == (4, 5, 2, 1)
    assert pair.gain_pp == pytest.approx(100 * 3 / 12)
    assert pair.mcnemar_p == pytest.approx(mcnemar_p(np.array(weak), np.array(strong)))
    low, high = pair.gain_ci95_pp
    assert low < pair.gain_pp < high


def test_three_systems_give_three_adjusted_pairs() -> None:
    rng = np.random.default_rng(5)
    found = compare(*(candidate(str(share), list(rng.random(90) < share)) for share in (0.4, 0.6, 0.9)))
    assert len(found.pairs) == 3
    smallest = min(found.pairs, key=lambda pair: pair.mcnemar_p)
    assert smallest.holm_p == pytest.approx(min(1.0, 3 * smallest.mcnemar_p))
    assert all(pair.holm_p >= pair.mcnemar_p for pair in found.pairs)


def test_a_verdict_needs_more_than_a_lead() -> None:
    close = compare(candidate("a", [True] * 5 + [False] * 4), candidate("b", [True] * 6 + [False] * 3))
    assert "do not tell" in verdicts(close)[0]
    clear = compare(candidate("a", [False] * 30), candidate("b", [True] * 30))
    assert "B beats A by 100.0 points" in verdicts(clear)[0]


def test_dependent_images_widen_the_interval() -> None:
    right = [True] * 40 + [False] * 20
    alone = compare(candidate("a", right)).systems[0].evaluation.report.accuracy_ci95
    assert alone == wilson_interval(40, 60)
    turns = [f"cloth{number // 4}" for number in range(60)]
    together = compare(candidate("a", right, groups=turns))
    low, high = together.systems[0].evaluation.report.accuracy_ci95
    # Four equal answers per cloth are one observation: 10 of 15 cloths, at Student's instead of the normal quantile.
    expected = wilson_interval(10, 15, confidence=1 - 2 * stats.norm.sf(stats.t.ppf(0.975, 14)))
    assert (low, high) == pytest.approx(expected, abs=0.02)
    assert together.groups == 15
    assert "15 independent groups" in to_markdown(together)


def test_leads_and_tests_count_groups() -> None:
    turns = [f"cloth{number // 4}" for number in range(48)]
    weak, strong = [n // 4 % 3 == 0 for n in range(48)], [n // 4 % 2 == 0 for n in range(48)]
    single = compare(candidate("weak", weak), candidate("strong", strong)).pairs[0]
    grouped = compare(candidate("weak", weak, groups=turns), candidate("strong", strong, groups=turns)).pairs[0]
    assert grouped.gain_ci95_pp[0] < single.gain_ci95_pp[0] < single.gain_ci95_pp[1] < grouped.gain_ci95_pp[1]
    assert grouped.mcnemar_p > single.mcnemar_p


def test_folds_are_pooled_and_spread_is_told() -> None:
    parts = [candidate("a", right, prefix=f"f{n}") for n, right in enumerate(([True] * 9, [True] * 3 + [False] * 6))]
    whole = Candidate("a", "A", [p.predictions[0] for p in parts], [p.parts[0] for p in parts])
    (system,) = compare(whole).systems
    assert system.evaluation.report.n == 18
    assert system.evaluation.report.accuracy == pytest.approx(12 / 18)
    assert system.over_folds() == pytest.approx((2 / 3, np.std([1, 1 / 3], ddof=1)))
    assert "66.7 ± 47.1" in system_table(compare(whole))[1][0]


def test_systems_on_other_images_are_not_compared() -> None:
    with pytest.raises(InputError, match="not tested on the same images"):
        compare(candidate("a", [True] * 6), candidate("b", [True] * 6, prefix="other"))


def test_misses_name_each_answer() -> None:
    found = compare(candidate("a", [True, False, True]), candidate("b", [True, True, False]))
    assert [miss.path for miss in found.misses] == ["1.jpg", "2.jpg"]
    assert found.misses[0].truth == "parang"
    assert found.misses[0].answers == {"a": "truntum", "b": "parang"}


def test_a_comparison_is_read_back_as_written(tmp_path: Path) -> None:
    written = make_comparison(folds=2)
    write_comparison(tmp_path / "c.json", written)
    assert read_comparison(tmp_path / "c.json") == written
    (tmp_path / "c.json").write_text("{}")
    with pytest.raises(InputError, match="is damaged"):
        read_comparison(tmp_path / "c.json")


def test_markdown_tables_are_well_formed_and_hold_the_figures() -> None:
    found = make_comparison(folds=2)
    text = to_markdown(found)
    tables = re.findall(r"(?:^\|.*\|\n)+", text, re.MULTILINE)
    assert len(tables) >= 7
    for table in tables:
        assert len({line.replace("\\|", "").count("|") for line in table.splitlines()}) == 1
    assert f"{100 * found.systems[-1].evaluation.report.accuracy:.1f} %" in tables[0]
    assert "99.85 %" in tables[0]
    assert len(pair_table(found)[1]) == 3
    first, second = confusion_table(found)[1][:2]
    assert sum(map(int, first[-1].split(" / "))) >= sum(map(int, second[-1].split(" / ")))


@pytest.mark.parametrize("systems", [1, 3])
def test_the_page_is_whole_and_names_cannot_inject_markup(systems: int) -> None:
    assert_whole(to_html(make_comparison(systems=systems)))
    evil = '<script>alert("x")</script>'
    found = make_comparison((evil, "b"), systems=systems)
    page = to_html(dataclasses.replace(found, title=evil, tested=evil, notes=(evil,), facts={evil: evil}))
    assert_whole(page)
    assert "<script" not in page


@pytest.mark.slow
@pytest.mark.parametrize("dark", [False, True])
def test_chromium_draws_the_page(tmp_path: Path, dark: bool) -> None:
    pixels = screenshot(to_html(make_comparison(NITIK[:10])), tmp_path, dark=dark, height=2000)
    blue = (pixels[..., 2] - pixels[..., 0]) > 60
    green = (pixels[..., 1] - pixels[..., 0]) > 40
    assert blue.sum() > 2000, "the first system's bars are missing"
    assert green.sum() > 2000, "the last system's bars are missing"


@pytest.mark.slow
@pytest.mark.parametrize("systems", [1, 3])
def test_figures_are_drawn_for_long_names_and_untested_motifs(tmp_path: Path, systems: int) -> None:
    found = make_comparison(NITIK, per_motif=2, systems=systems)
    written = write_reports(tmp_path, found, name="comparison")
    figures = [path for path in written if path.suffix == ".png"]
    assert len(figures) == systems + 2
    for path in figures:
        with Image.open(path) as image:
            assert min(image.size) > 400
            assert len(np.unique(np.asarray(image.convert("RGB")).reshape(-1, 3), axis=0)) > 50
    truth = np.array([0, 0, 1])
    answers = make_predictions(NITIK, truth, accuracy=0.5, seed=1)
    sparse = compare_systems(
        [Candidate("one", "One", [answers], [Part(0.5, 3, "one")])], title="t", created="2026", tested="three images"
    )
    assert "-" in to_markdown(sparse)
    assert_whole(to_html(sparse))
    write_reports(tmp_path / "sparse", sparse, name="evaluation")
