"""Which model and which photographs are meant by the words of a command line."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from batikkit import runs
from batikkit.assets.manifest import ASSETS_MANIFEST
from batikkit.errors import InputError
from batikkit.image_kinds import READ_SUFFIXES

Pixels = NDArray[np.uint8]


def split_model(places: Sequence[Path], *, runs_dir: Path) -> tuple[Path, tuple[Path, ...]]:
    """The model and the pictures: the first place where it is a model, else the newest run's.

    Raises:
        InputError: nothing but a model, or no model and no finished run.
    """
    first, rest = places[0], tuple(places[1:])
    known = any((first / name).is_file() for name in (ASSETS_MANIFEST, runs.RUN_FILE))
    if first.suffix == ".tflite" or known or any(first.glob("*.tflite")):
        if not rest:
            raise InputError(f"{first} and no photograph: name photographs, folders or globs behind the model")
        return first, rest
    return runs.newest_run(runs_dir), tuple(places)


def read_pictures(places: Sequence[Path], read: Callable[[Path], Pixels]) -> Iterator[tuple[Path, Pixels | InputError]]:
    """Yields every picture of the places with its pixels, or with the reason why it has none."""
    for place in places:
        try:
            found = list(find_pictures(place))
        except InputError as error:
            yield place, error
            continue
        for image in found:
            try:
                pixels = read(image)
            except InputError as error:
                yield image, error
            else:
                yield image, pixels


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
