"""Listening to a child process for a limited time, in the way that every system has: Windows cannot `select` a pipe."""

from __future__ import annotations

import os
import queue
import threading
import time
from typing import IO

_CHUNK_BYTES = 1 << 16


class Listener:
    """Reads lines from a child's unbuffered output in a thread of its own.

    Args:
        stream: The pipe, which nobody else may read or close before the child has ended and `close` was called.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._chunks: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._pending = b""
        self._thread = threading.Thread(target=self._listen, name="listener", daemon=True)
        self._thread.start()

    def line(self, limit_s: float) -> bytes | None:
        """The next line with its end; empty when the child has closed its output, None when `limit_s` passed first."""
        deadline = time.monotonic() + limit_s
        while b"\n" not in self._pending:
            try:
                chunk = self._chunks.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                return None
            if not chunk:
                self._chunks.put(b"")  # asked again, the answer is the same
                return b""
            self._pending += chunk
        line, _, self._pending = self._pending.partition(b"\n")
        return line + b"\n"

    def close(self) -> None:
        """Closes the pipe once the child has ended. A pipe that a grandchild keeps open is left to it."""
        self._thread.join(timeout=1.0)
        if not self._thread.is_alive():
            self._stream.close()

    def _listen(self) -> None:
        chunk = b"more"
        while chunk:
            try:
                chunk = os.read(self._stream.fileno(), _CHUNK_BYTES)
            except OSError:
                chunk = b""
            self._chunks.put(chunk)
