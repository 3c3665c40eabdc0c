"""What people see while they wait: progress bars and tables on standard error and standard output."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import Protocol


class Advance(Protocol):
    """Long work calls advance(done, total), or advance(done, total, figures) with a few words on how it goes."""

    def __call__(self, done: int, total: int, figures: str = "", /) -> None:
        """Moves the bar."""


@contextlib.contextmanager
def progress(description: str) -> Iterator[Advance]:
    """Yields a function that moves a progress bar on standard error; silent when that is not a terminal."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    columns = (
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("eta"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[figures]}"),
    )
    with Progress(*columns, console=console, disable=_silent or not console.is_terminal) as bar:
        task = bar.add_task(description, total=None, figures="")

        def advance(done: int, total: int, figures: str = "", /) -> None:
            bar.update(task, completed=done, total=total, figures=figures)

        yield advance


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


def note(message: str) -> None:
    """One line for the user on standard error."""
    if not _silent:
        print(message, file=sys.stderr, flush=True)


def warn(message: str) -> None:
    """One line that the user must not miss, on standard error."""
    print(f"batikkit: {message}", file=sys.stderr, flush=True)
