"""Python processes that answer questions: one JSON object a line each way, and every way they can end is told apart.

The parent holds a `Child`; the module it runs calls `serve`. A child says `{"ready": true}` once, then for every
question any number of `{"progress": [done, total]}` and at last `{"result": ...}` or, where a `BatikkitError` was
raised over there, `{"refused": text, "error": class}`. It ends with its parent, however that ends.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from batikkit import errors
from batikkit.errors import BatikkitError

Advance = Callable[[int, int], None]
Answer = dict[str, Any]


class ChildEndedError(Exception):
    """A child died without an answer; `status` is its exit status and the text what it said last."""

    def __init__(self, status: int, said: str) -> None:
        super().__init__(f"{describe_exit(status)}{': ' + said if said else ''}")
        self.status, self.said = status, said


class ChildSilentError(Exception):
    """A child said nothing for too long, and was ended."""


def unheard(*_: object) -> None:
    """Takes progress that nobody watches."""


class Child:
    """A process that runs a module of ours; it starts at once and is ended by `close`, or when the parent dies.

    Args:
        module: Its name; run as a script it calls `serve`.
        environment: Variables that differ from the parent's.
    """

    def __init__(self, module: str, *, environment: Mapping[str, str] | None = None) -> None:
        # Not a pipe: a child that says much would wait for a reader.
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  closed by `close`
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", module],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                bufsize=0,
                start_new_session=True,  # Ctrl-C is the parent's business
                env={**os.environ, **(environment or {})},
            )
        except OSError:
            self._errors.close()
            raise
        self._unread = b""

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def wait_ready(self, *, silence_s: float | None = None) -> None:
        """Waits until it has imported what it needs; errors as for `ask`."""
        self._hear(silence_s)

    def ask(self, question: Answer, *, silence_s: float | None = None, advance: Advance = unheard) -> Answer:
        """Sends a question and waits for its answer.

        Args:
            question: JSON values.
            silence_s: Ends the child when it says nothing for so long; None waits for ever.
            advance: Called with its progress.

        Raises:
            BatikkitError: raised over there, of the same documented class.
            ChildEndedError, ChildSilentError: no answer.
        """
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # why it is gone is found below
            self._process.stdin.write(json.dumps(question).encode() + b"\n")
        while True:
            message = self._hear(silence_s)
            if "progress" in message:
                advance(*message["progress"])
            elif "refused" in message:
                kind: type[BatikkitError] = getattr(errors, message["error"])
                raise kind.__new__(kind, message["refused"])
            elif "result" in message:
                result: Answer = message["result"]
                return result

    def _hear(self, silence_s: float | None) -> Answer:
        assert self._process.stdout is not None
        deadline = None if silence_s is None else time.monotonic() + silence_s
        while b"\n" not in self._unread:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            if not select.select([self._process.stdout], [], [], left)[0]:
                self.close()
                raise ChildSilentError(f"nothing heard for {silence_s:g} s")
            chunk = os.read(self._process.stdout.fileno(), 1 << 16)
            if not chunk:
                status = self._process.wait()
                self._errors.seek(0)
                said = self._errors.read().decode("utf-8", "replace")
                self.close()
                raise ChildEndedError(
                    status, next((ln.strip() for ln in reversed(said.splitlines()) if ln.strip()), "")
                )
            self._unread += chunk
        line, _, self._unread = self._unread.partition(b"\n")
        message: Answer = json.loads(line)
        return message

    def close(self) -> None:
        """Ends the process and whatever it started."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._errors):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()


def serve(answer: Callable[[Answer, Advance], Answer]) -> None:
    """The other side: answers one question after the other until the parent is gone.

    A user's error travels back; a bug ends the process with its traceback.
    """
    answers = private_stdout()
    questions: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(questions,), daemon=True).start()

    def say(message: Answer) -> None:
        answers.write(json.dumps(message).encode() + b"\n")

    say({"ready": True})
    while True:
        try:
            result = answer(json.loads(questions.get()), lambda done, total: say({"progress": [done, total]}))
        except BatikkitError as error:
            # The nearest class that the parent knows as well.
            known = next(kind.__name__ for kind in type(error).__mro__ if kind.__module__ == errors.__name__)
            say({"refused": str(error), "error": known})
        else:
            say({"result": result})


def _listen(questions: queue.SimpleQueue[str]) -> None:
    for line in sys.stdin:
        questions.put(line)
    os._exit(0)  # the parent closed the pipe or died: nobody waits for what is being done


def describe_exit(status: int) -> str:
    """A child's exit status in words: `killed by SIGSEGV`, `exit code 3`."""
    if status >= 0:
        return f"exit code {status}"
    with contextlib.suppress(ValueError):
        return f"killed by {signal.Signals(-status).name}"
    return f"killed by signal {-status}"


def limit_child() -> None:
    """Confines this (child) process: no core dumps, first to go when memory runs out, at most the machine's memory."""
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError, ValueError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    with contextlib.suppress(OSError, ValueError):
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        resource.setrlimit(resource.RLIMIT_DATA, (total, total))


def private_stdout() -> BinaryIO:
    """Returns standard output for answers; whatever native code prints there goes to standard error from now on."""
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    return answers
