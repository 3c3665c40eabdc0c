"""Decoded images in a disk-backed array: each file is decoded once, however many epochs look at it."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from batikkit.console import Advance
from batikkit.data.disk_array import new_array
from batikkit.images import load_pixels
from batikkit.processors import worker_count


def decode_to_disk(
    files: Sequence[Path], image_size: int, store: Path, *, advance: Advance | None = None
) -> NDArray[np.uint8]:
    """Decodes `files` in parallel into a memory-mapped uint8 [N, image_size, image_size, 3] at `store`.

    Raises:
        InputError: a file became unreadable since the scan.
        DiskFullError: there is no room for them.
    """
    shape = (len(files), image_size, image_size, 3)
    pixels = new_array(store, dtype=np.uint8, shape=shape)

    def decode(index: int) -> None:
        pixels[index] = load_pixels(files[index], image_size)

    with ThreadPoolExecutor(worker_count()) as pool:
        for done, _ in enumerate(pool.map(decode, range(len(files))), 1):
            if advance:
                advance(done, len(files))
    return pixels
