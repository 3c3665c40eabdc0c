"""Which model and which photographs are meant by the words of a command line."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from batikkit import runs
from batikkit.assets.manifest import ASSETS_MANIFEST
from batikkit.errors import InputError
from batikkit.picture_files import find_pictures

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
