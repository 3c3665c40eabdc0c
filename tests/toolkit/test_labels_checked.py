"""What photographs say of each other: wrong labels, what more of them would bring, what speaks for a mistake."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from batikkit.data.check import check_folder
from batikkit.data.check_page import check_page
from batikkit.data.check_report import read_report
from batikkit.data.doubts import check_labels_of
from batikkit.data.features import features_of
from batikkit.data.layout import read_layout
from batikkit.data.learning import MORE, POWER, fitted, learn
from batikkit.data.prepared import Grouping
from batikkit.data.smoother import deal_folds, embed, one_hot, out_of_fold, solved
from batikkit.data.telltale import told_by_circumstances
from batikkit.network.frozen import FrozenNetwork
from commands import run

COPIES = Grouping(unit="copy")
MOTIFS = ("kawung", "parang", "ceplok", "truntum")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def clouds(
    count: int, *, apart: float, seed: int = 0, classes: int = 4
) -> tuple[np.ndarray, list[str], list[str], list[int]]:
    """Features of photographs of motifs so far apart, two of each cloth."""
    rng = np.random.default_rng(seed)
    centres = apart * rng.normal(size=(classes, 20))
    cloths = rng.normal(size=(count // 2, 20)) + centres[np.arange(count // 2) % classes]
    features = np.repeat(cloths, 2, axis=0) + 0.3 * rng.normal(size=(count, 20))
    labels = [MOTIFS[(number // 2) % classes] for number in range(count)]
    paths = [f"{label}/{number}.jpg" for number, label in enumerate(labels)]
    return features.astype(np.float32), paths, labels, [number // 2 for number in range(count)]


def test_nobody_speaks_for_its_own_cloth() -> None:
    """Features that say nothing but the cloth: whoever reads more than chance has looked."""
    rng = np.random.default_rng(1)
    features = np.repeat(rng.normal(size=(100, 30)), 2, axis=0).astype(np.float32)
    labels = np.repeat(rng.integers(0, 2, 100), 2)
    groups = np.repeat(np.arange(100), 2).tolist()
    answers = out_of_fold(embed(features), one_hot(labels, 2), groups)
    assert abs((answers.argmax(axis=1) == labels).mean() - 0.5) < 0.15
    alone = out_of_fold(embed(features), one_hot(labels, 2), list(range(200)))
    assert (alone.argmax(axis=1) == labels).mean() > 0.9


def test_out_of_fold_answers_are_those_of_training_without_the_fold() -> None:
    features, _, labels, groups = clouds(80, apart=0.5)
    points, targets = embed(features), one_hot([MOTIFS.index(label) for label in labels], 4)
    found = out_of_fold(points, targets, groups, folds=5, repeats=1, seed=3)
    fold_of = deal_folds(groups, 5, seed=3)
    for fold in range(5):
        inside = fold_of != fold
        mean = targets[inside].mean(axis=0)
        weights = solved(points[inside].T @ points[inside], points[inside].T @ (targets[inside] - mean))
        assert np.allclose(points[~inside] @ weights + mean, found[~inside])


def test_landmarks_stand_for_large_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    features, _, labels, groups = clouds(600, apart=0.8)
    targets = one_hot([MOTIFS.index(label) for label in labels], 4)
    exact = out_of_fold(embed(features), targets, groups, repeats=1)
    monkeypatch.setattr("batikkit.data.smoother.LANDMARKS", 200)
    assert embed(features).shape[1] <= 200
    near = out_of_fold(embed(features), targets, groups, repeats=1)
    assert (near.argmax(axis=1) == exact.argmax(axis=1)).mean() > 0.93


def test_planted_labels_are_found_and_the_right_motif_is_named() -> None:
    found, listed, planted = 0, 0, 0
    for seed in range(4):
        features, paths, labels, groups = clouds(240, apart=1.1, seed=seed)
        wrong = set(np.random.default_rng(seed).choice(240, 12, replace=False).tolist())
        given = [MOTIFS[(MOTIFS.index(x) + 1) % 4] if i in wrong else x for i, x in enumerate(labels)]
        checked = check_labels_of(embed(features), paths, given, groups, described="clouds")
        doubted = {paths.index(doubt.path): doubt for doubt in checked.doubts}
        hits = wrong & doubted.keys()
        assert all(doubted[i].suggested == labels[i] for i in hits)
        for i, doubt in doubted.items():
            others = [paths.index(other) for other in doubt.alike]
            assert doubt.label == given[i]
            assert all(given[k] == doubt.suggested and groups[k] != groups[i] for k in others)
        margins = [doubt.margin for doubt in checked.doubts]
        assert margins == sorted(margins, reverse=True)
        found, listed, planted = found + len(hits), listed + len(doubted), planted + len(wrong)
    assert found >= 0.8 * planted
    assert found >= 0.6 * listed


def test_where_nothing_can_be_told_few_labels_are_doubted() -> None:
    features, paths, labels, groups = clouds(200, apart=0.0)
    found = check_labels_of(embed(features), paths, labels, groups, described="noise")
    assert found.read < 0.45
    assert len(found.doubts) <= 30


def test_an_inverse_power_is_fitted_exactly_and_never_falls() -> None:
    counts = (30, 45, 65, 100)
    height, slope = fitted(counts, [0.9 - 2 * n**-POWER for n in counts])
    assert height == pytest.approx(0.9)
    assert slope == pytest.approx(2)
    assert fitted(counts, (0.9, 0.8, 0.7, 0.6))[1] == 0


def test_the_motif_that_lacks_photographs_gains_most() -> None:
    features, _, labels, groups = clouds(320, apart=0.5, seed=5)
    few = [i for i, label in enumerate(labels) if label != "truntum" or i < 48]
    found = learn(embed(features[few]), [labels[i] for i in few], [groups[i] for i in few])
    best = found.motifs[0]
    assert (best.what, best.images, best.more) == ("truntum", 12, MORE)
    assert best.ci95[0] <= best.points <= best.ci95[1]
    assert best.points > found.motifs[1].points
    counts, read = zip(*found.measured, strict=True)
    assert list(counts) == sorted(counts)
    assert read[-1] > read[0] + 3
    assert found.doubled.points > 0


def write_photographs(root: Path, change: dict[str, str], *, count: int = 16) -> Path:
    """Photographs of two motifs of one kind, of which some are saved, framed or sized in another way."""
    rng = np.random.default_rng(5)
    for motif in ("kawung", "parang"):
        (root / motif).mkdir(parents=True)
        for number in range(count):
            rough = Image.fromarray(rng.integers(0, 256, (24, 24, 3), np.uint8)).resize(
                (320, 256), Image.Resampling.BICUBIC
            )
            how, options = change.get(motif, ""), {"quality": 92}
            if how == "mixed":
                how = "coarse" if number % 2 else ""
            if how == "coarse":
                options = {"quality": 40}
            if how == "blurred":
                rough = rough.filter(ImageFilter.GaussianBlur(4))
            if how == "framed":
                whole = Image.new("RGB", rough.size, "white")
                whole.paste(rough.resize((272, 208)), (24, 24))
                rough = whole
            if how == "small":
                rough = rough.resize((200, 160))
            rough.save(root / motif / f"{number}.jpg", **options)
    return root


@pytest.mark.parametrize("how", ["coarse", "blurred", "framed", "small"])
def test_a_motif_that_its_camera_tells_is_told(how: str, tmp_path: Path) -> None:
    root = write_photographs(tmp_path / "set", {"kawung": how})
    kinds = {finding.kind: finding for finding in check_folder(root, COPIES).findings}
    assert "circumstances" in kinds
    assert kinds["circumstances"].severity == "warning"
    assert any(line.startswith("kawung: ") for line in kinds["circumstances"].paths)


@pytest.mark.parametrize("change", [{}, {"kawung": "mixed", "parang": "mixed"}])
def test_circumstances_that_motifs_share_tell_nothing(change: dict[str, str], tmp_path: Path) -> None:
    root = write_photographs(tmp_path / "set", change)
    assert "circumstances" not in {finding.kind for finding in check_folder(root, COPIES).findings}


def test_few_photographs_prove_no_circumstances() -> None:
    known = [(float(number < 5), 0.0) for number in range(10)]
    labels = ["kawung"] * 5 + ["parang"] * 5
    assert told_by_circumstances(known, labels, list(range(10))) == []


def test_check_lists_doubts_and_gains_everywhere(
    stripes: Path, weights_035: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in (3, 4):
        (stripes / "across" / f"across_0{number}.png").rename(stripes / "upright" / f"strange_{number}.png")
    options = ("--wrong-labels", "--learning", "--unit", "copy", "--weights", weights_035)
    out, page = tmp_path / "check.json", tmp_path / "check.html"
    assert run("data", "check", stripes, *options, "--json", out, "--html", page) == 0
    shown = capsys.readouterr().out
    assert "upright/strange_3.png: looks like across" in shown
    assert "would bring about" in shown
    report = read_report(out)
    assert report.doubted is not None
    assert report.learning is not None
    assert {doubt.path for doubt in report.doubted.doubts} >= {"upright/strange_3.png", "upright/strange_4.png"}
    assert json.loads(out.read_text())["doubted"]["doubts"][0]["suggested"] == "across"
    assert "labelled upright, looks like across" in page.read_text()
    assert page.read_text() == check_page(stripes, report)


def test_features_are_made_once_for_each_content(stripes: Path, weights_035: Path) -> None:
    class Counted(FrozenNetwork):
        described = 0

        def __call__(self, pictures: np.ndarray) -> np.ndarray:
            self.described += len(pictures)
            return super().__call__(pictures)

    describer = Counted(weights_035)
    inspected = _inspections(stripes)[:8]
    first = features_of(stripes, inspected, describer)
    assert describer.described == 8
    assert np.array_equal(features_of(stripes, inspected, describer), first)
    assert describer.described == 8
    next((stripes / ".batikkit-cache").glob("features-*.npz")).write_bytes(b"damaged")
    again = features_of(stripes, inspected[:3], describer)
    assert np.allclose(again, first[:3], atol=2e-3)
    assert describer.described == 11


def _inspections(root: Path) -> list[object]:
    from batikkit.data.inspection import inspect_all

    return list(inspect_all(root, list(read_layout(root).motif_of)))


def test_without_a_network_cloths_stand_in(stripes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("data", "check", stripes, "--wrong-labels", "--weights", "none", "--json", "-") == 0
    facts = json.loads(capsys.readouterr().out)
    assert "without a network" in facts["doubted"]["described"]
    assert run("data", "check", stripes, "--wrong-labels", "--weights", "none", "--unit", "copy", "--no-cache") == 2
    assert "--weights" in capsys.readouterr().err


def test_each_mistake_names_training_photographs(
    trained_run: Path, weights_035: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--out", tmp_path / "judged", "--unit", "copy", "--weights", weights_035)
    # Trained on these: what it still misreads has reasons among them.
    assert run("evaluate", trained_run, "--why", "--part", "train", *options) == 0, capsys.readouterr().err
    rows = list(csv.DictReader(io.StringIO((tmp_path / "judged" / "why.csv").read_text())))
    split = list(csv.DictReader(io.StringIO((trained_run / "split.csv").read_text())))
    trained = {row["path"]: row["label"] for row in split if row["split"] == "train"}
    answers = list(csv.DictReader(io.StringIO((tmp_path / "judged" / "predictions.csv").read_text())))
    wrong = {row["path"] for row in answers if row["label"] != row["predicted"]}
    assert wrong
    assert {row["path"] for row in rows} == wrong
    assert all(trained[row["training_path"]] == row["answer"] != row["truth"] for row in rows)
    assert (tmp_path / "judged" / "why.html").read_text().count("read as") == len(wrong)
    assert run("evaluate", trained_run, "--why", "--weights", "none", "--out", tmp_path / "no") == 2
    assert "--weights" in capsys.readouterr().err
    assert not (tmp_path / "no").exists()
