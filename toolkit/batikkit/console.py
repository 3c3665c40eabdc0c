"""What people see while they wait: progress bars and tables on standard error and standard output."""

from __future__ import annotations

import contextlib
import io
import sys
import threading
import time
from collections.abc import Iterator
from typing import Protocol

from batikkit import notebook

EVERY_S = 10.0
"""Without a terminal, such as in a log file, a line is written so often."""


class Advance(Protocol):
    """Long work calls advance(done, total), or advance(done, total, figures) with a few words on how it goes."""

    def __call__(self, done: int, total: int, figures: str = "", /) -> None:
        """Moves the bar."""


@contextlib.contextmanager
def progress(description: str) -> Iterator[Advance]:
    """Yields a function that moves a bar on standard error or in a notebook; elsewhere lines tell how it goes."""
    from rich.console import Console

    console, page = Console(stderr=True), notebook.shell()
    if page is not None:
        shown = _in_a_notebook(description, page)
    else:
        shown = _bar(description, console) if console.is_terminal else _lines(description)
    with shown as advance:
        yield advance


@contextlib.contextmanager
def _bar(description: str, console: object) -> Iterator[Advance]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    assert isinstance(console, Console)
    columns = (
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("eta"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[figures]}"),
    )
    with Progress(*columns, console=console, disable=_silent) as bar:
        task = bar.add_task(description, total=None, figures="")

        def advance(done: int, total: int, figures: str = "", /) -> None:
            bar.update(task, completed=done, total=total, figures=figures)

        yield advance


class _Told:
    """How far the work is, and since when it has counted like this: some works count several times."""

    def __init__(self, description: str) -> None:
        self.description = description
        self.begun = self.counting_since = time.monotonic()
        self.first = self.done = self.total = 0
        self.figures = ""

    def advance(self, done: int, total: int, figures: str = "", /) -> None:
        """As `Advance`."""
        if total != self.total or done < self.done:
            self.counting_since, self.first = time.monotonic(), done
        self.done, self.total, self.figures = done, total, figures

    def line(self) -> str:
        """`batikkit: check images 120 of 545, 0:30 gone, about 1:45 left`."""
        now = time.monotonic()
        parts = [f"{self.done} of {self.total}"] if self.total else []
        parts.append(f"{_clock(now - self.begun)} gone")
        if self.done - self.first > 0 and self.done < self.total:
            left = (now - self.counting_since) * (self.total - self.done) / (self.done - self.first)
            parts.append(f"about {_clock(left)} left")
        return f"batikkit: {self.description} {', '.join([*parts, self.figures] if self.figures else parts)}"


@contextlib.contextmanager
def _in_a_notebook(description: str, page: object) -> Iterator[Advance]:
    told = _Told(description)
    with contextlib.nullcontext() if _silent else notebook.bar(page, lambda: (told.line(), told.done, told.total)):
        yield told.advance


@contextlib.contextmanager
def _lines(description: str) -> Iterator[Advance]:
    """Nothing for work that is done in less than `EVERY_S`; else lines, and one at the end."""
    told, ended = _Told(description), threading.Event()

    def tell() -> None:
        # Also while nothing advances: long steps are when people wonder.
        while not ended.wait(EVERY_S):
            note(told.line())

    teller = threading.Thread(target=tell, name=f"progress of {description}", daemon=True)
    teller.start()
    try:
        yield told.advance
    finally:
        ended.set()
        teller.join()
    taken = time.monotonic() - told.begun
    if taken >= EVERY_S:
        count = f", {told.total} in all" if told.total else ""
        figures = f", {told.figures}" if told.figures else ""
        note(f"batikkit: {description} done in {_clock(taken)}{count}{figures}")


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


_silent = False


@contextlib.contextmanager
def silenced() -> Iterator[None]:
    """Neither notes nor bars; warnings are still told."""
    global _silent
    before, _silent = _silent, True
    try:
        yield
    finally:
        _silent = before


def show_any_text() -> None:
    """Where a stream's encoding lacks a character, as `cp1252` or `ascii` lack most, it is shown as an escape.

    Output into a file or a pipe has such encodings on Windows, and in environments without a locale.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and not (stream.encoding or "").lower().startswith("utf"):
            stream.reconfigure(errors="backslashreplace")


def can_show(text: str) -> bool:
    """Whether standard error has every character of a text."""
    try:
        text.encode(sys.stderr.encoding or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


def note(message: str) -> None:
    """One line for the user on standard error."""
    if not _silent:
        print(message, file=sys.stderr, flush=True)


def warn(message: str) -> None:
    """One line that the user must not miss, on standard error."""
    print(f"batikkit: {message}", file=sys.stderr, flush=True)
