"""Builders that outlive an export: dozens of exports in one process of tests need not import TensorFlow for each.

They are the same processes, asked the same questions; what an export does when a builder dies, or dies itself, is
tested in processes of their own, where nothing is kept.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

MOST = 2
"""As many as one export uses; each holds some hundred megabytes."""


@contextmanager
def kept() -> Iterator[None]:
    """Within the block an export takes over builders that earlier ones have left idle in the same surroundings."""
    from batikkit_exporters.export import builder

    start, leave = builder._start, builder.Builders.__exit__
    idle: list[tuple[object, Any]] = []

    def start_or_take() -> Any:
        for entry in idle:
            if entry[0] == _surroundings() and entry[1]._process.poll() is None:
                idle.remove(entry)
                return entry[1]
        return start()

    def leave_idle_ones(self: Any, *reason: object) -> None:
        # The children that wait for a question; whoever is at one is ended, as always.
        waiting = list(self._idle) if not self._busy else []
        self._idle = [child for child in self._idle if child not in waiting]
        leave(self, *reason)
        idle.extend((_surroundings(), child) for child in waiting)
        while len(idle) > MOST:
            idle.pop(0)[1].close()

    builder._start, builder.Builders.__exit__ = start_or_take, leave_idle_ones
    try:
        yield
    finally:
        builder._start, builder.Builders.__exit__ = start, leave
        for _, child in idle:
            child.close()


def _surroundings() -> object:
    """What a new process would take over from this one."""
    variables = {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}
    return Path.cwd(), variables
