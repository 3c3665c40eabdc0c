"""Writing so that a killed command leaves the previous state intact: temporary name first, then rename."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from batikkit.errors import DiskFullError, InputError
from batikkit.image_kinds import kind_of_file

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields a temporary path beside `path`; renames it over `path` when the block ends without an error.

    For writers that want a path of their own. The temporary name keeps the suffix, since writers pick a format by it.
    A new file has the permissions of the umask, one that replaces another keeps those.

    Raises:
        DiskFullError: no room; what was at `path` stays.
        InputError: `path` is a folder, a device or a pipe, or its folder cannot be made or written.
    """
    path = _place_of_a_file(path)
    with told_when_full(path):
        with told_when_unwritable(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = _beside(path, f".tmp{path.suffix}", stem=path.stem)
            temporary.open("xb").close()
        try:
            yield temporary
            to_disk(temporary)
            _take_mode(temporary, path)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def _place_of_a_file(path: Path) -> Path:
    """`path`, or where it leads: a rename over a link would take the link away, and one over `/dev/null` the device.

    Raises:
        InputError: there is something that is no file.
    """
    if path.is_dir():
        raise InputError(f"cannot write {path}: it is a folder; name a file")
    try:
        regular = stat.S_ISREG(path.stat().st_mode)
    except (OSError, ValueError):
        regular = True  # nothing there, or what writing it will tell
    if not regular:
        raise InputError(f"cannot write {path}: it is a device or a pipe; name a file, or leave the option out")
    return Path(os.path.realpath(path)) if path.is_symlink() else path  # Path.resolve fails where links go round


def to_disk(path: Path) -> None:
    """Waits until the content is on the disk: some file systems otherwise rename first and write after a power cut."""
    handle = os.open(path, os.O_RDWR)  # Windows flushes only what may be written
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _beside(path: Path, suffix: str, *, stem: str) -> Path:
    """A name that is not taken. What is made there has the permissions of the umask, unlike `tempfile`'s."""
    return path.with_name(f".{stem}-{secrets.token_hex(4)}{suffix}")


def _take_mode(temporary: Path, path: Path) -> None:
    """Gives `temporary` the permissions of what it is about to replace, if there is something."""
    with contextlib.suppress(FileNotFoundError):
        temporary.chmod(stat.S_IMODE(path.stat().st_mode))


@contextlib.contextmanager
def told_when_full(path: Path) -> Iterator[None]:
    """Names `path` when the block fails because a disk, a quota or a limit on file sizes is reached.

    Raises:
        DiskFullError: there is no room.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise DiskFullError(f"no room to write {path} ({os.strerror(error.errno)}): free space on that disk") from error


@contextlib.contextmanager
def told_when_unwritable(path: Path) -> Iterator[None]:
    """Names `path` when its folder cannot be made or nothing can be put into it.

    Raises:
        InputError: it cannot.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise
        raise InputError(f"cannot write {path}: {error.strerror} ({error.filename}); name another place") from error


def try_out(path: Path) -> None:
    """Makes sure that a small text file can be written to `path` now; leaves nothing there.

    Raises:
        DiskFullError, InputError: as for `write_text`.
    """
    path = _place_of_a_file(path)
    _spare_pictures(path)
    made = [folder for folder in path.parents if not folder.exists()]
    with told_when_full(path), told_when_unwritable(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = _beside(path, ".tmp", stem=path.stem)
            try:
                temporary.write_bytes(bytes(4096))
                to_disk(temporary)
            finally:
                temporary.unlink(missing_ok=True)
        finally:
            for folder in made:  # the innermost first; what another process put there keeps it
                with contextlib.suppress(OSError):
                    folder.rmdir()


def _spare_pictures(path: Path) -> None:
    """A report named as a photograph by a slip of the tab key is not to take its place.

    Raises:
        InputError: a picture is there.
    """
    kind = kind_of_file(path) if path.is_file() else ""
    if kind:
        raise InputError(f"cannot write {path}: it is a picture ({kind}), which text would replace; name another file")


def write_bytes(path: Path, content: bytes) -> None:
    """Writes `content` to `path`, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, content: str) -> None:
    """Writes `content` as UTF-8 to `path`, whole or not at all.

    Raises:
        DiskFullError: no room; what was at `path` stays.
        InputError: `path` is a picture, a folder, a device or a pipe, or cannot be written.
    """
    _spare_pictures(path)
    write_bytes(path, content.encode("utf-8"))


def write_json(path: Path, content: Any) -> None:
    """Writes `content` as indented JSON, whole or not at all. NaN is refused: it is not JSON."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


@contextlib.contextmanager
def new_folder(path: Path, *, replace: bool = False) -> Iterator[Path]:
    """Yields a temporary folder beside `path` that becomes `path` when the block ends without an error.

    Args:
        path: The folder.
        replace: Put it in the place of a folder that is there already.

    Raises:
        InputError: `path` exists and is not an empty folder (nothing of it is touched), is the current one or one
            above it, or cannot be made.
    """
    if path.is_symlink() or path.name in ("", ".."):
        path = Path(os.path.realpath(path))
    if path.exists() and (not path.is_dir() or (any(path.iterdir()) and not replace)):
        raise InputError(f"output {path} exists and is not empty: choose another folder or remove it first")
    if path.is_dir() and any(path.samefile(place) for place in (Path(), *Path(os.path.realpath(".")).parents)):
        raise InputError(f"output {path} is the folder you are in, and would be replaced: name a new one in it")
    with told_when_unwritable(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = _beside(path, ".tmp", stem=path.name)
        temporary.mkdir()
    try:
        yield temporary
        _take_mode(temporary, path)
        if path.exists():
            # Moved aside rather than removed first, so that at every moment one of the two is whole.
            old = _beside(path, ".old", stem=path.name)
            path.replace(old)
            temporary.replace(path)
            shutil.rmtree(old)
        else:
            temporary.replace(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
