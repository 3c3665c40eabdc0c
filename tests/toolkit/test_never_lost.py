"""A training that is killed, interrupted and starved at every stage ends as if nothing had happened."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from batikkit import runs
from batikkit.errors import DiskFullError, InputError
from batikkit.runs import Run, lock, store
from batikkit.training.state import State, read_state, write_state
from batikkit.training.stopping import StoppedError, stoppable

SCRIPT = Path(__file__).resolve().parents[1] / "kill_training.py"


@pytest.fixture(scope="module")
def told(stripes_for_training: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The folder with runs `whole`, `again` and `stopped`, and the report of every step."""
    folder = tmp_path_factory.mktemp("never-lost")
    command = [sys.executable, str(SCRIPT), str(stripes_for_training), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1800, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return folder, json.loads((folder / "report.json").read_text())


def _history(run: Path) -> np.ndarray:
    """All columns but the seconds."""
    lines = (run / "history.csv").read_text().splitlines()[1:]
    return np.array([line.split(",")[:7] for line in lines], float)


@pytest.mark.slow
def test_twenty_kills_and_more_change_nothing(told: tuple[Path, dict[str, Any]]) -> None:
    folder, report = told
    kills = [step for step in report["steps"] if step["step"].startswith("kill")]
    assert len(kills) >= 20
    for step in kills:
        assert step["exit"] == -signal.SIGKILL, step
    epochs = [step["epochs"] for step in report["steps"] if step.get("epochs") is not None]
    assert epochs == sorted(epochs), "a finished epoch was lost"
    whole, stopped = runs.newest_run(folder / "whole"), runs.newest_run(folder / "stopped")
    assert len(_history(whole)) == 84
    assert _history(stopped) == pytest.approx(_history(whole), rel=1e-5)
    assert runs.read_run(stopped)["status"] == "done"
    for column in ("test", "parameters_trained", "epochs"):
        assert runs.read_run(stopped)[column] == runs.read_run(whole)[column]
    assert (stopped / "labels.txt").read_bytes() == (whole / "labels.txt").read_bytes()
    probabilities = [
        np.array([line.split(",")[-3:] for line in (run / "predictions.csv").read_text().splitlines()[1:]], float)
        for run in (whole, stopped)
    ]
    assert probabilities[1] == pytest.approx(probabilities[0], abs=1e-5)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_figures(told: tuple[Path, dict[str, Any]]) -> None:
    folder, _ = told
    once, again = runs.newest_run(folder / "whole"), runs.newest_run(folder / "again")
    assert _history(again) == pytest.approx(_history(once), rel=1e-5)
    assert (again / "metrics.json").read_text().split('"calibration_error"')[0] == (
        (once / "metrics.json").read_text().split('"calibration_error"')[0]
    )


@pytest.mark.slow
def test_interrupts_say_how_to_go_on(told: tuple[Path, dict[str, Any]]) -> None:
    steps = {step["step"]: step for step in told[1]["steps"]}
    run = runs.newest_run(told[0] / "stopped")
    for name, code in {"interrupt once": 130, "interrupt twice": 130, "terminate": 143}.items():
        assert steps[name]["exit"] == code, steps[name]
        assert f"continue with: batikkit train --resume {run}" in steps[name]["says"]
        assert "Traceback" not in steps[name]["says"]
    assert not steps["interrupt once"]["cache"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "says"), [("disk full", "no room to write"), ("out of memory", "--set batch_size=16")]
)
def test_want_of_room_is_one_line_and_the_checkpoint_is_whole(
    told: tuple[Path, dict[str, Any]], name: str, says: str
) -> None:
    step = next(step for step in told[1]["steps"] if step["step"] == name)
    assert step["exit"] == 1, step
    assert says in step["says"]
    assert "continue with: batikkit train --resume" in step["says"]
    assert "Traceback" not in step["says"]
    assert not step["cache"]


@pytest.mark.slow
def test_nothing_is_left_behind(told: tuple[Path, dict[str, Any]]) -> None:
    last = told[1]["steps"][-1]
    assert last["exit"] == 2
    assert "already finished" in last["says"]
    run = runs.newest_run(told[0] / "stopped")
    store.sweep(run.parent)
    leftovers = [path.name for path in run.rglob("*") if ".tmp" in path.name]
    assert leftovers == []


