"""Tries a `.tflite` file in a child process, so that native code which crashes or hangs takes nothing else with it.

Verification (`batikkit.tflite.file`) keeps damaged files away from every interpreter; this is the second line, for
files of unknown origin that are structurally sound.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from types import TracebackType
from typing import Any

from batikkit.child import Child, ChildEndedError, ChildSilentError, serve
from batikkit.child import private_stdout as private_stdout
from batikkit.errors import InputError
from batikkit.manifest import manifest_path, read_manifest
from batikkit.operating_system import describe_exit, limit_child

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
        self._child: Child | None = None

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
        child = self._running()
        try:
            child.ask({"path": str(path), "runtime": self._runtime}, silence_s=self._time_limit_s)
        except ChildSilentError:
            self.close()
            raise InputError(
                f"{path} did not finish one run within {self._time_limit_s:g} s: export it again"
            ) from None
        except ChildEndedError as ended:
            self.close()
            died = describe_exit(ended.status)
            raise InputError(f"{path} crashes the runtime ({died}): export it again or do not use it") from None

    def close(self) -> None:
        """Ends the child."""
        if self._child is not None:
            self._child.close()
        self._child = None

    def _running(self) -> Child:
        if self._child is None:
            self._child = Child("batikkit.tflite.probe")
            try:
                self._child.wait_ready(silence_s=START_LIMIT_S)
            except (ChildEndedError, ChildSilentError):
                self.close()
                raise InputError("the probing process did not start: run 'batikkit doctor'") from None
        return self._child


def _try_file(question: dict[str, Any], _advance: object) -> dict[str, Any]:
    """Loads and runs one file here.

    Raises:
        InputError: it does not work.
    """
    import numpy as np

    from batikkit.errors import first_line
    from batikkit.tflite.interpreters import NATIVE_ERRORS
    from batikkit.tflite.runtime import open_model

    path = Path(question["path"])
    try:
        model = open_model(path, runtime=question["runtime"])
        model.classify(np.full(model.input.shape[1:], 128, np.uint8))
    except NATIVE_ERRORS as error:
        raise InputError(f"the runtime refuses to run {path}: {first_line(error)}") from error
    return {}


if __name__ == "__main__":
    limit_child()
    serve(_try_file)
