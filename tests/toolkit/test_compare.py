"""The compare command on photographs made on the spot: three systems, folds, going on where it was stopped."""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from batikkit import runs
from batikkit.cli import main
from batikkit.config import read_config
from batikkit.data.split import read_split
from batikkit.evaluation.comparison import Comparison, read_comparison
from batikkit.evaluation.predictions import read_predictions
from batikkit.runs.history import Epoch, read_history
from batikkit.runs.run import Content, Run
from web_pages import assert_whole

pytestmark = pytest.mark.slow
HOLDS = (
    "import sys, time; from pathlib import Path; from batikkit.runs.lock import held\n"
    "with held(Path(sys.argv[1])):\n    print('held', flush=True); time.sleep(300)"
)


def command(folder: Path, weights: str, out: Path, *more: str) -> list[str]:
    return ["compare", str(folder), "--preset", "smoke", "--weights", str(weights), "--out", str(out), *more]


def run(arguments: list[str]) -> int:
    with pytest.raises(SystemExit) as done:
        main(arguments)
    return int(done.value.code or 0)


@pytest.fixture(scope="module")
def compared(
    stripes_for_training: Path, weights_or_none: str, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Comparison]:
    out = tmp_path_factory.mktemp("compare") / "out"
    assert run(command(stripes_for_training, weights_or_none, out)) == 0
    return out, read_comparison(out / "comparison.json")


def test_three_systems_on_the_same_images(compared: tuple[Path, Comparison]) -> None:
    out, found = compared
    assert [system.name for system in found.systems] == ["scratch", "frozen", "fine-tuned"]
    answers = [read_predictions(out / system.parts[0].run / "predictions.csv") for system in found.systems]
    splits = {(out / system.parts[0].run / "split.csv").read_bytes() for system in found.systems}
    assert len(splits) == 1
    rows = read_split(out / found.systems[0].parts[0].run / "split.csv")
    tested = {row.sample.path for row in rows if row.split == "test"}
    for system, said in zip(found.systems, answers, strict=True):
        assert set(said.paths) == tested
        assert system.evaluation.report.accuracy == pytest.approx(float(said.right.mean()))
        assert system.evaluation.report.n == len(tested)
    assert_whole((out / "comparison.html").read_text())
    assert "MobileNetV2 0.35, frozen" in (out / "comparison.md").read_text()
    assert (out / "figures" / "confusion-scratch.png").stat().st_size > 5000
    assert not list(out.rglob("cache.tmp"))


def test_parameters_are_those_of_each_network(compared: tuple[Path, Comparison]) -> None:
    scratch, frozen, tuned = compared[1].systems
    assert scratch.parameters == 392_112 + 4 * 496 + 257 * 3
    assert frozen.parameters == tuned.parameters == 410_208 + 1281 * 3
    assert frozen.parameters_trained == 1281 * 3
    assert tuned.parameters_trained is not None
    assert frozen.parameters_trained < tuned.parameters_trained < tuned.parameters


def test_the_frozen_system_is_phase_1_of_the_fine_tuned_one(
    compared: tuple[Path, Comparison], weights_or_none: str
) -> None:
    from batikkit.images import load_pixels
    from batikkit.network.model import build_model, load_model, predict_keras

    out, found = compared
    frozen, tuned = (out / system.parts[0].run for system in found.systems[1:])
    assert runs.read_run(frozen)["phase_1_of"] == tuned.name
    history = (tuned / "history.csv").read_text().splitlines()
    assert (frozen / "history.csv").read_text().splitlines() == history[:3]
    config = read_config(frozen / "config.toml")
    assert (config.phase1_epochs, config.phase2_epochs) == (2, 0)
    net, start = load_model(frozen / "model.keras"), build_model(config, classes=3, weights=weights_or_none)
    for layer in start.layers[:-1]:
        for mine, given in zip(net.get_layer(layer.name).get_weights(), layer.get_weights(), strict=True):
            assert np.array_equal(mine, given), f"{layer.name} is not frozen"
    said = read_predictions(frozen / "predictions.csv")
    root = Path(runs.read_run(frozen)["data"]["root"])
    again = predict_keras(net, np.stack([load_pixels(root / path, 96) for path in said.paths]))
    assert again == pytest.approx(said.probabilities, abs=1e-5)


