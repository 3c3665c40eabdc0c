"""Teachers: whose answers are learned, to which photographs, and what may not be taught."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("tensorflow")

from batikkit.cli import main
from batikkit.data.split import of_split, read_split
from batikkit.images import load_pixels
from batikkit.network.model import load_model, predict_keras
from batikkit.runs.run import Run
from batikkit.settings import TrainConfig
from batikkit.training import session
from batikkit.training.batches import batches
from batikkit.training.inputs import Inputs, Split
from batikkit.training.teaching import taught

pytestmark = pytest.mark.slow
TURNED = ("--set", "quarter_turns=true", "--set", "distillation=0.6")


def _train(*words: object) -> int:
    with pytest.raises(SystemExit) as done:
        main(["train", *map(str, words)])
    return int(done.value.code or 0)


@pytest.fixture
def unlabelled(tmp_path: Path) -> Path:
    """Five new pictures of patches, in a folder of a folder."""
    folder, rng = tmp_path / "unlabelled" / "deep", np.random.default_rng(3)
    folder.mkdir(parents=True)
    for number in range(5):
        patches = Image.fromarray(rng.integers(0, 256, (7, 7, 3), dtype=np.uint8))
        patches.resize((80, 80), Image.Resampling.BICUBIC).save(folder / f"{number}.png")
    return folder.parent


@pytest.fixture
def fed(monkeypatch: pytest.MonkeyPatch) -> list[Inputs]:
    """What trainings are fed; they are stopped before the first step."""
    seen: list[Inputs] = []

    def stop(_net: object, inputs: Inputs, **_more: object) -> None:
        seen.append(inputs)
        raise KeyboardInterrupt

    monkeypatch.setattr(session, "fit", stop)
    return seen


def _expected(run: Path, files: list[Path]) -> np.ndarray:
    """What a run says of photographs in four poses, asked by Keras."""
    net = load_model(run / "model.keras")
    pixels = np.stack([load_pixels(path, int(net.input.shape[1])) for path in files])
    poses = [np.rot90(pixels, turns, axes=(1, 2)) for turns in range(4)]
    return np.mean([predict_keras(net, np.ascontiguousarray(pose)) for pose in poses], axis=0)


def test_the_teachers_answers_are_learned_and_all_they_know_of_unlabelled_photographs(
    trained_run: Path,
    stripes_for_training: Path,
    unlabelled: Path,
    fed: list[Inputs],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows, runs = read_split(trained_run / "split.csv"), tmp_path / "runs"
    train = of_split(rows, "train")
    tested = stripes_for_training / of_split(rows, "test")[0].path
    Image.open(tested).rotate(90).save(unlabelled / "turned.png")
    shutil.copy(unlabelled / "deep" / "0.png", unlabelled / "again.png")
    begun = (
        stripes_for_training, "--preset", "smoke", "--weights", "none", "--image-size", 64, "--runs-dir", runs,
        "--split", trained_run / "split.csv", "--teacher", trained_run, "--unlabelled", unlabelled, *TURNED,
    )  # fmt: skip
    assert _train(*begun) == 130
    assert "left out 2 unlabelled photograph(s)" in capsys.readouterr().err
    (inputs,) = fed
    new = sorted({*unlabelled.rglob("*.png")} - {unlabelled / "turned.png", unlabelled / "deep" / "0.png"})
    said = _expected(trained_run, [*(stripes_for_training / sample.path for sample in train), *new])
    names = Run(trained_run).labels
    truth = np.eye(3)[[names.index(sample.label) for sample in train]]
    wanted = np.concatenate([0.6 * said[: len(train)] + 0.4 * truth, said[len(train) :]])
    assert inputs.train.answers == pytest.approx(wanted, abs=2e-4)
    assert inputs.train.labels[len(train) :].tolist() == said[len(train) :].argmax(axis=1).tolist()
    assert len(inputs.validation.labels) == len(of_split(rows, "validation"))
    (run,) = runs.iterdir()
    teaching = Run(run).record.teaching
    assert teaching is not None
    assert teaching.teachers == (str(trained_run.resolve()),)

    # A stopped run asks again, and notices where the photographs are others.
    assert _train("--resume", run) == 130
    assert fed[1].train.answers == pytest.approx(inputs.train.answers)
    Run(run).change(teaching=dataclasses.replace(teaching, sha256="0" * 64))  # as where a teacher is another one
    assert _train("--resume", run) == 2
    Run(run).change(teaching=teaching)
    (unlabelled / "deep" / "4.png").unlink()
    assert _train("--resume", run) == 2
    assert capsys.readouterr().err.count("what this run was begun with has changed") == 2


def test_what_the_run_is_tested_with_is_not_taught(
    trained_run: Path, stripes_for_training: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = tmp_path / "runs"
    begun = (stripes_for_training, "--preset", "smoke", "--weights", "none", "--runs-dir", runs)
    assert _train(*begun, "--teacher", trained_run, "--seed", 5) == 2
    assert "that this run is chosen or tested with: train both with the same --split" in capsys.readouterr().err
    assert not list(runs.glob("*"))


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--unlabelled", "."), "only a teacher can say"),
        (("--teacher", "nowhere"), "nowhere is not a run folder"),
    ],
)
def test_wrong_words_are_one_line(
    words: tuple[str, ...], says: str, stripes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    begun = (stripes, "--preset", "smoke", "--weights", "none", "--runs-dir", tmp_path / "runs")
    assert _train(*begun, *words) == 2
    assert says in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "runs").exists()


def test_a_teacher_of_other_motifs_is_refused(
    trained_run: Path, stripes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (stripes / "upright").rename(stripes / "plumb")
    begun = (stripes, "--preset", "smoke", "--weights", "none", "--runs-dir", tmp_path / "runs")
    assert _train(*begun, "--teacher", trained_run) == 2
    assert "knows other motifs (across, diagonal, upright)" in capsys.readouterr().err


def test_a_step_and_a_solved_head_are_given_the_answers(tmp_path: Path) -> None:
    """Answers that contradict every label are what comes out at the end."""
    from batikkit.network import model
    from batikkit.training.distributed import Workers
    from batikkit.training.feeds import reserve
    from batikkit.training.loop import fit

    rng = np.random.default_rng(2)
    pixels = np.zeros((12, 32, 32, 3), np.uint8)
    shades = np.arange(12) % 2
    pixels[:] = (40 + 150 * shades)[:, None, None, None] + rng.integers(0, 30, pixels.shape, dtype=np.uint8)
    split = Split(pixels, shades.astype(np.int64))
    contradicted = taught(split, np.eye(2, dtype=np.float32)[1 - shades], part=1.0)
    config = TrainConfig(
        alpha=0.35, image_size=32, head="solved", phase1_epochs=2, phase2_epochs=0, views=1, rotation=0,
        zoom=0, dropout=0, batch_size=12,
    )  # fmt: skip
    checked = Split(pixels, 1 - split.labels)
    inputs = Inputs(config, contradicted, checked, cache=tmp_path, cache_bytes=10**8)
    (batch,) = batches(inputs, classes=2, phase=0, epoch=0, cut=None)
    assert batch.targets.argmax(axis=1).tolist() == (1 - (batch.inputs.mean(axis=(1, 2, 3)) > 120)).tolist()
    net = model.build_model(config, classes=2, weights="none")
    reserve(net, inputs, first=0, engine="cached", workers=Workers())
    for _ in fit(net, inputs):
        pass
    assert predict_keras(net, pixels).argmax(axis=1).tolist() == (1 - shades).tolist()