def test_a_dead_owners_cache_is_swept_and_a_living_ones_is_not(tmp_path: Path) -> None:
    for name in ("dead", "alive"):
        (tmp_path / name / "plots").mkdir(parents=True)
    script = (
        "import sys, time; from pathlib import Path; from batikkit.runs.lock import held\n"
        "with held(Path(sys.argv[1])) as cache:\n"
        "    (cache / 'train.npy').write_bytes(b'x'); print('held', flush=True); time.sleep(60)"
    )
    owners = {
        name: subprocess.Popen([sys.executable, "-c", script, str(tmp_path / name)], stdout=subprocess.PIPE, text=True)
        for name in ("dead", "alive")
    }
    try:
        for owner in owners.values():
            assert owner.stdout is not None
            assert owner.stdout.readline() == "held\n"
        owners["dead"].kill()
        owners["dead"].wait()
        for leftover in (tmp_path / "dead" / ".model-x.tmp.keras", tmp_path / "dead" / "plots" / ".history-x.tmp.png"):
            leftover.write_bytes(b"half")
        assert (tmp_path / "dead" / "cache.tmp" / "train.npy").exists()
        assert lock.sweep_caches(tmp_path) == [tmp_path / "dead"]
        assert list((tmp_path / "dead").rglob("*")) == [tmp_path / "dead" / "plots"]
        assert (tmp_path / "alive" / "cache.tmp" / "train.npy").exists()
        with (
            pytest.raises(InputError, match="being trained by another process"),
            lock.held(tmp_path / "alive"),
        ):
            pass
    finally:
        for owner in owners.values():
            owner.kill()
            owner.communicate()


def test_the_second_signal_leaves_at_once() -> None:
    script = (
        "import os, signal, time; from batikkit.training.stopping import stoppable\n"
        "with stoppable('resume with X'):\n"
        "    try:\n        os.kill(os.getpid(), signal.SIGINT); time.sleep(9)\n"
        "    finally:\n        os.kill(os.getpid(), signal.SIGINT); time.sleep(9)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 130
    assert done.stderr == "batikkit: resume with X\n"


def test_handlers_are_put_back() -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(StoppedError, match="go on") as stopped, stoppable("go on"):
        signal.raise_signal(signal.SIGTERM)
    assert stopped.value.exit_code == 143
    assert signal.getsignal(signal.SIGINT) is before


def test_a_full_disk_keeps_the_previous_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.npz"
    Run(tmp_path).keep_epoch((), lambda place: write_state(place, State(epoch=1, weights={"w": np.zeros(3)})))
    script = (
        "import resource, sys; from pathlib import Path; import numpy as np; from batikkit.runs import Run\n"
        "from batikkit.data.disk_array import new_array\nfrom batikkit.errors import DiskFullError\n"
        "from batikkit.training.state import State, write_state\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))\npath = Path(sys.argv[1])\n"
        "big = State(epoch=2, weights={'w': np.zeros(100_000)})\n"
        "for write in (lambda: Run(path.parent).keep_epoch((), lambda place: write_state(place, big)),\n"
        "              lambda: new_array(path.with_name('a.npy'), dtype=np.float16, shape=(100_000,))):\n"
        "    try: write()\n    except DiskFullError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("no room to write") == 2
    assert read_state(path).epoch == 1
    assert {entry.name for entry in tmp_path.iterdir()} == {"checkpoint.npz", "history.csv"}


def test_resuming_wants_the_same_photographs(trained_run: Path, tmp_path: Path) -> None:
    from batikkit.data.split import read_split
    from batikkit.training.job import check_photographs

    rows = read_split(trained_run / "split.csv")[:1]
    (tmp_path / rows[0].sample.path).parent.mkdir(parents=True)
    with pytest.raises(InputError, match="is gone"):
        check_photographs(tmp_path, rows)
    (tmp_path / rows[0].sample.path).write_bytes(b"another")
    with pytest.raises(InputError, match="has changed"):
        check_photographs(tmp_path, rows)


def test_the_error_tree_knows_a_full_disk() -> None:
    assert DiskFullError("x").exit_code == 1
