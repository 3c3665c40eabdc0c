"""Who is training in a run folder, and the removal of the cache that a killed training left behind.

The cache folder of a run exists exactly while its training lives, and holds a file that the training keeps locked. The
kernel drops the lock with the process, however it dies, so that a cache whose lock is free belongs to nobody.
"""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from batikkit.errors import InputError
from batikkit.operating_system import try_lock

if TYPE_CHECKING:
    from filelock import BaseFileLock

CACHE_FOLDER = "cache.tmp"
_OWNER = "owner"


@contextlib.contextmanager
def held(run: Path) -> Iterator[Path]:
    """Claims a run for this process; yields its empty cache folder, which is gone when the block ends.

    Raises:
        InputError: another process is training in it.
    """
    lock = _claim(run / CACHE_FOLDER)
    if lock is None:
        raise InputError(f"run {run} is being trained by another process: wait for it, or stop it first")
    try:
        _clean(run, keep=_OWNER)
        yield run / CACHE_FOLDER
    finally:
        _leave(run, lock)


@contextlib.contextmanager
def claimed(run: Path) -> Iterator[bool]:
    """Claims a folder without waiting; yields whether nobody else holds it. Leaves no trace of the claim."""
    lock = _claim(run / CACHE_FOLDER, attempts=1)
    try:
        yield lock is not None
    finally:
        if lock is not None:
            _leave(run, lock)


def sweep_caches(runs_dir: Path) -> list[Path]:
    """Removes the caches and half-written files of runs whose training was killed; returns those runs."""
    swept = []
    for cache in sorted(runs_dir.glob(f"*/{CACHE_FOLDER}")):
        lock = _claim(cache, attempts=1)
        if lock is not None:
            _leave(cache.parent, lock)
            swept.append(cache.parent)
    return swept


def _claim(cache: Path, *, attempts: int = 20) -> BaseFileLock | None:
    """Locks the owner's file; None when another process holds it."""
    for attempt in range(attempts):
        if attempt:
            time.sleep(0.05)
        # A sweep may remove the folder between two of these lines: then it is made and locked again.
        with contextlib.suppress(FileNotFoundError):
            cache.mkdir(exist_ok=True)
            lock = try_lock(cache / _OWNER)
            if lock is not None:
                return lock
    return None


def _leave(run: Path, lock: BaseFileLock) -> None:
    """Removes the cache while it is still ours, then unlocks."""
    owner = run / CACHE_FOLDER / _OWNER
    _clean(run)
    locked_in = owner.exists()
    lock.release()
    if locked_in:  # Windows removes no open file, nor does it let one remove another's
        with contextlib.suppress(OSError):
            owner.unlink()
            owner.parent.rmdir()


def _clean(run: Path, *, keep: str | None = None) -> None:
    """Empties or removes the cache, and removes temporary files beside the run's own."""
    cache = run / CACHE_FOLDER
    for entry in cache.iterdir() if cache.is_dir() else ():
        if entry.name != keep:
            entry.unlink(missing_ok=True) if not entry.is_dir() else shutil.rmtree(entry, ignore_errors=True)
    if keep is None:
        shutil.rmtree(cache, ignore_errors=True)
    for folder in (run, run / "plots"):
        for leftover in folder.glob(".*.tmp*"):
            leftover.unlink(missing_ok=True)
