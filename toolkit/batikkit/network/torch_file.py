"""Tensors of a PyTorch checkpoint, read without PyTorch and without running what the file says.

The layout is that of releases before 1.6: four pickles (a magic number, a version, facts of the machine, the tensors'
names and places), then the keys of the storages, then each storage as a count and its numbers.
"""

from __future__ import annotations

import collections
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from batikkit.errors import InputError, first_line

_TYPES = {"FloatStorage": np.float32, "LongStorage": np.int64}
_MAGIC = 0x1950A86A20F9469CFC6C


@dataclass(frozen=True)
class _Place:
    """Where a tensor lies: its storage's key and type, first element, shape, and strides in elements."""

    key: str
    kind: type[np.generic]
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def _place(
    storage: tuple[str, type[np.generic]], offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: Any
) -> _Place:
    """What a checkpoint calls to make a tensor."""
    return _Place(*storage, int(offset), tuple(map(int, shape)), tuple(map(int, strides)))


class _Reader(pickle.Unpickler):
    """Knows the three names that a file of tensors needs, and refuses every other."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _place
        if module == "torch" and name in _TYPES:
            return _TYPES[name]
        raise pickle.UnpicklingError(f"it asks for {module}.{name}")

    def persistent_load(self, pid: Any) -> Any:
        _kind, kind, key, *_ = pid
        return key, kind


def read_tensors(path: Path) -> dict[str, NDArray[np.generic]]:
    """Name -> array of every tensor.

    Raises:
        InputError: there is no such file, or it is no such checkpoint.
    """
    try:
        with path.open("rb") as file:
            return _read(file)
    except OSError as error:
        raise InputError(f"no weight file {path}: {error.strerror}; name another with --weights PATH") from error
    except (pickle.UnpicklingError, ValueError, EOFError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise InputError(f"weights {path} are no PyTorch checkpoint of tensors: {first_line(error)[:120]}") from error


def _read(file: BinaryIO) -> dict[str, NDArray[np.generic]]:
    if _Reader(file).load() != _MAGIC:
        raise ValueError("another layout")
    for _ in range(2):
        _Reader(file).load()
    places: dict[str, _Place] = dict(_Reader(file).load())
    kinds = {place.key: np.dtype(place.kind) for place in places.values()}
    storages = {}
    for key in _Reader(file).load():
        count = int.from_bytes(file.read(8), "little")
        size = count * kinds[key].itemsize
        content = file.read(size)
        if len(content) != size:
            raise EOFError("it ends too soon")
        storages[key] = np.frombuffer(content, kinds[key])
    return {name: _tensor(storages[place.key], place) for name, place in places.items()}


def _tensor(storage: NDArray[np.generic], place: _Place) -> NDArray[np.generic]:
    last = place.offset + sum((n - 1) * step for n, step in zip(place.shape, place.strides, strict=True))
    if min(place.offset, *place.strides, *place.shape, 0) < 0 or (0 not in place.shape and last >= len(storage)):
        raise ValueError("a tensor reaches beyond its storage")
    steps = [step * storage.itemsize for step in place.strides]
    return np.array(np.lib.stride_tricks.as_strided(storage[place.offset :], place.shape, steps))
