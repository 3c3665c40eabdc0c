"""Where the time of a training goes."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator, Mapping


class Clock:
    """Seconds by part.

    Args:
        seconds: What was measured before.
    """

    def __init__(self, seconds: Mapping[str, float] | None = None) -> None:
        self.seconds: dict[str, float] = dict(seconds or {})
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def measuring(self, part: str) -> Iterator[None]:
        """Adds the time that the block takes to `part`."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.add(part, time.perf_counter() - started)

    def add(self, part: str, seconds: float) -> None:
        """Adds to `part`; threads that work on it side by side add up."""
        with self._lock:
            self.seconds[part] = self.seconds.get(part, 0.0) + seconds
