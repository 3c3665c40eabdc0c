"""Several processes train one model: real workers on loopback, one of them killed."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from batikkit import runs
from batikkit.errors import InputError
from batikkit.training.cluster import Cluster, WorkerLostError, meet, read_cluster
from batikkit.training.inputs import Share
from batikkit.training.state import read_state
from short_network import FROZEN_LAYERS

SCRIPT = Path(__file__).resolve().parents[1] / "train_worker.py"
SMALL = ["--preset", "smoke", "--weights", "none", "--set", "image_size=32", "--set", f"frozen_layers={FROZEN_LAYERS}"]
SETTINGS = ("phase1_epochs=4", "phase2_epochs=1", "views=2", "phase1_views=1", "dropout=0", "class_weights=true")
LIMIT_S = 240.0
"""Far above what a step takes, since several suites may share the machine."""


def _ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def _start(
    arguments: list[str], rank: int, ports: list[int], out: Path, *, lanes: int = 0, dies_after: int = 0
) -> subprocess.Popen[str]:
    cluster = {"worker": [f"127.0.0.1:{port}" for port in ports]}
    task = {"cluster": cluster, "task": {"type": "worker", "index": rank}}
    environment = {**os.environ, "TF_CONFIG": json.dumps(task) if ports else "", "TMPDIR": str(out.parent)}
    command = [sys.executable, str(SCRIPT), str(out), str(lanes), str(dies_after), *arguments]
    return subprocess.Popen(
        command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=out.parent
    )


def _weights(path: Path) -> list[np.ndarray]:
    with np.load(path) as arrays:
        return [arrays[name] for name in arrays.files]


def _history(run: Path) -> np.ndarray:
    return np.array([line.split(",")[:7] for line in (run / "history.csv").read_text().splitlines()[1:]], float)


@pytest.mark.slow
def test_a_dead_worker_is_told_and_the_others_go_on_to_one_model(stripes: Path, tmp_path: Path) -> None:
    """On photographs that nobody has looked at before, so that cloths are told apart in the workers too."""
    settings = [part for text in SETTINGS for part in ("--set", text)]
    train = ["train", str(stripes), *SMALL, *settings]
    options = ["--worker-timeout", str(LIMIT_S)]
    runs_dir, ports = tmp_path / "runs", _ports(2)
    first = [*train, "--strategy", "multi-worker", *options, "--runs-dir", str(runs_dir)]
    workers = [_start(first, rank, ports, tmp_path / f"w{rank}.npz", dies_after=2 * rank) for rank in (0, 1)]
    try:
        workers[1].communicate(timeout=LIMIT_S)
        assert workers[1].returncode == -signal.SIGKILL
        killed = time.monotonic()
        said, _ = workers[0].communicate(timeout=LIMIT_S)
        assert workers[0].returncode == 1, said
        assert f"nobody listens at 127.0.0.1:{ports[1]}" in said
        assert "Traceback" not in said
        assert time.monotonic() - killed < LIMIT_S / 2, "it heard of it, and did not wait until its patience ended"
    finally:
        for worker in workers:
            worker.kill()
    (run,) = runs.all_runs(runs_dir)
    assert len(read_state(run / "checkpoint.npz").history) == 2

    ports = _ports(2)
    again = ["train", "--resume", str(run), *options]
    workers = [_start(again, rank, ports, tmp_path / f"w{rank}.npz") for rank in (0, 1)]
    alone = _start([*train, "--runs-dir", str(tmp_path / "alone")], 0, [], tmp_path / "alone.npz", lanes=2)
    try:
        said = [worker.communicate(timeout=LIMIT_S)[0] for worker in (*workers, alone)]
    finally:
        for worker in (*workers, alone):
            worker.kill()
    assert [worker.returncode for worker in (*workers, alone)] == [0, 0, 0], said
    assert "the chief has written the run folder" in said[1]
    assert list(runs_dir.iterdir()) == [run], "only the chief writes"
    assert runs.read_run(run)["status"] == "done"
    assert not (run / "cache.tmp").exists()

    chief, other, single = (_weights(tmp_path / f"{name}.npz") for name in ("w0", "w1", "alone"))
    for ours, theirs in zip(chief, other, strict=True):
        assert np.array_equal(ours, theirs)
    # The sum of gradients is taken in another order than on one machine, and Adam amplifies the last digits.
    assert _history(run) == pytest.approx(_history(runs.newest_run(tmp_path / "alone")), rel=2e-3)
    for ours, theirs in zip(chief, single, strict=True):
        assert ours == pytest.approx(theirs, abs=2e-3)


@pytest.mark.slow
def test_a_worker_without_room_for_the_cache_keeps_the_others_from_using_theirs(
    stripes_for_training: Path, tmp_path: Path
) -> None:
    train = ["train", str(stripes_for_training), *SMALL]
    train += ["--set", "phase1_epochs=1", "--set", "phase2_epochs=1", "--worker-timeout", str(LIMIT_S)]
    train += ["--runs-dir", str(tmp_path / "runs"), "--strategy", "multi-worker"]
    ports = _ports(2)
    rooms = (["--cache-gb", "1"], ["--cache-gb", "0"])
    workers = [_start([*train, *room], rank, ports, tmp_path / f"w{rank}.npz") for rank, room in enumerate(rooms)]
    try:
        said = [worker.communicate(timeout=LIMIT_S)[0] for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
    assert [worker.returncode for worker in workers] == [0, 0], said
    assert "computing them on the fly" in said[1]
    for ours, theirs in zip(*(_weights(tmp_path / f"w{rank}.npz") for rank in (0, 1)), strict=True):
        assert np.array_equal(ours, theirs)


@pytest.mark.slow
def test_two_processors_of_one_machine(tmp_path: Path) -> None:
    command = [sys.executable, str(SCRIPT.with_name("two_processors.py"))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    steps, logits, steps_of_two, logits_of_two, with_statistics = _weights(tmp_path / "answers.npz")
    assert logits.shape == (5, 3)
    assert steps_of_two == pytest.approx(steps, rel=1e-3, abs=1e-3)
    assert logits_of_two == pytest.approx(logits, rel=5e-3, abs=5e-3)
    # Statistics are each processor's own, so that their averages give other logits than one processor's.
    assert np.all(np.isfinite(with_statistics))


def test_every_image_has_one_owner_and_every_batch_is_shared_evenly() -> None:
    shares = [Share(rank, 3) for rank in range(3)]
    orders = [share.order(100, np.random.default_rng(5)) for share in shares]
    assert all(np.array_equal(orders[0], order) for order in orders)
    assert sorted(orders[0]) == list(range(100))
    for start in range(0, 100, 32):
        batch = orders[0][start : start + 32]
        parts = [share.mine(batch) for share in shares]
        assert sorted(np.concatenate(parts)) == sorted(batch)
        assert max(map(len, parts)) - min(map(len, parts)) <= 1
    one = Share().order(100, np.random.default_rng(5))
    assert np.array_equal(one, np.random.default_rng(5).permutation(100))


def test_tf_config_is_read_or_refused() -> None:
    jobs = {"chief": ["a:1"], "worker": ["b:2", "c:3"]}
    cluster = read_cluster({"TF_CONFIG": json.dumps({"cluster": jobs, "task": {"type": "worker", "index": 1}})})
    assert cluster == Cluster(("a:1", "b:2", "c:3"), 2)
    assert read_cluster({}) is None
    alone = {"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 0}}
    assert read_cluster({"TF_CONFIG": json.dumps(alone)}) is None
    for wrong in (
        "{",
        "[]",
        json.dumps({"cluster": jobs, "task": {"type": "worker", "index": 2}}),
        json.dumps({"cluster": {"worker": ["a", "b:2"]}, "task": {"type": "worker", "index": 0}}),
    ):
        with pytest.raises(InputError, match="TF_CONFIG is"):
            read_cluster({"TF_CONFIG": wrong})


def test_a_worker_that_never_comes_is_named() -> None:
    ours, theirs = _ports(2)
    started = time.monotonic()
    with pytest.raises(WorkerLostError, match=f"no worker at 127.0.0.1:{theirs} within 0.5 s"):
        meet(Cluster((f"127.0.0.1:{ours}", f"127.0.0.1:{theirs}"), 0), timeout_s=0.5)
    assert time.monotonic() - started < 10
    with socket.create_server(("127.0.0.1", theirs)):
        meet(Cluster((f"127.0.0.1:{ours}", f"127.0.0.1:{theirs}"), 0), timeout_s=5)


def test_wrong_strategies_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    from batikkit.training.distributed import join

    monkeypatch.delenv("TF_CONFIG", raising=False)
    with pytest.raises(InputError, match="choose auto, mirrored, multi-worker"):
        join("fast")
    with pytest.raises(InputError, match="at least two workers"):
        join("multi-worker")
    assert join("auto").share == Share()


@pytest.mark.slow
def test_a_worker_that_hangs_ends_the_others_in_time() -> None:
    ours, theirs = _ports(2)
    script = (
        "import time\nfrom batikkit.training.cluster import Cluster\n"
        "from batikkit.training.distributed import Workers\n"
        f"workers = Workers(cluster=Cluster(('127.0.0.1:{ours}', '127.0.0.1:{theirs}'), 0), timeout_s=0.3)\n"
        "with workers.waiting():\n    time.sleep(60)"
    )
    with socket.create_server(("127.0.0.1", theirs)):  # it listens, and never answers
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1
    assert "no answer from the others for 0.3 s; finished epochs are kept" in done.stderr
