from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import boards
import pytest

from batikkit_benchmarks.children import WorkerError, explain, oom_kills, run_worker


@pytest.fixture
def worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module `stand_in` that children can import; the test writes its body."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])]))
    return tmp_path / "stand_in.py"


def ends(worker: Path, body: str, *, stall_limit_s: float = 30) -> str:
    worker.write_text("import json, os, signal, sys, time\njob = json.loads(sys.stdin.read())\n" + body)
    with pytest.raises(WorkerError) as caught:
        run_worker({"size": 3}, module="stand_in", stall_limit_s=stall_limit_s)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_result_and_progress_come_back(worker: Path) -> None:
    worker.write_text(
        "import json, sys\njob = json.loads(sys.stdin.read())\n"
        'print(json.dumps({"progress": [1, 2]}), flush=True)\nprint(json.dumps({"result": job}))\n'
    )
    seen: list[tuple[int, int]] = []
    assert run_worker({"size": 3}, module="stand_in", advance=lambda *step: seen.append(step)) == {"size": 3}
    assert seen == [(1, 2)]


def test_every_other_end_is_one_sentence(worker: Path) -> None:
    assert ends(worker, 'print(json.dumps({"refused": "no such op"}))') == "no such op"
    assert ends(worker, "os.kill(os.getpid(), signal.SIGSEGV)").startswith("crashed (killed by SIGSEGV)")
    assert ends(worker, "sys.exit(3)") == "ended without a result (exit code 3)"
    assert ends(worker, "os.kill(os.getpid(), signal.SIGKILL)").startswith("killed from outside (SIGKILL)")


def test_a_fault_of_ours_is_not_blamed_on_the_runtime(worker: Path) -> None:
    worker.write_text("import json, sys\njob = json.loads(sys.stdin.read())\njob['size'].append(1)\n")
    with pytest.raises(WorkerError) as caught:
        run_worker({"size": 3}, module="stand_in")
    assert str(caught.value).startswith("a fault of batikkit, not of the runtime: AttributeError")
    assert caught.value.traceback.startswith("Traceback")
    assert "stand_in.py" in caught.value.traceback


def test_a_worker_that_falls_silent_is_ended(worker: Path, tmp_path: Path) -> None:
    start = time.monotonic()
    body = f"open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))\ntime.sleep(60)"
    assert "nothing heard for 2 s" in ends(worker, body, stall_limit_s=2)
    assert time.monotonic() - start < 20
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_speaking_keeps_a_slow_worker_alive(worker: Path) -> None:
    worker.write_text(
        "import json, sys, time\nsys.stdin.read()\n"
        "for step in range(6):\n    time.sleep(1)\n    print(json.dumps({'progress': [step, 6]}), flush=True)\n"
        "print(json.dumps({'result': {'ok': True}}))\n"
    )
    assert run_worker({}, module="stand_in", stall_limit_s=5) == {"ok": True}


@pytest.fixture
def small_memory_group() -> Iterator[Path]:
    """A memory control group of 96 MB that a child can join; needs root and a writable cgroup tree."""
    legacy, unified = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")
    root, limit = (legacy, "memory.limit_in_bytes") if legacy.is_dir() else (unified, "memory.max")
    group = root / f"batikkit-test-{os.getpid()}"
    try:
        group.mkdir()
        (group / limit).write_text(str(96 * 2**20))
    except OSError as error:
        if group.is_dir():
            group.rmdir()
        pytest.skip(f"cannot make a memory control group: {error}")
    yield group
    for _ in range(100):
        try:
            group.rmdir()
        except OSError:
            time.sleep(0.05)
        else:
            return


def test_a_worker_killed_by_the_kernel_for_memory_is_reported_as_such(worker: Path, small_memory_group: Path) -> None:
    body = (
        f"open({str(small_memory_group / 'cgroup.procs')!r}, 'w').write(str(os.getpid()))\n"
        "kept = []\nwhile True:\n    kept.append(b'x' * 2**22)\n"
    )
    assert ends(worker, body).startswith("out of memory: the kernel killed it")


def test_the_kernels_counters_are_read(tmp_path: Path) -> None:
    assert oom_kills(boards.lay_out(tmp_path, boards.PI_4_THROTTLED)) == 1
    assert oom_kills(tmp_path / "absent") == 0
    boards.lay_out(tmp_path, {"sys/fs/cgroup/memory.events": "low 0\noom 2\noom_kill 2\n"})
    assert oom_kills(tmp_path) == 3


def test_the_explanation_depends_on_the_counters() -> None:
    assert explain(-signal.SIGKILL, "", oom=True).startswith("out of memory")
    assert explain(-signal.SIGABRT, "noise\nlast words\n", oom=False) == "crashed (killed by SIGABRT): last words"
