"""Stops one training again and again, in every way there is, and resumes it each time; prints what happened as JSON.

    python kill_training.py IMAGES FOLDER

TensorFlow is imported once; every training is a fork of this process, made before TensorFlow starts any work, and the
network is a short one, so that two dozen real kills take a second or two each.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import json
import os
import random
import resource
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from batikkit import atomic
from batikkit.cli import main
from batikkit.evaluation import plots
from batikkit.network.keras_backend import tf
from batikkit.runs import run as run_module
from batikkit.runs.history import Epoch
from batikkit.runs.record import RunRecord
from batikkit.runs.run import CHECKPOINT_FILE, HISTORY_FILE, Content, Run
from batikkit.training import features, inputs, outcome
from batikkit.training.engine import Engine
from batikkit.training.state import read_state
from short_network import FROZEN_LAYERS, shorten

# Enough epochs that no step finds its phase over, however fast the machine.
PHASE_1_EPOCHS = 60
SETTINGS = (
    f"phase1_epochs={PHASE_1_EPOCHS}",
    "phase2_epochs=24",
    f"frozen_layers={FROZEN_LAYERS}",
    "image_size=32",
    "early_stopping_patience=0",
    "views=2",
    "phase1_views=1",
)
SEED = 20


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def at_call(owner: Any, name: str, number: int, action: Callable[[], None]) -> None:
    """Runs `action` instead of the `number`-th call from now of owner.name."""
    original, calls = getattr(owner, name), [0]

    def counted(*args: Any, **options: Any) -> Any:
        calls[0] += 1
        if calls[0] == number:
            action()
        return original(*args, **options)

    setattr(owner, name, counted)


def after_epochs(number: int, delay_s: float, action: Callable[[], None] = kill) -> None:
    """Runs `action` `delay_s` after the `number`-th checkpoint from now is on disk."""
    original, calls = Run.keep_epoch, [0]

    def counted(self: Run, history: Sequence[Epoch], checkpoint: Content) -> None:
        original(self, history, checkpoint)
        calls[0] += 1
        if calls[0] == number:
            threading.Timer(delay_s, action).start() if delay_s else action()

    Run.keep_epoch = counted


def after_seconds(seconds: float) -> None:
    """Kills after `seconds`, or at the third checkpoint so that enough epochs are left for the other steps."""
    threading.Timer(seconds, kill).start()
    after_epochs(3, 0.0)


def half_a_checkpoint() -> None:
    """Kills while the second checkpoint from now is half written."""
    whole, calls = np.savez, [0]

    def half(path: Path, **arrays: Any) -> None:
        whole(path, **arrays)
        calls[0] += 1
        if calls[0] == 2:
            os.truncate(path, path.stat().st_size // 2)
            kill()

    np.savez = half


def interrupt(times: int, number: int = signal.SIGINT) -> None:
    """Sends a signal `times` times in quick succession once an epoch is finished."""

    def send() -> None:
        for _ in range(times):
            os.kill(os.getpid(), number)
            time.sleep(0.02)

    after_epochs(1, 0.01, send)


def full_disk() -> None:
    """From the second checkpoint on no file may grow beyond 20 kB."""
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))  # noqa: E731
    at_call(Run, "keep_epoch", 2, limit)


def no_memory() -> None:
    """TensorFlow's own allocator refuses the third step."""
    at_call(Engine, "train", 3, lambda: tf.zeros([1 << 22, 1 << 22]))


def between_phases() -> None:
    original = Run.keep_epoch

    def keep(self: Run, history: Sequence[Epoch], checkpoint: Content) -> None:
        original(self, history, checkpoint)
        if history[-1].epoch == PHASE_1_EPOCHS:
            kill()

    Run.keep_epoch = keep


def before_the_history() -> None:
    original = atomic.write_text

    def write(path: Path, content: str) -> None:
        if path.name == HISTORY_FILE:
            kill()
        original(path, content)

    atomic.write_text = write


def at_the_last_word(*, written: bool) -> None:
    original = run_module.write_record

    def write(run: Path, record: RunRecord) -> None:
        if record.done and not written:
            kill()
        original(run, record)
        if record.done:
            kill()

    run_module.write_record = write


