"""What people see of a training while it runs: one progress bar at a time, with the last epoch's figures."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import TracebackType

from batikkit.console import Advance
from batikkit.runs.history import Epoch

Bar = Callable[[str], AbstractContextManager[Advance]]
"""Bar(description) is a context manager that yields an `Advance`."""


class Bars:
    """Opens a bar when a piece of work is first told of, and closes it when another one is.

    Args:
        bar: Makes one.
    """

    def __init__(self, bar: Bar) -> None:
        self._bar = bar
        self._open = contextlib.ExitStack()
        self._what = ""
        self._figures = ""
        self._move: Advance = lambda *_: None

    def __enter__(self) -> Bars:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def tell(self, what: str, done: int, total: int) -> None:
        """Moves the bar of `what` to `done` of `total`."""
        if what != self._what:
            self._open.close()
            self._what = what
            self._move = self._open.enter_context(self._bar(what))
        self._move(done, total, self._figures)

    def advance(self, what: str) -> Advance:
        """The same for one piece of work, as a function that long work calls."""
        return lambda done, total, *_: self.tell(what, done, total)

    def show(self, epoch: Epoch) -> None:
        """Puts an epoch's figures beside the bar."""
        self._figures = f"loss {epoch.loss:.3f}, validation {epoch.val_loss:.3f} ({epoch.val_accuracy:.1%} right)"
