"""The unit of groups, cloth or copy: kept by every split, fallen back from aloud, and told wherever a figure stands."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from batikkit.data.check import check_folder
from batikkit.data.cloth_look import LOOK_SIDE
from batikkit.data.dataset import Sample
from batikkit.data.leaks import find_cloth_leaks, find_leaks, seen_cloths
from batikkit.data.prepared import Grouping, PreparedData, load_dataset
from batikkit.data.split import SplitRow, fold_rows, read_split, write_split
from batikkit.data.synth.writing import picture
from batikkit.data.tree import image_files
from batikkit.digest import file_sha256
from batikkit.errors import InputError, VerificationError
from batikkit.evaluation.comparison import read_comparison
from batikkit.evaluation.held_out import HeldOut, Knowledge, hold_out
from batikkit.evaluation.metrics_file import read_evaluation
from batikkit.runs import newest_run
from batikkit.runs.record import read_record
from commands import run
from short_network import FROZEN_LAYERS

MOTIFS = ("ceplok", "truntum")
CLOTHS = 4
SEEN = re.compile(r"test cloths were seen in training: (\d+) of (\d+) test images show one of them")


@pytest.fixture(autouse=True, scope="module")
def _own_folders(tmp_path_factory: pytest.TempPathFactory) -> object:
    """No cache, and no weights that Keras has downloaded: cloths are told by plain statistics."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("XDG_CACHE_HOME", "KERAS_HOME"):
            patch.setenv(name, str(tmp_path_factory.mktemp(name.lower())))
        yield


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """2 motifs x 4 drawn cloths x 4 places, `MOTIF/cloth<i>_<place>.png`; read only.

    Motifs repeat: of some drawn cloths one place is a copy of another. Of these none is.
    """
    root = tmp_path_factory.mktemp("units") / "many"
    for motif in MOTIFS:
        (root / motif).mkdir(parents=True)
        for index in range(CLOTHS):
            whole = Image.fromarray(picture(motif, index, size=2 * LOOK_SIDE, seed=3))
            for place in range(4):
                x, y = LOOK_SIDE * (place % 2), LOOK_SIDE * (place // 2)
                part = whole.crop((x, y, x + LOOK_SIDE, y + LOOK_SIDE))
                part.save(root / motif / f"cloth{index}_{place}.png")
    return root


def some_of(root: Path, out: Path, pattern: str) -> Path:
    """A folder with those files whose names match."""
    for path in image_files(root):
        if re.search(pattern, path):
            (out / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(root / path, out / path)
    return out


@pytest.fixture(scope="module")
def few(many: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with 2 cloths per motif; read only."""
    return some_of(many, tmp_path_factory.mktemp("units") / "few", "cloth[01]_")


def cloth_of(path: str) -> str:
    return path.rsplit("_", 1)[0]


def assert_counted(prepared: PreparedData) -> None:
    """The caution counts the test images whose true cloth training or validation holds."""
    earlier = {cloth_of(row.sample.path) for row in prepared.rows if row.split != "test"}
    tested = [cloth_of(row.sample.path) for row in prepared.rows if row.split == "test"]
    found = SEEN.fullmatch(prepared.caution)
    assert found
    assert [int(number) for number in found.groups()] == [sum(cloth in earlier for cloth in tested), len(tested)]
    assert prepared.notes[0] == prepared.caution


def test_by_default_no_cloth_crosses(many: Path) -> None:
    for seed in range(8):
        prepared = load_dataset(many, seed=seed)
        assert (prepared.unit, prepared.caution) == ("cloth", "")
        split_of: dict[str, set[str]] = {}
        for row in prepared.rows:
            split_of.setdefault(cloth_of(row.sample.path), set()).add(row.split)
        assert len(split_of) == len(MOTIFS) * CLOTHS
        assert all(len(splits) == 1 for splits in split_of.values())


def test_too_few_cloths_fall_back_to_copies_aloud(few: Path) -> None:
    prepared = load_dataset(few)
    assert prepared.unit == "copy"
    assert_counted(prepared)
    loud = [note for note in prepared.notes if note.startswith("TOO FEW CLOTHS")]
    assert len(loud) == 1
    assert "'ceplok' shows 2, 'truntum' shows 2, 3 are needed" in loud[0]


def test_the_unit_copy_is_kept_and_told(many: Path) -> None:
    prepared = load_dataset(many, grouping=Grouping("copy"))
    assert prepared.unit == "copy"
    assert len({sample.group for sample in prepared.dataset.samples}) == 32
    assert_counted(prepared)
    assert not any("TOO FEW" in note for note in prepared.notes)


def test_names_that_tell_the_cloth_are_believed(few: Path, many: Path) -> None:
    prepared = load_dataset(many, grouping=Grouping(group_by=r"/(cloth\d)_"))
    assert (prepared.unit, prepared.caution) == ("cloth", "")
    groups = {(cloth_of(sample.path), sample.group) for sample in prepared.dataset.samples}
    assert len(groups) == len({cloth for cloth, _ in groups}) == len({group for _, group in groups})
    # Names that split a cloth are right, too.
    assert len({s.group for s in load_dataset(few, grouping=Grouping(group_by="(.+)")).dataset.samples}) == 16


def test_an_unknown_unit_is_refused(few: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InputError, match="choose cloth or copy"):
        load_dataset(few, grouping=Grouping("yard"))
    for command in ("train", "compare", "evaluate", "data check", "data split"):
        assert run(*command.split(), few, "--unit", "yard") == 2
        assert "--unit 'yard': choose cloth, copy" in " ".join(capsys.readouterr().err.split())


def test_more_folds_than_cloths_fall_back_to_copies(many: Path, tmp_path: Path) -> None:
    as_many, more = (load_dataset(many, grouping=Grouping(parts=folds)) for folds in (CLOTHS, CLOTHS + 1))
    assert (as_many.unit, more.unit) == ("cloth", "copy")
    ratios = (0.7, 0.2, 0.1)
    for prepared, folds in ((as_many, CLOTHS), (more, CLOTHS + 1)):
        samples = prepared.dataset.samples
        splits = [fold_rows(samples, folds=folds, fold=fold, ratios=ratios, seed=0) for fold in range(folds)]
        assert bool(seen_cloths(*splits)) == (prepared.unit == "copy")
    assert f"of {len(more.rows)} test images" in seen_cloths(*splits)
    assert any(f"{CLOTHS + 1} are needed" in note for note in more.notes)


def test_split_says_and_keeps_the_unit(
    many: Path, few: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, arguments, cautious in (
        ("cloth", (many,), False), ("copy", (many, "--unit", "copy"), True), ("few", (few,), True),
        ("names", (many, "--group-by", r"/(cloth\d)_"), False),
    ):  # fmt: skip
        assert run("data", "split", *arguments, "--out", tmp_path / f"{name}.csv", "--weights", "none") == 0
        told = " ".join(capsys.readouterr().err.split())
        assert bool(SEEN.search(told)) == cautious
        assert ("TOO FEW CLOTHS" in told) == (name == "few")
        rows = read_split(tmp_path / f"{name}.csv")
        tested = {cloth_of(row.sample.path) for row in rows if row.split == "test"}
        trained = {cloth_of(row.sample.path) for row in rows if row.split == "train"}
        assert bool(tested & trained) == cautious


def test_splits_in_folds_say_what_all_of_them_test(
    few: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("data", "split", few, "--folds", "4", "--out", tmp_path / "folds", "--weights", "none") == 0
    told = SEEN.search(" ".join(capsys.readouterr().err.split()))
    assert told
    assert told.group(2) == "16"
    assert len(list((tmp_path / "folds").iterdir())) == 4


def leaking(root: Path, out: Path) -> Path:
    """A split file that tests on a place of every cloth, others of which it trains and validates on."""
    parts = ("train", "train", "validation", "test")
    rows = [
        SplitRow(
            Sample(path, path.split("/")[0], file_sha256(root / path), f"group{n}"), parts[int(path.split("_")[1][0])]
        )
        for n, path in enumerate(image_files(root))
    ]
    write_split(out, rows)
    return out


def test_a_given_split_whose_test_shows_cloths_of_training_is_told_and_refused(many: Path, tmp_path: Path) -> None:
    file = leaking(many, tmp_path / "given.csv")
    prepared = load_dataset(many, split_file=file)
    assert {leak.kind for leak in prepared.leaks} == {"cloth"}
    assert len([leak for leak in prepared.leaks if leak.split == "test"]) == 8
    assert all(cloth_of(leak.path) == cloth_of(copy) for leak in prepared.leaks for copy in leak.copies)
    assert any("the split leaks" in note and "of one cloth with" in note for note in prepared.notes)
    assert_counted(prepared)
    with pytest.raises(VerificationError, match="of one cloth with"):
        load_dataset(many, split_file=file, strict=True)


def test_a_split_by_copies_is_accepted_with_a_caution_where_copies_are_asked_for(many: Path, tmp_path: Path) -> None:
    file = leaking(many, tmp_path / "given.csv")
    prepared = load_dataset(many, grouping=Grouping("copy"), split_file=file, strict=True)
    assert not prepared.leaks
    assert_counted(prepared)


def test_check_finds_cloths_and_what_a_split_by_places_leaks(many: Path, few: Path, tmp_path: Path) -> None:
    report = check_folder(many)
    kinds = {finding.kind: finding for finding in report.findings}
    assert len(report.cloths) == 8
    assert not report.groups
    assert "32 images show 8 cloth(s) several times" in kinds["same-cloth"].message
    assert report.would_leak
    assert "too-few-cloths" not in kinds
    leaks = check_folder(many, split_file=leaking(many, tmp_path / "given.csv")).leaks
    assert sum(leak.split == "test" for leak in leaks) == 8
    assert "too-few-cloths" in {finding.kind for finding in check_folder(few).findings}
    assert not check_folder(many, Grouping("copy")).cloths


@pytest.fixture(scope="module")
def known(many: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Knowledge, Path]:
    """A run on three places of each cloth (0 and 1 trained, 2 validated, 3 tested); new photographs of the fourth."""
    base = tmp_path_factory.mktemp("known")
    root, new = some_of(many, base / "run", "_[012].png"), some_of(many, base / "new", "_3.png")
    parts = ("train", "train", "validation", "test")
    rows = []
    for path in image_files(root):
        digest = file_sha256(root / path)
        part = parts[int(path.split("cloth")[1][0])]
        rows.append(SplitRow(Sample(path, path.split("/")[0], digest, cloth_of(path)), part))
    return Knowledge(tuple(rows), root), new


def held_out(known: tuple[Knowledge, Path], unit: str, group_by: str | None = None) -> HeldOut:
    return hold_out(known[1], MOTIFS, known[0], grouping=Grouping(unit, group_by))


def test_new_photographs_of_a_known_cloth_are_left_out(known: tuple[Knowledge, Path]) -> None:
    held = held_out(known, "cloth")
    assert {sample.path for sample in held.samples} == {f"{motif}/cloth3_3.png" for motif in MOTIFS}
    assert any("left out 6 new photographs of cloths" in note for note in held.notes)


def test_with_unit_copy_they_are_kept_and_counted(known: tuple[Knowledge, Path]) -> None:
    held = held_out(known, "copy")
    assert len(held.samples) == 8
    assert "cloths were seen in training: 6 of 8 images show one, new photographs of it" in held.notes


def test_names_tell_which_new_photographs_show_a_known_cloth(known: tuple[Knowledge, Path]) -> None:
    held = held_out(known, "cloth", r"(cloth\d)_")
    assert {sample.path for sample in held.samples} == {f"{motif}/cloth3_3.png" for motif in MOTIFS}
    assert len(held_out(known, "cloth", "(.+)").samples) == 8


def test_flat_photographs_are_not_taken_for_a_known_cloth(known: tuple[Knowledge, Path], tmp_path: Path) -> None:
    """They look like every other one, and show nothing."""
    run_root, new = tmp_path / "run", some_of(known[1], tmp_path / "new", "cloth3")
    shutil.copytree(known[0].root or Path(), run_root)
    for folder, grey in ((run_root, 60), (new, 62)):
        pixels = np.full((96, 96, 3), grey, np.uint8)
        pixels[::9, :: grey - 55] += 1
        Image.fromarray(pixels).save(folder / "ceplok" / f"flat{grey}.png")
    flat = SplitRow(Sample("ceplok/flat60.png", "ceplok", file_sha256(run_root / "ceplok/flat60.png"), "flat"), "train")
    held = hold_out(new, MOTIFS, Knowledge((*known[0].rows, flat), run_root))
    assert "ceplok/flat62.png" in {sample.path for sample in held.samples}


def test_cautions_count_over_all_folds() -> None:
    samples = [Sample(f"kawung/{n}.png", "kawung", f"{n:064}", f"group{n}", f"cloth{n // 2}") for n in range(4)]
    one, other = (
        [SplitRow(sample, part) for sample, part in zip(samples, parts, strict=True)]
        for parts in (("train", "test", "test", "test"), ("test", "train", "test", "test"))
    )
    assert len(find_cloth_leaks(one, find_leaks(one))) == 1
    assert seen_cloths(one) == "test cloths were seen in training: 1 of 3 test images show one of them"
    assert seen_cloths(one, other) == "test cloths were seen in training: 2 of 6 test images show one of them"
    assert seen_cloths([SplitRow(sample, "test") for sample in samples]) == ""


TINY = (
    "--preset", "smoke", "--image-size", "32", "--weights", "none", "--set", "phase1_epochs=1",
    "--set", f"frozen_layers={FROZEN_LAYERS}",
)  # fmt: skip


@pytest.mark.slow
def test_a_run_that_fell_back_says_so_everywhere(
    few: Path, short_mobilenet: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("train", few, *TINY, "--set", "phase2_epochs=0", "--runs-dir", tmp_path) == 0
    printed = capsys.readouterr()
    folder = newest_run(tmp_path)
    record = read_record(folder)
    assert record.unit == "copy"
    assert SEEN.fullmatch(record.caution)
    assert record.caution in record.notes
    assert read_evaluation(folder / "metrics.json").caution == record.caution
    assert json.loads((folder / "metrics.json").read_text())["caution"] == record.caution
    sentence = next(line for line in printed.out.splitlines() if line.startswith("test: "))
    assert record.caution in sentence
    assert "TOO FEW CLOTHS" in " ".join(printed.err.split())


@pytest.mark.slow
def test_a_comparison_on_too_few_cloths_says_so(few: Path, short_mobilenet: None, tmp_path: Path) -> None:
    command = ["compare", few, *TINY, "--set", "phase2_epochs=1", "--folds", "2", "--out", tmp_path / "out"]
    assert run(*command) == 0
    found = read_comparison(tmp_path / "out" / "comparison.json")
    assert "test cloths were seen in training: 16 of 16 test images show one of them" in found.notes
    assert any("TOO FEW CLOTHS" in note for note in found.notes)
    page = (tmp_path / "out" / "comparison.html").read_text()
    assert "test cloths were seen in training: 16 of 16" in page
    for system in found.systems:
        for part in system.parts:
            assert read_record(tmp_path / "out" / part.run).unit == "copy"
            assert SEEN.fullmatch(read_record(tmp_path / "out" / part.run).caution)


def test_names_that_tell_some_cloths_leave_the_others_to_the_pictures(many: Path) -> None:
    prepared = load_dataset(many, grouping=Grouping(group_by=r"ceplok/(cloth\d)"))
    assert not prepared.caution
    assert any("16 of 32 images" in note and "pictures decide" in note for note in prepared.notes)
    whole = load_dataset(many).dataset.samples
    for asked, own in zip(prepared.dataset.samples, whole, strict=True):
        assert (asked.group == own.group) or asked.label == "ceplok"


def test_names_that_make_one_cloth_of_a_class_fall_back_to_copies_too(many: Path) -> None:
    prepared = load_dataset(many, grouping=Grouping(group_by="(.)"))
    assert prepared.unit == "copy"
    assert {row.split for row in prepared.rows} == {"train", "validation", "test"}
    assert_counted(prepared)
    assert any(note.startswith("TOO FEW CLOTHS") for note in prepared.notes)


def test_a_split_without_a_part_is_refused_before_anything_is_made(
    many: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = tuple(SplitRow(sample, "train") for sample in load_dataset(many).dataset.samples)
    one_cloth = tuple(SplitRow(replace(row.sample, group="all"), "train") for row in rows)
    write_split(tmp_path / "all.csv", one_cloth)
    for command in ("train", "compare"):
        options = (
            "--split",
            tmp_path / "all.csv",
            "--weights",
            "none",
            "--preset",
            "smoke",
            "--runs-dir",
            tmp_path / "r",
        )
        assert run(command, many, *options) == 2
        assert "no images in the" in capsys.readouterr().err
        assert not (tmp_path / "r").exists()
