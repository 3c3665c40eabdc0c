"""Ctrl-C and SIGTERM while training: the first one stops cleanly, the second one leaves at once.

A run can be killed at any moment without loss, so that leaving at once is always safe. SIGTERM is what batch systems
send before they kill.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType

from batikkit.console import warn
from batikkit.errors import BatikkitError

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StoppedError(BatikkitError):
    """The user stopped training; the run can be resumed."""

    exit_code = 130


@contextlib.contextmanager
def stoppable(message: str) -> Iterator[None]:
    """Turns the first SIGINT or SIGTERM within the block into a `StoppedError` that says `message`.

    Off the main thread, where Python delivers no signals, only a `KeyboardInterrupt` of the caller's is turned.

    Raises:
        StoppedError: the user stopped the block.
    """
    received: list[int] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        if len(received) > 1:
            warn(message)
            os._exit(128 + number)
        raise KeyboardInterrupt

    on_main = threading.current_thread() is threading.main_thread()
    previous = {number: signal.signal(number, stop) for number in SIGNALS} if on_main else {}
    try:
        yield
    except KeyboardInterrupt:
        error = StoppedError(message)
        error.exit_code = 128 + (received[0] if received else signal.SIGINT)
        raise error from None
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
