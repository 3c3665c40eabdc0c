"""Going on with a stopped run: what may be given, where its photographs are, what it is fed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from batikkit import runs
from batikkit.cli import main
from batikkit.cli.train import RESUME_TAKES, train
from batikkit.network.keras_backend import keras, tf
from batikkit.runs.history import Epoch, read_history
from batikkit.runs.record import Feed
from batikkit.runs.run import Content, Run
from batikkit.settings import TrainConfig
from batikkit.training import session
from run_folders import write_run
from short_network import FROZEN_LAYERS


def _exit(*arguments: object) -> int:
    with pytest.raises(SystemExit) as done:
        main(["train", *map(str, arguments)])
    return int(done.value.code or 0)


REFUSED = {
    "--preset": "paper", "--weights": "none", "--backbone": "mobilenet-v2", "--image-size": "96",
    "--backbone-alpha": "1.0", "--precision": "float32", "--seed": "1", "--others": "x",
    "--teacher": "x", "--unlabelled": "x",
    "--split": "split.csv", "--unit": "copy", "--group-by": "x", "--strict": None, "--set": "dropout=0.5",
}  # fmt: skip


@pytest.mark.slow
def test_a_quiet_training_tells_its_run_before_it_can_be_killed(
    stripes: Path,
    short_mobilenet: None,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[str] = []

    def stopped(*_arguments: object, **_options: object) -> None:
        told.append(capsys.readouterr().out)
        raise KeyboardInterrupt

    monkeypatch.setattr(session, "fit", stopped)
    begun = ("--preset", "smoke", "--weights", "none", "--unit", "copy", "--runs-dir", tmp_path / "runs")
    for flags in (["--quiet"], []):
        assert _exit(stripes, *begun, *flags) == 130
        assert capsys.readouterr().out == ""
    runs = sorted((tmp_path / "runs").iterdir())
    assert told == [f"{runs[0]}\n", ""]
    assert (runs[0] / "start.npz").exists()


@pytest.mark.parametrize("option", REFUSED)
def test_a_resumed_run_refuses_what_it_was_not_begun_with(
    option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = write_run(tmp_path / "20260101T000000Z-paper", status="training")
    value = REFUSED[option]
    assert _exit("--resume", run, option, *([value] if value else [])) == 2
    said = capsys.readouterr().err
    assert "a resumed run keeps what it was begun with" in said
    assert (value if option == "--set" else option) in said


def test_every_option_is_either_taken_by_a_resumed_run_or_refused() -> None:
    """A new option is refused until somebody says what it means for a resumed run."""
    import inspect

    options = set(inspect.signature(train).parameters) - {"context", "data"}
    refused = {
        "preset",
        "weights",
        "backbone",
        "image_size",
        "backbone_alpha",
        "precision",
        "seed",
        "others",
        "teachers",
        "unlabelled",
        "split_file",
        "unit",
        "group_by",
    }
    refused |= {"strict"}
    assert options == RESUME_TAKES | refused
    assert len(REFUSED) == len(refused) + 1


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--engine", "cache"), "--engine 'cache': did you mean cached? choose auto, cached, keras"),
        (("--strategy", "fast"), "--strategy 'fast': choose auto, mirrored, multi-worker"),
        (("--cache-gb", "-1"), "--cache-gb -1"),
        (("--worker-timeout", "0"), "--worker-timeout 0"),
        (("--precision", "half"), "setting precision is 'half': it must be one of auto, float32, bfloat16"),
        (("--set", "nonsense=1"), "unknown setting 'nonsense'"),
        (("--set", "phase1_epochs=0", "--set", "phase2_epochs=0"), "nothing would be trained"),
        (("--data", "elsewhere"), "--data elsewhere: it belongs to --resume RUN"),
    ],
)
def test_choices_are_looked_at_before_any_photograph(
    options: tuple[str, ...], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The folder does not even exist: whoever looked at it first would say so."""
    assert _exit(tmp_path / "no-photographs", *options, "--runs-dir", tmp_path / "runs") == 2
    assert says in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_the_newest_run_is_the_newest_finished_one(tmp_path: Path) -> None:
    old = write_run(tmp_path / "20260101T000000Z-paper")
    write_run(tmp_path / "20260102T000000Z-paper", status="training")
    (write_run(tmp_path / "20260103T000000Z-damaged") / "run.json").write_text("{")
    assert runs.newest_run(tmp_path) == runs.resolve_run(None, tmp_path) == old


