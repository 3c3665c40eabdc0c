"""Tries a `.tflite` file in a child process, so that native code which crashes or hangs takes nothing else with it.

Verification (`batikkit.tflite.file`) keeps damaged files away from every interpreter; this is the second line, for
files of unknown origin that are structurally sound.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from batikkit.errors import InputError
from batikkit.manifest import manifest_path, read_manifest
from batikkit.operating_system import describe_exit, end_group, limit_child, own_group
from batikkit.pipe import Listener

TIME_LIMIT_S = 60.0
"""A model that has not loaded and run once after this long is taken to hang: a Pi Zero 2 needs about two seconds."""

START_LIMIT_S = 180.0
"""Importing TensorFlow on a small board takes long; it is not the file's fault."""


def vet(path: Path, *, runtime: str | None = None, time_limit_s: float = TIME_LIMIT_S) -> None:
    """Makes sure that `path` may be loaded in this process.

    A file that matches the manifest beside it was run when it was exported; any other one is probed first.

    Raises:
        InputError: the file is damaged, or the child that tried it died, hung or refused it.
    """
    from batikkit.tflite.file import read_tflite

    model = read_tflite(path)
    if manifest_path(path).is_file():
        with contextlib.suppress(InputError):
            if read_manifest(manifest_path(path)).sha256 == model.sha256:
                return
    probe(path, runtime=runtime, time_limit_s=time_limit_s)


def probe(path: Path, *, runtime: str | None = None, time_limit_s: float = TIME_LIMIT_S) -> None:
    """Loads a file and runs it once in a child process.

    Raises:
        InputError: the child died, hung or refused the file.
    """
    with Prober(runtime=runtime, time_limit_s=time_limit_s) as prober:
        prober.check(path)


class Prober:
    """A child process that tries one file after another; replaced by a new one whenever a file kills it."""

    def __init__(self, *, runtime: str | None = None, time_limit_s: float = TIME_LIMIT_S) -> None:
        self._runtime = runtime
        self._time_limit_s = time_limit_s
        self._child: tuple[subprocess.Popen[bytes], Listener] | None = None

    def __enter__(self) -> Prober:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def check(self, path: Path) -> None:
        """Verifies `path`, then runs it once in the child.

        Raises:
            InputError: damaged, or it crashed, hung or was refused.
        """
        from batikkit.tflite.file import read_tflite

        read_tflite(path)
        child, listener = self._running()
        assert child.stdin is not None
        child.stdin.write(json.dumps({"path": str(path), "runtime": self._runtime}).encode() + b"\n")
        child.stdin.flush()
        line = listener.line(self._time_limit_s)
        if line is None:
            self.close()
            raise InputError(f"{path} did not finish one run within {self._time_limit_s:g} s: export it again")
        if not line:
            status = child.wait()
            self.close()
            raise InputError(f"{path} crashes the runtime ({describe_exit(status)}): export it again or do not use it")
        answer = json.loads(line)
        if answer["problem"] is not None:
            raise InputError(answer["problem"])

    def close(self) -> None:
        """Ends the child."""
        if self._child is not None:
            child, listener = self._child
            end_group(child)
            listener.close()
            assert child.stdin is not None
            with contextlib.suppress(OSError):  # what was not read any more
                child.stdin.close()
        self._child = None

    def _running(self) -> tuple[subprocess.Popen[bytes], Listener]:
        if self._child is None:
            child = subprocess.Popen(
                [sys.executable, "-m", "batikkit.tflite.probe"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=0,
                **own_group(),
            )
            assert child.stdout is not None
            self._child = child, Listener(child.stdout)
            if not self._child[1].line(START_LIMIT_S):
                self.close()
                raise InputError("the probing process did not start: run 'batikkit doctor'")
        return self._child


def private_stdout() -> BinaryIO:
    """Returns standard output for answers; whatever native code prints there goes to standard error from now on."""
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    return answers


def _try_file(path: Path, runtime: str | None) -> str | None:
    """Loads and runs one file here; None when it works, else the one-line reason."""
    import numpy as np

    from batikkit.errors import first_line
    from batikkit.tflite.interpreters import NATIVE_ERRORS
    from batikkit.tflite.runtime import open_model

    try:
        model = open_model(path, runtime=runtime)
        model.classify(np.full(model.input.shape[1:], 128, np.uint8))
    except InputError as error:
        return str(error)
    except NATIVE_ERRORS as error:
        return f"the runtime refuses to run {path}: {first_line(error)}"
    return None


def _serve() -> None:
    limit_child()
    answers = private_stdout()
    answers.write(b"ready\n")
    for line in sys.stdin:
        job = json.loads(line)
        problem = _try_file(Path(job["path"]), job["runtime"])
        answers.write(json.dumps({"problem": problem}).encode() + b"\n")


if __name__ == "__main__":
    _serve()