def test_the_same_command_trains_nothing_again(
    compared: tuple[Path, Comparison],
    stripes_for_training: Path,
    weights_or_none: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out, found = compared
    before = {path: path.stat().st_mtime_ns for path in out.rglob("model.keras")}
    assert len(before) == 3
    assert run(command(stripes_for_training, weights_or_none, out)) == 0
    assert {path: path.stat().st_mtime_ns for path in out.rglob("model.keras")} == before
    assert capsys.readouterr().err.count("kept, it is finished") == 2
    again = read_comparison(out / "comparison.json")
    assert dataclasses.replace(again, created=found.created) == found


@pytest.mark.parametrize(("change", "named"), [(("--seed", "3"), "seed 0 there, 3 now"), (("--folds", "2"), "folds 1")])
def test_another_comparison_is_refused_and_nothing_touched(
    compared: tuple[Path, Comparison],
    stripes_for_training: Path,
    weights_or_none: str,
    capsys: pytest.CaptureFixture[str],
    change: tuple[str, str],
    named: str,
) -> None:
    out, _ = compared
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    assert run(command(stripes_for_training, weights_or_none, out, *change)) == 2
    said = capsys.readouterr().err
    assert named in said
    assert "choose another folder with --out" in said
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before


def test_a_stopped_comparison_goes_on(
    compared: tuple[Path, Comparison],
    stripes_for_training: Path,
    weights_or_none: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Ctrl-C in phase 2 and again in the scratch system: both are kept, and all comes out as without the stops."""
    keep = Run.keep_epoch

    def stop_in(system: str, phase: int) -> None:
        def stop(self: Run, history: tuple[Epoch, ...], checkpoint: Content) -> None:
            keep(self, history, checkpoint)
            if self.folder.name.endswith(system) and history[-1].phase == phase:
                raise KeyboardInterrupt

        monkeypatch.setattr(Run, "keep_epoch", stop)

    out = tmp_path / "out"
    stop_in("fine-tuned", 2)
    assert run(command(stripes_for_training, weights_or_none, out)) == 130
    assert "give the same command to go on" in capsys.readouterr().err
    stop_in("scratch", 1)
    assert run(command(stripes_for_training, weights_or_none, out)) == 130
    monkeypatch.undo()
    (scratch,) = (out / "split").glob("*-scratch")
    assert len(read_history(scratch / "history.csv")) == 1
    held = subprocess.Popen([sys.executable, "-c", HOLDS, str(scratch)], stdout=subprocess.PIPE, text=True)
    try:  # another process trains it
        assert held.stdout is not None
        assert held.stdout.readline() == "held\n"
        before = sorted(path.name for path in scratch.iterdir())
        assert run(command(stripes_for_training, weights_or_none, out)) == 2
        assert "being trained by another process" in capsys.readouterr().err
        assert sorted(path.name for path in scratch.iterdir()) == before
    finally:
        held.kill()
        held.communicate()
    frozen = next(out.glob("split/*-frozen"))
    kept = (frozen / "model.keras").stat().st_mtime_ns
    assert runs.read_run(frozen)["status"] == "done"
    assert not (out / "comparison.json").exists()
    empty = out / "split" / "20200101T000000Z-scratch"  # killed before it wrote anything
    empty.mkdir()
    os.utime(empty, (0, 0))
    assert run(command(stripes_for_training, weights_or_none, out)) == 0
    assert (frozen / "model.keras").stat().st_mtime_ns == kept
    assert len(list((out / "split").iterdir())) == 3
    assert list((out / "split").glob("*-scratch")) == [scratch]
    found, whole = read_comparison(out / "comparison.json"), compared[1]
    for system, other in zip(found.systems, whole.systems, strict=True):
        assert system.evaluation.report.confusion == other.evaluation.report.confusion
        assert [row["val_loss"] for row in system.parts[0].history] == pytest.approx(
            [row["val_loss"] for row in other.parts[0].history], rel=1e-4
        )


def test_folds_test_every_image_once(
    stripes_for_training: Path, weights_or_none: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, others = tmp_path / "out", tmp_path / "others"
    rng = np.random.default_rng(8)
    for number in range(8):
        path = others / ("across", "diagonal")[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        patches = Image.fromarray(rng.integers(0, 256, (9, 9, 3), dtype=np.uint8))
        patches.resize((64, 64), Image.Resampling.BICUBIC).save(path)
    known = next(stripes_for_training.glob("across/*.png"))
    shutil.copy(known, others / "across" / "known.png")
    few = ("--folds", "2", "--set", "phase1_epochs=1", "--image-size", "64", "--also", str(others))
    assert run(command(stripes_for_training, weights_or_none, out, *few)) == 0
    assert "left out 1 of its train images" in capsys.readouterr().err
    found = read_comparison(out / "comparison.json")
    _check_on_others(found, out, others)
    images = {path.relative_to(stripes_for_training).as_posix() for path in stripes_for_training.glob("*/*.png")}
    for system in found.systems:
        answers = [read_predictions(out / part.run / "predictions.csv") for part in system.parts]
        assert len(answers) == 2
        assert sorted(path for said in answers for path in said.paths) == sorted(images)
        assert system.evaluation.report.n == len(images) == 36
        hits = sum(part.accuracy * part.n for part in system.parts)
        assert hits == pytest.approx(system.evaluation.report.accuracy * 36)
        assert system.over_folds() is not None
    for fold in (1, 2):
        (run_folder,) = out.glob(f"fold{fold}/*-fine-tuned")
        groups: dict[str, str] = {}
        for row in read_split(run_folder / "split.csv"):
            assert groups.setdefault(row.sample.group, row.split) == row.split
    assert "2 grouped folds" in (out / "comparison.md").read_text()


def _check_on_others(found: Comparison, out: Path, others: Path) -> None:
    """Both folds' models are asked about each of the 8 other photographs, and their answers counted."""
    from batikkit.images import load_pixels
    from batikkit.network.model import load_model, predict_keras

    for system in found.systems:
        assert system.elsewhere is not None
        assert system.unseen == dataclasses.replace(system.evaluation, caution="")
        assert system.elsewhere.report.n == 16
        assert system.elsewhere.report.groups <= 8, "two models' answers to one photograph are no two photographs"
        right = 0
        for part in system.parts:
            net, labels = (
                load_model(out / part.run / "model.keras"),
                (out / part.run / "labels.txt").read_text().split(),
            )
            for path in (path for path in others.glob("*/*.png") if path.stem != "known"):
                said = predict_keras(net, load_pixels(path, 64)[None])[0]
                right += labels[said.argmax()] == path.parent.name
        assert system.elsewhere.report.accuracy == right / 16
    table = (out / "comparison.md").read_text()
    assert "| accuracy on cloths never seen (95 % interval) |" in table
    assert "| on other photographs |" in table
    assert "Other photographs: 8," in table


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (("--also", "nowhere"), "--also nowhere: no such folder"),
        (("--set", "phase1_epochs=0"), "needs a frozen phase"),
        (("--folds", "1"), "--folds 1"),
        (("--folds", "2", "--split", "split.csv"), "--folds 2 makes its own splits"),
    ],
)
def test_wrong_input_leaves_nothing(
    stripes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], more: tuple[str, ...], says: str
) -> None:
    assert run(command(stripes, "none", tmp_path / "out", *more)) == 2
    assert says in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_same_photographs_are_no_others(stripes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*command(stripes, "none", tmp_path / "out"), "--also", str(stripes)]) == 2
    assert "is the folder that is compared on" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_foreign_folder_is_left_alone(stripes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "mine"
    shutil.copytree(stripes, out)
    assert run(command(stripes, "none", out)) == 2
    assert "is no comparison" in capsys.readouterr().err
    assert len(list(out.iterdir())) == 3
