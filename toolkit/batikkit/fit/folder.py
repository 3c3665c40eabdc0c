"""The folder that a search lives in: what was found out is a file each, and whoever works on one holds its lock.

Nothing else is shared, so any number of processes, on any machines that see the folder, search together; and a process
that is killed loses what it was about to write, no more.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from batikkit import atomic
from batikkit.errors import InputError
from batikkit.operating_system import try_lock

SCHEMA_VERSION = 1
SEARCH_FILE = "search.json"
_POLL_S = 0.5


@dataclass(frozen=True)
class Identity:
    """What a search is about; trials of another one would mean nothing in it.

    Attributes:
        photographs: Hash over every photograph, its motif, cloth and fold, hex.
        folds: Number of folds.
        seed: Deals them, and draws views.
    """

    photographs: str
    folds: int
    seed: int


class SearchFolder:
    """One search's folder.

    Args:
        place: Where; made if need be.
    """

    def __init__(self, place: Path) -> None:
        self.place = place

    def enter(self, identity: Identity) -> None:
        """Begins a search here, or joins the one that is here already.

        Raises:
            InputError: it is about other photographs or folds.
        """
        with atomic.told_when_unwritable(self.place):
            self.place.mkdir(parents=True, exist_ok=True)
        with self.turn("search"):
            file = self.place / SEARCH_FILE
            if not file.exists():
                atomic.write_json(file, {"schema_version": SCHEMA_VERSION, **asdict(identity)})
            here = _identity(file)
        if here != identity:
            names = [name for name in asdict(identity) if getattr(here, name) != getattr(identity, name)]
            raise InputError(
                f"{self.place} holds a search with other {' and '.join(names)}: choose another folder with --out, or "
                "remove this one"
            )

    def path(self, *parts: str) -> Path:
        """A file of the search; its folder exists."""
        place = self.place.joinpath(*parts)
        place.parent.mkdir(parents=True, exist_ok=True)
        return place

    @contextlib.contextmanager
    def claim(self, work: str) -> Iterator[bool]:
        """Claims a piece of work without waiting; yields whether nobody else is at it."""
        lock = try_lock(self.path("locks", f"{work}.lock"))
        try:
            yield lock is not None
        finally:
            if lock is not None:
                lock.release()

    @contextlib.contextmanager
    def turn(self, work: str) -> Iterator[None]:
        """Waits until nobody else is at a piece of work."""
        while True:
            with self.claim(work) as mine:
                if mine:
                    yield
                    return
            time.sleep(_POLL_S)


def _identity(file: Path) -> Identity:
    try:
        raw: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        if raw.pop("schema_version") != SCHEMA_VERSION:
            raise ValueError("of another version")
        return Identity(**raw)
    except OSError as error:
        raise InputError(f"cannot read {file}: {error.strerror}") from error
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(f"{file} is no search of this batikkit ({error}): choose another folder with --out") from error
