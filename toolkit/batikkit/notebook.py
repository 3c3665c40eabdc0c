"""A progress bar in a notebook: one output that changes. Nothing is imported or installed for it.

Jupyter, Colab and whatever else speaks their protocol show HTML and replace what has a name; widgets they may lack.
"""

from __future__ import annotations

import contextlib
import secrets
import sys
from collections.abc import Callable, Iterator
from threading import Event, Thread
from typing import Any

from batikkit.web_page import Html

EVERY_S = 0.5
"""How often the bar moves; work that takes less shows none."""
_BAR = Html('<div style="font-family:monospace"><progress {} style="width:16em"></progress> {}</div>')


def shell() -> Any:
    """The notebook that runs this; None outside of one, a terminal's IPython included."""
    found = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return found if getattr(found, "kernel", None) is not None else None


@contextlib.contextmanager
def bar(notebook: Any, told: Callable[[], tuple[str, int, int]]) -> Iterator[None]:
    """Shows a bar while the block runs, also where nothing advances.

    Args:
        notebook: From `shell`.
        told: Gives a line, how much is done, and of how much; 0 where nobody knows.
    """
    ended, shown = Event(), _Shown(notebook)

    def move() -> None:
        while not ended.wait(EVERY_S):
            shown.show(*told())

    mover = Thread(target=move, name="progress", daemon=True)
    mover.start()
    try:
        yield
    finally:
        ended.set()
        mover.join()
        if shown.before:
            shown.show(*told())


class _Shown:
    """One output of a cell."""

    def __init__(self, notebook: Any) -> None:
        self._publish = notebook.display_pub.publish
        self._name = {"display_id": secrets.token_hex(8)}
        self.before = False

    def show(self, line: str, done: int, total: int) -> None:
        """Puts it in the place of what was there."""
        value = Html('value="{}" max="{}"').format(done, total) if total else Html("")
        content = {"text/plain": line, "text/html": str(_BAR.format(value, line))}
        self._publish(content, {}, transient=self._name, update=self.before)
        self.before = True
