"""Child processes: what they answer, what they refuse, every way they end, and that they end with their parent."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from batikkit.child import Child, ChildEndedError, ChildSilentError
from batikkit.errors import DiskFullError, InputError, MissingExtraError, VerificationError

SERVER = '''
import os, sys, time, signal
from batikkit.child import serve
from batikkit.errors import InputError, MissingExtraError, VerificationError, DiskFullError

class OwnKindError(VerificationError):
    """Not known to the parent."""

def answer(question, advance):
    do = question["do"]
    if do == "double":
        print("native code talks", flush=True)
        for done in range(3):
            advance(done + 1, 3)
        return {"doubled": 2 * question["number"], "pid": os.getpid()}
    if do == "refuse":
        raise {"input": InputError("no"), "own": OwnKindError("worse"), "full": DiskFullError("full"),
               "extra": MissingExtraError("tensorflow", "train")}[question["kind"]]
    if do == "die":
        print("last words", file=sys.stderr)
        os.kill(os.getpid(), question["signal"])
    if do == "bug":
        return {"x": 1 / 0}
    time.sleep(600)

if __name__ == "__main__":
    serve(answer)
'''


@pytest.fixture
def server(tmp_path: Path) -> dict[str, str]:
    """The environment in which the module `a_server` is found."""
    (tmp_path / "a_server.py").write_text(SERVER)
    return {"PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}


@pytest.fixture
def child(server: dict[str, str]) -> Iterator[Child]:
    with Child("a_server", environment=server) as started:
        started.wait_ready(silence_s=60)
        yield started


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_one_question_after_the_other_with_progress(child: Child) -> None:
    heard: list[tuple[int, int]] = []
    answers = [child.ask({"do": "double", "number": n}, advance=lambda *step: heard.append(step)) for n in (3, 4)]
    assert [answer["doubled"] for answer in answers] == [6, 8]
    assert answers[0]["pid"] == answers[1]["pid"]
    assert heard == [(1, 3), (2, 3), (3, 3)] * 2


@pytest.mark.parametrize(
    ("kind", "error", "text"),
    [
        ("input", InputError, "no"),
        ("own", VerificationError, "worse"),
        ("full", DiskFullError, "full"),
        ("extra", MissingExtraError, "batikkit[train]"),
    ],
)
def test_a_users_error_travels_back_and_the_child_goes_on(
    child: Child, kind: str, error: type[Exception], text: str
) -> None:
    with pytest.raises(error) as refused:
        child.ask({"do": "refuse", "kind": kind})
    assert type(refused.value) is error
    assert text in str(refused.value)
    assert refused.value.exit_code == error.exit_code  # type: ignore[attr-defined]
    assert child.ask({"do": "double", "number": 1})["doubled"] == 2


def test_a_missing_extra_survives_pickling() -> None:
    error = pickle.loads(pickle.dumps(MissingExtraError("tensorflow", "train")))
    assert str(error) == str(MissingExtraError("tensorflow", "train"))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_death_is_told_with_its_last_words(child: Child, number: signal.Signals) -> None:
    with pytest.raises(ChildEndedError, match=f"killed by {number.name}") as ended:
        child.ask({"do": "die", "signal": int(number)})
    assert ended.value.status == -number


def test_a_bug_is_told_by_its_last_line(child: Child) -> None:
    with pytest.raises(ChildEndedError, match="exit code 1: ZeroDivisionError"):
        child.ask({"do": "bug"})


def test_silence_ends_it(child: Child) -> None:
    pid = child.ask({"do": "double", "number": 1})["pid"]
    with pytest.raises(ChildSilentError):
        child.ask({"do": "sleep"}, silence_s=0.3)
    assert not _alive(pid)


def test_a_module_that_does_not_start_is_told(server: dict[str, str]) -> None:
    with Child("no_such_module", environment=server) as started, pytest.raises(ChildEndedError, match="no_such_module"):
        started.wait_ready(silence_s=60)


def test_it_ends_with_its_parent_even_in_the_midst_of_work(server: dict[str, str]) -> None:
    script = (
        "import threading, time\n"
        "from batikkit.child import Child\n"
        "child = Child('a_server')\n"
        "print(child.ask({'do': 'double', 'number': 1})['pid'], flush=True)\n"
        "child.ask({'do': 'sleep'})\n"
    )
    environment = {**os.environ, **server}
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, env=environment) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        time.sleep(0.3)
        assert _alive(pid)
        parent.kill()
    deadline = time.monotonic() + 20
    while _alive(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _alive(pid)
