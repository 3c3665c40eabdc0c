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
import tempfile
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from batikkit.errors import InputError
from batikkit.operating_system import describe_exit, end_group, limit_child, own_group
from batikkit.pipe import Listener
from batikkit.tflite.interpreters import find_runtime
from batikkit.tflite.tried import START_LIMIT_S, file_key, last_words, recall, remember, try_in_child

TIME_LIMIT_S = 60.0
"""A model that has not loaded and run once after this long is taken to hang: a Pi Zero 2 needs about two seconds."""


Range = tuple[float, float]


def vet(
    path: Path,
    *,
    runtime: str | None = None,
    time_limit_s: float = TIME_LIMIT_S,
    input_range: Range | None = None,
) -> None:
    """Makes sure that `path` may be loaded in this process: a child has run it under this runtime on this machine.

    A manifest proves only that it ran where it was exported, on another processor. What ran is remembered.

    Raises:
        InputError: the file is damaged, no runtime works, or the child that tried it died, hung or refused it.
    """
    from batikkit.tflite.file import read_tflite

    found = find_runtime(runtime)
    key = file_key(found, read_tflite(path).sha256)
    if key not in recall():
        with Prober(runtime=found, time_limit_s=time_limit_s, input_range=input_range) as prober:
            prober.check(path)
        remember(key, None)


def probe(path: Path, *, runtime: str | None = None, time_limit_s: float = TIME_LIMIT_S) -> None:
    """Loads a file and runs it once in a child process.

    Raises:
        InputError: the child died, hung or refused the file.
    """
    with Prober(runtime=runtime, time_limit_s=time_limit_s) as prober:
        prober.check(path)


class Prober:
    """A child process that tries one file after another; replaced by a new one whenever a file kills it.

    Args:
        runtime: One of `RUNTIMES`; None takes the first of `PREFERRED` that works.
        time_limit_s: For one file.
        input_range: What black and white become in the input of files that do not tell.
    """

    def __init__(
        self, *, runtime: str | None = None, time_limit_s: float = TIME_LIMIT_S, input_range: Range | None = None
    ) -> None:
        self._runtime = runtime
        self._time_limit_s = time_limit_s
        self._range = input_range
        self._child: tuple[subprocess.Popen[bytes], Listener] | None = None
        # Not a pipe: a child that says much would wait for a reader.
        self._said = tempfile.TemporaryFile()  # noqa: SIM115  closed with the prober

    def __enter__(self) -> Prober:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        self._said.close()

    def check(self, path: Path) -> None:
        """Verifies `path`, then runs it once in the child.

        Raises:
            InputError: damaged, or it crashed, hung or was refused.
        """
        from batikkit.tflite.file import read_tflite

        read_tflite(path)
        self._runtime = self._runtime or find_runtime()
        child, listener = self._running()
        assert child.stdin is not None
        question = {"path": str(path), "runtime": self._runtime, "range": self._range}
        child.stdin.write(json.dumps(question).encode() + b"\n")
        child.stdin.flush()
        line = listener.line(self._time_limit_s)
        if line is None:
            self.close()
            raise InputError(f"{path} did not finish one run within {self._time_limit_s:g} s: export it again")
        if not line:
            status = child.wait()
            self.close()
            raise InputError(self._blame(path, status))
        answer = json.loads(line)
        if answer["problem"] is not None:
            raise InputError(answer["problem"])

    def _blame(self, path: Path, status: int) -> str:
        """Whether the file or the runtime itself is at fault, with what was said last."""
        assert self._runtime is not None
        problem = try_in_child(self._runtime)
        if problem is not None:
            return f"{self._runtime} does not work here ({problem}); {path} is not to blame: see 'batikkit doctor'"
        self._said.seek(0)
        words = last_words(self._said.read().decode("utf-8", "replace"))
        how = f"{describe_exit(status)}{': ' + words if words else ''}"
        return f"{path} crashes the runtime ({how}): export it again or do not use it"

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
            self._said.seek(0)
            self._said.truncate()
            child = subprocess.Popen(
                [sys.executable, "-m", "batikkit.tflite.probe"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._said,
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


def _try_file(path: Path, runtime: str, input_range: Range | None) -> str | None:
    """Loads and runs one file here; None when it works, else the one-line reason."""
    import numpy as np

    from batikkit.tflite.runtime import Wishes, load_verified

    try:
        model = load_verified(path, runtime=runtime, threads=1, wishes=Wishes(input_range))
        model.run(np.full(model.input.shape[1:], 128, np.uint8))
    except InputError as error:
        return str(error)
    return None


def _serve() -> None:
    from batikkit.tflite.interpreters import quiet_native

    limit_child()
    quiet_native().hear()
    answers = private_stdout()
    answers.write(b"ready\n")
    for line in sys.stdin:
        job = json.loads(line)
        problem = _try_file(Path(job["path"]), job["runtime"], job["range"])
        answers.write(json.dumps({"problem": problem}).encode() + b"\n")


if __name__ == "__main__":
    _serve()
