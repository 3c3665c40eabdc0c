"""The evaluate command: a run and a .tflite file, on their own test images and on photographs they may have seen."""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from batikkit import runs
from batikkit.cli import main
from batikkit.data import grouping
from batikkit.data.dataset import Sample
from batikkit.data.split import SplitRow, read_split, write_split
from batikkit.digest import file_sha256
from batikkit.evaluation import held_out
from batikkit.evaluation.comparison import read_comparison
from batikkit.evaluation.metrics_file import read_evaluation
from batikkit.evaluation.predictions import read_predictions
from batikkit.evaluation.subject import find_subject
from batikkit.runs import Run
from web_pages import assert_whole

pytestmark = pytest.mark.slow
HEAVY = ("tensorflow", "tf_keras", "keras", "matplotlib", "scipy", "sklearn", "imagehash", "mediapipe", "pandas")


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as done:
        main(["evaluate", *map(str, arguments)])
    return int(done.value.code or 0)


@pytest.fixture(scope="module")
def exported(short_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the finished run with its float32 file; each test writes reports elsewhere."""
    from batikkit_exporters.export.run import export_run

    folder = tmp_path_factory.mktemp("runs") / short_run.name
    shutil.copytree(short_run, folder)
    export_run(folder, variants=("float32",))
    return folder


def data_of(run_folder: Path) -> Path:
    return Path(runs.read_run(run_folder)["data"]["root"])


def paths_of(run_folder: Path, split: str) -> set[str]:
    return {row.sample.path for row in read_split(run_folder / "split.csv") if row.split == split}


def test_a_run_is_evaluated_on_its_own_test_split(short_run: Path, tmp_path: Path) -> None:
    assert run(short_run, "--out", tmp_path / "out", "--json", tmp_path / "answer.json") == 0
    found = read_comparison(tmp_path / "answer.json")
    assert found == read_comparison(tmp_path / "out" / "evaluation.json")
    expected = read_evaluation(short_run / "metrics.json")
    assert found.systems[0].evaluation.report == expected.report  # intervals too: train and evaluate count one way
    assert set(read_predictions(tmp_path / "out" / "predictions.csv").paths) == paths_of(short_run, "test")
    assert_whole((tmp_path / "out" / "evaluation.html").read_text())
    assert (tmp_path / "out" / "figures" / "per_class.png").exists()


def test_training_images_and_copies_of_them_do_not_count(
    short_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The run's photographs under other names, one of them turned and saved again, and one that is new."""
    root, new = data_of(short_run), tmp_path / "new"
    for path in sorted(root.glob("*/*.png")):
        target = new / path.parent.name / f"renamed_{path.name}"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    seen = sorted(paths_of(short_run, "train"))[0]
    with Image.open(root / seen) as image:
        image.transpose(Image.Transpose.ROTATE_90).save(new / Path(seen).parent / "turned.png", compress_level=1)
    generator = Image.effect_noise((64, 64), 90).convert("RGB")
    generator.save(new / "across" / "fresh.png")
    assert run(short_run, "--data", new, "--out", tmp_path / "out") == 0
    said = capsys.readouterr().err
    train, validation, test = (paths_of(short_run, split) for split in ("train", "validation", "test"))
    assert f"left out {len(train)} of its train images" in said
    assert f"left out {len(validation)} of its validation images" in said
    assert "left out 1 copies of its training or validation images, saved again, turned or cropped" in said
    tested = read_predictions(tmp_path / "out" / "predictions.csv").paths
    renamed = {f"{Path(path).parent}/renamed_{Path(path).name}" for path in test}
    assert set(tested) == renamed | {"across/fresh.png"}
    assert f"{len(test)} images are of the run's own test split, 1 are new to it" in said
    assert "left out" in (tmp_path / "out" / "evaluation.md").read_text()


def test_a_leak_in_the_runs_own_split_does_not_count(
    short_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A split made elsewhere tests on a turned copy of a training image."""
    run_folder, root = tmp_path / short_run.name, tmp_path / "photos"
    shutil.copytree(short_run, run_folder)
    shutil.copytree(data_of(short_run), root)
    seen = sorted(paths_of(short_run, "train"))[0]
    copy = Path(seen).parent / "turned.png"
    with Image.open(root / seen) as image:
        image.transpose(Image.Transpose.ROTATE_180).save(root / copy)
    leak = Sample(copy.as_posix(), copy.parent.name, file_sha256(root / copy), "leak")
    write_split(run_folder / "split.csv", (*read_split(run_folder / "split.csv"), SplitRow(leak, "test")))
    moved = Run(run_folder)
    moved.change(data=dataclasses.replace(moved.record.data, root=str(root)))
    assert run(run_folder) == 0
    said = capsys.readouterr().err
    assert "left out 1 of its own test images that are copies of what it was trained or chosen with" in said
    report = read_comparison(run_folder / "evaluation" / "keras" / "evaluation.json")
    assert report.n == len(paths_of(short_run, "test"))


def test_copies_are_searched_for_once(short_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the folder's cache knows of copies is all that the run's own photographs need."""
    assert run(short_run, "--out", tmp_path / "first") == 0

    def again(*_args: object, **_options: object) -> None:
        raise AssertionError("searched for copies again")

    for module in (held_out, grouping):
        monkeypatch.setattr(module, "find_copies", again)
    assert run(short_run, "--out", tmp_path / "second") == 0
    first, second = (read_predictions(tmp_path / name / "predictions.csv") for name in ("first", "second"))
    assert first.paths == second.paths
    assert set(first.paths) == paths_of(short_run, "test")


def test_when_only_training_images_are_given_there_is_no_figure(
    short_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in paths_of(short_run, "train"):
        target = tmp_path / "seen" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(data_of(short_run) / path, target)
    assert run(short_run, "--data", tmp_path / "seen", "--out", tmp_path / "out") == 2
    assert "are left for a test figure" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert run(short_run, "--data", tmp_path / "seen", "--out", tmp_path / "out", "--part", "train") == 0
    assert "says what was learned" in capsys.readouterr().err
    assert read_comparison(tmp_path / "out" / "evaluation.json").n == len(paths_of(short_run, "train"))


def test_a_split_file_chooses_the_images(short_run: Path, tmp_path: Path) -> None:
    chosen = sorted(paths_of(short_run, "test"))[:2] + sorted(paths_of(short_run, "train"))[:2]
    lines = [f"{path},{Path(path).parent},test" for path in chosen]
    (tmp_path / "mine.csv").write_text("\n".join(["path,label,split", *lines]) + "\n")
    assert run(short_run, "--split", tmp_path / "mine.csv", "--out", tmp_path / "out") == 0
    assert set(read_predictions(tmp_path / "out" / "predictions.csv").paths) == set(chosen[:2])


def test_a_file_answers_like_its_run_and_knows_it(exported: Path, tmp_path: Path) -> None:
    subject = find_subject(exported / "export" / "float32.tflite", runs_dir=tmp_path)
    assert subject.run == exported.resolve()
    elsewhere = tmp_path / "phone"
    elsewhere.mkdir()
    for name in ("float32.tflite", "float32.json", "labels.txt"):
        shutil.copy(exported / "export" / name, elsewhere)
    assert find_subject(elsewhere / "float32.tflite", runs_dir=exported.parent).run == exported
    assert find_subject(elsewhere / "float32.tflite", runs_dir=tmp_path).run is None
    assert run(exported / "export" / "float32.tflite", "--out", tmp_path / "out") == 0
    said, expected = (read_predictions(folder / "predictions.csv") for folder in (tmp_path / "out", exported))
    assert said.paths == expected.paths
    assert said.probabilities == pytest.approx(expected.probabilities, abs=1e-4)


def test_a_file_needs_no_tensorflow(exported: Path, tmp_path: Path) -> None:
    blocked = "".join(f"sys.modules[{name!r}] = None\n" for name in HEAVY)
    (tmp_path / "sitecustomize.py").write_text(f"import sys\n{blocked}")
    lone = tmp_path / "lone"
    lone.mkdir()
    for name in ("float32.tflite", "labels.txt"):
        shutil.copy(exported / "export" / name, lone)
    out = tmp_path / "out"
    command = ["evaluate", str(lone / "float32.tflite"), "--data", str(data_of(exported)), "--out", str(out)]
    done = subprocess.run(
        [sys.executable, "-c", f"from batikkit.cli import main; main({command!r})"],
        capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(tmp_path)}, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "not known what this model was trained on" in done.stderr
    found = read_comparison(out / "evaluation.json")
    assert found.n == 36
    assert not (out / "figures").exists()
    assert_whole((out / "evaluation.html").read_text())


def test_wrong_input_is_one_line(
    exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other" / "mega mendung").mkdir(parents=True)
    Image.new("RGB", (64, 64)).save(tmp_path / "other" / "mega mendung" / "a.png")
    (tmp_path / "lone.tflite").write_bytes((exported / "export" / "float32.tflite").read_bytes())
    shutil.copy(exported / "labels.txt", tmp_path)
    for arguments, says in (
        ((exported, "--part", "tests"), "choose test, validation, train"),
        ((exported, "--data", tmp_path / "none"), "no such folder"),
        ((exported, "--data", tmp_path / "other"), "'mega mendung', which is no motif of this model"),
        ((tmp_path / "none.tflite",), "no such file"),
        ((tmp_path / "lone.tflite",), "name photographs to test on with --data DIR"),
        ((tmp_path / "lone.tflite", "--labels", tmp_path / "none.txt"), "cannot read labels"),
    ):
        assert run(*arguments) == 2
        said = capsys.readouterr().err.strip().splitlines()
        assert says in said[-1], said
    assert not (tmp_path / "evaluation").exists()
