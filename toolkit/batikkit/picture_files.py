"""Picture files of a place that somebody names: a file, a folder or a glob."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator
from pathlib import Path

from batikkit.errors import InputError
from batikkit.image_kinds import READ_SUFFIXES


def find_pictures(place: Path) -> Iterator[Path]:
    """The picture files of one place: a file, all that are in a folder however deep, or those that a glob matches.

    A file is taken whatever its name; its content decides. Hidden files and folders are left out.

    Raises:
        InputError: there is none.
    """
    if place.is_dir():
        yield from _nonempty(sorted(_within(place)), f"no pictures in {place}: its files end in none of "
                             f"{', '.join(sorted(READ_SUFFIXES))}")  # fmt: skip
    elif not place.exists() and glob.has_magic(str(place)):
        # Path.glob takes no absolute pattern.
        matched = sorted(glob.glob(str(place), recursive=True))  # noqa: PTH207
        files = [Path(name) for name in matched if Path(name).is_file()]
        yield from _nonempty(files, f"nothing matches {place}: name photographs, or quote the pattern")
    else:
        yield place


def _within(folder: Path) -> Iterator[Path]:
    for parent, children, names in os.walk(folder):
        children[:] = [child for child in children if not child.startswith(".")]
        for name in names:
            if not name.startswith(".") and Path(name).suffix.lower() in READ_SUFFIXES:
                yield Path(parent, name)


def _nonempty(found: list[Path], otherwise: str) -> list[Path]:
    if not found:
        raise InputError(otherwise)
    return found