def test_a_finished_run_is_not_resumed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_run(tmp_path / "20260101T000000Z-paper")
    assert _exit("--resume", run.name, "--runs-dir", tmp_path) == 2
    assert "already finished" in capsys.readouterr().err


@pytest.mark.slow
def test_a_run_goes_on_by_name_with_its_photographs_elsewhere_and_another_engine_is_told(
    stripes_for_training: Path,
    short_mobilenet: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    photographs, runs_dir = tmp_path / "photos", tmp_path / "runs"
    shutil.copytree(stripes_for_training, photographs)
    keep = Run.keep_epoch

    def stop_after_one(self: Run, history: tuple[Epoch, ...], checkpoint: Content) -> None:
        keep(self, history, checkpoint)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Run, "keep_epoch", stop_after_one)
        few = ("--image-size", "32", "--set", "views=2", "--set", f"frozen_layers={FROZEN_LAYERS}", "--unit", "copy")
        command = (photographs, "--preset", "smoke", "--weights", "none", *few, "--runs-dir", runs_dir)
        assert _exit(*command) == 130
    (run,) = map(Run, runs.all_runs(runs_dir))
    begun = (Feed("head", "cached", 2), Feed("fine-tune", "cached", 2))
    assert run.record.feeds == begun
    assert run.record.split_sha256
    assert run.record.unit == "copy"

    moved = tmp_path / "moved"
    photographs.rename(moved)
    name = run.folder.name
    assert _exit("--resume", name, "--runs-dir", runs_dir) == 2
    assert "is gone: name its folder with --data DIR" in capsys.readouterr().err
    assert _exit("--resume", name, "--runs-dir", runs_dir, "--data", moved, "--engine", "keras") == 0
    said = capsys.readouterr().err
    assert "from epoch 2 on, phase head learns from a new view of each image in every epoch instead of 2 cached" in said
    record = run.record
    assert record.done
    assert record.data.root == str(moved)
    assert record.feeds == (*begun, Feed("head", "keras", None, 2), Feed("fine-tune", "keras", None, 2))
    assert [note for note in record.notes if "from epoch 2 on" in note]
    assert [row["phase"] for row in read_history(run.path("history.csv"))] == [1, 1, 2]
    assert not run.path("start.npz").exists()


def test_a_resumed_run_is_fed_as_it_was_begun_though_a_gpu_came(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import numpy as np

    from batikkit.network import model
    from batikkit.training.distributed import Workers
    from batikkit.training.feeds import changes, reserve
    from batikkit.training.inputs import Inputs, Split

    config = TrainConfig(image_size=32, alpha=0.35, phase1_epochs=1, phase2_epochs=1, views=2)
    net: keras.Model = model.build_model(config, classes=2)
    split = Split(np.zeros((4, 32, 32, 3), np.uint8), np.arange(4) % 2)

    def fed(known: tuple[Feed, ...], engine: str = "auto", room: int = 1 << 30) -> tuple[Feed, ...]:
        inputs = Inputs(config, split, split, cache=tmp_path, cache_bytes=room)
        return reserve(net, inputs, first=0, engine=engine, workers=Workers(), known=known)

    begun = fed(())
    assert begun == (Feed("head", "cached", 2), Feed("fine-tune", "cached", 2))
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda _kind: ["GPU:0"])
    assert [feed.engine for feed in fed(())] == ["keras", "keras"]
    assert fed(begun) == begun
    assert changes(begun, fed(begun), epoch=5) == (begun, ())
    # What must change, since there is no room, is told, and stays so.
    without = fed(begun, room=0)
    feeds, told = changes(begun, without, epoch=5)
    assert [feed.engine for feed in feeds] == ["cached", "cached", "keras", "keras"]
    assert len(told) == 2
    assert fed(feeds) == without
