"""Tries a `.tflite` file in a child process, so that native code which crashes or hangs takes nothing else with it.

Verification (`batikkit.tflite.file`) keeps damaged files away from every interpreter; this is the second line, for
files of unknown origin that are structurally sound.
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any

from batikkit.child import Child, ChildEndedError, ChildSilentError, serve
from batikkit.errors import InputError
from batikkit.operating_system import limit_child
from batikkit.tflite.interpreters import find_runtime, quiet_native
from batikkit.tflite.tried import START_LIMIT_S, file_key, recall, remember, try_in_child

TIME_LIMIT_S = 60.0
"""A model that has not loaded and run once after this long is taken to hang: a Pi Zero 2 needs about two seconds."""


Range = tuple[float, float]


def probe_once(
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
            prober.probe(path)
        remember(key, None)


def probe(path: Path, *, runtime: str | None = None, time_limit_s: float = TIME_LIMIT_S) -> None:
    """Loads a file and runs it once in a child process.

    Raises:
        InputError: the child died, hung or refused the file.
    """
    with Prober(runtime=runtime, time_limit_s=time_limit_s) as prober:
        prober.probe(path)


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
        self._child: Child | None = None

    def __enter__(self) -> Prober:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def probe(self, path: Path) -> None:
        """Verifies `path`, then runs it once in the child.

        Raises:
            InputError: damaged, or it crashed, hung or was refused.
        """
        from batikkit.tflite.file import read_tflite

        read_tflite(path)
        self._runtime = self._runtime or find_runtime()
        question = {"path": str(path), "runtime": self._runtime, "range": self._range}
        try:
            self._running().ask(question, silence_s=self._time_limit_s)
        except ChildSilentError:
            self.close()
            raise InputError(
                f"{path} did not finish one run within {self._time_limit_s:g} s: export it again"
            ) from None
        except ChildEndedError as ended:
            self.close()
            raise InputError(self._blame(path, ended)) from None

    def _blame(self, path: Path, ended: ChildEndedError) -> str:
        """Whether the file or the runtime itself is at fault, with what was said last."""
        assert self._runtime is not None
        problem = try_in_child(self._runtime)
        if problem is not None:
            return f"{self._runtime} does not work here ({problem}); {path} is not to blame: see 'batikkit doctor'"
        return f"{path} crashes the runtime ({ended}): export it again or do not use it"

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

    from batikkit.tflite.runtime import Wishes, load_verified

    asked = question["range"]
    wishes = Wishes((asked[0], asked[1]) if asked else None)
    model = load_verified(Path(question["path"]), runtime=question["runtime"], threads=1, wishes=wishes)
    model.run(np.full(model.input.shape[1:], 128, np.uint8))
    return {}


if __name__ == "__main__":
    limit_child()
    quiet_native().hear()
    serve(_try_file)