def plan() -> list[tuple[str, Callable[[], None]]]:
    """The steps in order; chance decides the moments."""
    chance = random.Random(SEED)

    def moments(count: int, most_s: float) -> list[tuple[str, Callable[[], None]]]:
        drawn = [chance.uniform(0.05, most_s) for _ in range(count)]
        return [(f"kill after {s:.2f} s", lambda s=s: after_seconds(s)) for s in drawn]

    def epochs(count: int) -> list[tuple[str, Callable[[], None]]]:
        drawn = [(chance.choice((1, 1, 2)), chance.uniform(0.001, 0.08)) for _ in range(count)]
        return [(f"kill {s:.3f} s after epoch {n}", lambda n=n, s=s: after_epochs(n, s)) for n, s in drawn]

    return [
        ("kill while decoding", lambda: at_call(inputs, "decode_to_disk", 2, kill)),
        *moments(3, 1.0),
        ("kill while extracting", lambda: at_call(features.FrozenFeatures, "__call__", 2, kill)),
        *epochs(3),
        ("kill in a checkpoint", half_a_checkpoint),
        ("kill before the history", before_the_history),
        *moments(2, 2.0),
        ("interrupt once", lambda: interrupt(1)),
        ("interrupt twice", lambda: interrupt(2)),
        ("terminate", lambda: interrupt(1, signal.SIGTERM)),
        ("disk full", full_disk),
        ("out of memory", no_memory),
        ("kill between phases", between_phases),
        *moments(2, 2.0),
        *epochs(3),
        ("kill before the test", lambda: at_call(outcome, "encode_predictions", 1, kill)),
        ("kill while drawing", lambda: at_call(plots, "draw_run", 1, kill)),
        ("kill before the last word", lambda: at_the_last_word(written=False)),
        ("kill after the last word", lambda: at_the_last_word(written=True)),
    ]


def fork(argv: list[str], prepare: Callable[[], None], log: Path) -> dict[str, Any]:
    """Runs the command in a fork of this process and reports how it ended."""
    started = time.monotonic()
    child = os.fork()
    if not child:
        with contextlib.suppress(OSError), log.open("w") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        code = 99
        try:
            prepare()
            main(argv)
        except SystemExit as done:
            code = int(done.code or 0)
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    _, status, usage = os.wait4(child, 0)
    times = {"seconds": time.monotonic() - started, "cpu_seconds": usage.ru_utime + usage.ru_stime}
    return {"exit": os.waitstatus_to_exitcode(status), "says": log.read_text()[-1500:], **times}


def state(run: Path) -> dict[str, Any]:
    """What an outsider sees of a run: the checkpoint's digest, epochs in it, and files that should not be there."""
    path = run / CHECKPOINT_FILE
    epochs = len(read_state(path).history) if path.exists() else None
    digest = hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else None
    return {"epochs": epochs, "checkpoint": digest, "cache": (run / "cache.tmp").exists()}


def import_all() -> None:
    """What training imports when it first needs it; the forks then find it loaded."""
    for name in (
        "ai_edge_litert.interpreter",
        "matplotlib.pyplot",
        "batikkit.evaluation.metrics_file",
        "batikkit.data.prepared",
    ):
        importlib.import_module(name)
    assert tf.lite.TFLiteConverter
    assert tf.compat.v1


def tell(images: str, folder: Path) -> dict[str, Any]:
    """Trains once undisturbed and once with every step of the plan."""
    import_all()
    shorten()
    settings = [part for text in SETTINGS for part in ("--set", text)]
    command = ["train", images, "--preset", "smoke", "--weights", "none", *settings]
    whole = fork([*command, "--runs-dir", str(folder / "whole")], lambda: None, folder / "log")
    again = fork([*command, "--runs-dir", str(folder / "again")], lambda: None, folder / "log")
    told = []
    argv = [*command, "--runs-dir", str(folder / "stopped")]
    for name, prepare in plan():
        ended = fork(argv, prepare, folder / "log")
        found = sorted((folder / "stopped").glob("*/run.json"))
        told.append({"step": name, **ended, **(state(found[0].parent) if found else {})})
        print(name, ended["exit"], told[-1].get("epochs"), f"{ended['cpu_seconds']:.1f} s", flush=True)
        if found:
            argv = ["train", "--resume", str(found[0].parent)]
    told.append({"step": "resume a finished run", **fork(argv, lambda: None, folder / "log"), **state(found[0].parent)})
    return {"whole": whole, "again": again, "steps": told}


if __name__ == "__main__":
    answer = tell(sys.argv[1], Path(sys.argv[2]))
    (Path(sys.argv[2]) / "report.json").write_text(json.dumps(answer, indent=1))
