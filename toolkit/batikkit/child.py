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
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

from batikkit import errors
from batikkit.errors import BatikkitError
from batikkit.operating_system import describe_exit, end_group, own_group
from batikkit.pipe import Listener

_CHATTER = re.compile(r"(INFO|VERBOSE|DEBUG)\b|I\d{4} |WARNING: All log messages before|qemu: uncaught target signal")
"""Notes on progress, and what an emulator adds after a program's end."""

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
                env={**os.environ, **(environment or {})},
                **own_group(),
            )
        except OSError:
            self._errors.close()
            raise
        assert self._process.stdout is not None
        self._listener = Listener(self._process.stdout)

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
        line = self._listener.line(threading.TIMEOUT_MAX if silence_s is None else silence_s)
        if line is None:
            self.close()
            raise ChildSilentError(f"nothing heard for {silence_s:g} s")
        if not line:
            status = self._process.wait()
            self._errors.seek(0)
            said = self._errors.read().decode("utf-8", "replace")
            self.close()
            raise ChildEndedError(status, last_words(said))
        message: Answer = json.loads(line)
        return message

    def close(self) -> None:
        """Ends the process and whatever it started."""
        end_group(self._process)
        self._listener.close()
        for pipe in (self._process.stdin, self._errors):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()


def last_words(stderr: str) -> str:
    """The last line that a process said which is more than a note on its progress; empty when there is none."""
    lines = [line.strip(" \t\0") for line in stderr.splitlines()]  # C code writes its strings' ends, too
    said = [line for line in lines if line and not _CHATTER.match(line)]
    return said[-1][:300] if said else ""


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


def private_stdout() -> BinaryIO:
    """Returns standard output for answers; whatever native code prints there goes to standard error from now on."""
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    return answers
