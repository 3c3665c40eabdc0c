"""Arrays on disk whose space is reserved before anything is written to them.

A sparse file mapped into memory kills the process (SIGBUS) when the disk fills up under it; with the space reserved
first, a full disk is an error with a name, and everything written before stays as it was.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from batikkit import atomic, operating_system


def new_array(path: Path, *, dtype: DTypeLike, shape: tuple[int, ...]) -> NDArray[Any]:
    """A memory-mapped array [*shape] of `dtype` at `path`, its disk space reserved.

    Raises:
        DiskFullError: there is no room for it; nothing is left at `path`.
    """
    try:
        with atomic.told_when_full(path):
            _reserve(path, dtype, shape)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return np.lib.format.open_memmap(path, mode="r+")


def _reserve(path: Path, dtype: DTypeLike, shape: tuple[int, ...]) -> None:
    facts = {"descr": np.lib.format.dtype_to_descr(np.dtype(dtype)), "fortran_order": False, "shape": shape}
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    with path.open("wb") as file:
        np.lib.format.write_array_header_2_0(file, facts)
        file.flush()
        operating_system.reserve(file, size)
