"""Runs worker processes and turns every way they can end into a result or a sentence."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from batikkit.child import last_words
from batikkit.operating_system import KILLED, crashed, describe_exit, end_group, own_group
from batikkit.pipe import Listener
from batikkit.processors import ROOT
from batikkit_benchmarks.host import text

STALL_LIMIT_S = 120.0
"""A worker that says nothing for so long hangs: it speaks every second, and one run takes two on the slowest board."""


class WorkerError(Exception):
    """A worker gave no result; the text says why.

    Attributes:
        traceback: Of a fault of ours; else empty.
    """

    def __init__(self, reason: str, *, traceback: str = "") -> None:
        super().__init__(reason)
        self.traceback = traceback


def unheard(*_: object) -> None:
    """Takes progress that nobody watches."""


def run_worker(
    job: dict[str, Any],
    *,
    module: str = "batikkit_benchmarks.worker",
    stall_limit_s: float = STALL_LIMIT_S,
    advance: Callable[[int, int], None] = unheard,
) -> dict[str, Any]:
    """Runs one job in a fresh Python process and returns its result.

    Raises:
        WorkerError: the worker refused the job, died, was killed or hung.
    """
    kills_before = oom_kills()
    with tempfile.TemporaryFile() as errors:
        child = subprocess.Popen(
            [sys.executable, "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            bufsize=0,
            **own_group(),  # Ctrl-C is the parent's business: it ends the child and keeps what is finished
        )
        assert child.stdout is not None
        listener = Listener(child.stdout)
        try:
            answer = _converse(child, listener, job, stall_limit_s=stall_limit_s, advance=advance)
            if answer is not None:
                return answer
            status = child.wait(timeout=stall_limit_s)
        except subprocess.TimeoutExpired:
            raise WorkerError(f"closed its output but did not end within {stall_limit_s:g} s") from None
        finally:
            end_group(child)
            listener.close()
        errors.seek(0)
        said = errors.read().decode("utf-8", "replace")
        reason = explain(status, said, oom=oom_kills() > kills_before)
        raise WorkerError(reason, traceback=said[said.index(_TRACEBACK) :] if _ours(status, said) else "")


def _converse(
    child: subprocess.Popen[bytes],
    listener: Listener,
    job: dict[str, Any],
    *,
    stall_limit_s: float,
    advance: Callable[[int, int], None],
) -> dict[str, Any] | None:
    """Sends the job and listens; None when the child stops talking without a result."""
    assert child.stdin is not None
    with contextlib.suppress(OSError):  # a child that has ended reads nothing: a broken pipe, on Windows EINVAL
        child.stdin.write(json.dumps(job).encode())
    with contextlib.suppress(OSError):
        child.stdin.close()
    while line := listener.line(stall_limit_s):
        message = json.loads(line)
        if "progress" in message:
            advance(*message["progress"])
        elif "refused" in message:
            raise WorkerError(message["refused"])
        else:
            result: dict[str, Any] = message["result"]
            return result
    if line is None:
        raise WorkerError(f"hangs: nothing heard for {stall_limit_s:g} s, so it was ended")
    return None


def explain(status: int, stderr: str, *, oom: bool) -> str:
    """Why a worker that gave no result ended, in one line."""
    if status == KILLED and oom:
        return "out of memory: the kernel killed it; close other programs or use a smaller variant"
    if status == KILLED:
        return "killed from outside (SIGKILL), most likely for want of memory: see 'dmesg | grep -i oom'"
    last = last_words(stderr)
    if crashed(status):
        return f"crashed ({describe_exit(status)}){': ' + last if last else ''}"
    if _ours(status, stderr):
        return f"a fault of batikkit, not of the runtime: {last}"
    return f"ended without a result ({describe_exit(status)}){': ' + last if last else ''}"


_TRACEBACK = "Traceback (most recent call last)"


def _ours(status: int, stderr: str) -> bool:
    """What a runtime raises arrives as its refusal; any other exception is a bug."""
    return status == 1 and _TRACEBACK in stderr


def oom_kills(root: Path = ROOT) -> int:
    """Processes the kernel has killed for memory since boot, of the machine and of this cgroup."""
    total = 0
    for file in ("proc/vmstat", "sys/fs/cgroup/memory.events"):
        for line in (text(root / file) or "").splitlines():
            key, _, value = line.partition(" ")
            if key == "oom_kill" and value.isdigit():
                total += int(value)
    return total
