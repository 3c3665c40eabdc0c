"""One row of numbers for each photograph, made once by a frozen network and kept beside the set."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from batikkit import atomic
from batikkit.console import Advance
from batikkit.data.fingerprint_cache import cache_file
from batikkit.data.inspection import Inspection
from batikkit.errors import BatikkitError, InputError
from batikkit.images import load_pixels
from batikkit.processors import worker_count

FEATURE_SIDE = 448
"""Photographs are stretched to this side [pixels] before they are described."""

SCHEMA_VERSION = 1
_AT_ONCE = 32


class Describer(Protocol):
    """Describes what photographs show."""

    @property
    def name(self) -> str:
        """What describes, for reports and caches."""

    def __call__(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Float32 [N, D] from uint8 [N, FEATURE_SIDE, FEATURE_SIDE, 3], RGB."""


class Known(Protocol):
    """A photograph whose content is known: an inspection or a sample."""

    @property
    def path(self) -> str:
        """Relative to the data set's folder."""

    @property
    def sha256(self) -> str:
        """Of the file's bytes."""


def features_of(
    root: Path,
    photographs: Sequence[Known],
    describer: Describer,
    *,
    cache: bool = True,
    advance: Advance | None = None,
) -> NDArray[np.float32]:
    """Describes photographs, float32 [N, D]; those whose content was described before are taken from the cache.

    Args:
        root: The data set's folder.
        photographs: Readable a moment ago.
        describer: A network.
        cache: Keep features between runs.
        advance: Called with (done, total).

    Raises:
        InputError: a photograph has vanished.
    """
    file = _file(root, describer)
    known = _read(file) if cache else {}
    new = {item.sha256: item.path for item in photographs if item.sha256 not in known}
    paths = list(new.values())
    with ThreadPoolExecutor(worker_count()) as pool:
        for start in range(0, len(paths), _AT_ONCE):
            part = paths[start : start + _AT_ONCE]
            pictures = np.stack(list(pool.map(lambda path: load_pixels(root / path, FEATURE_SIDE), part)))
            rows = describer(pictures).astype(np.float16)
            known.update(zip(list(new)[start : start + _AT_ONCE], rows, strict=True))
            if advance:
                advance(min(start + _AT_ONCE, len(paths)), len(paths))
    if cache and new:
        _write(file, known)
    return np.stack([known[item.sha256] for item in photographs]).astype(np.float32)


def cloth_features(inspections: Sequence[Inspection]) -> NDArray[np.float32]:
    """What was seen of the cloths, float32 [N, D]: without a network, and it tells motifs less well.

    Raises:
        InputError: nobody looked at the cloths.
    """
    looks = [item.cloth for item in inspections]
    if any(look is None for look in looks):
        raise InputError("nothing describes the photographs: give a network with --weights, or leave --unit cloth")
    rows = [np.concatenate([look.texture.mean(axis=0), look.colours]) for look in looks if look is not None]
    return np.stack(rows).astype(np.float32)


def _file(root: Path, describer: Describer) -> Path:
    return cache_file(root).with_name(f"features-{hashlib.sha256(describer.name.encode()).hexdigest()[:12]}.npz")


def _read(file: Path) -> dict[str, NDArray[np.float16]]:
    """Digest of a photograph -> its row; empty where the file is missing, damaged or of another version."""
    try:
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
            facts = json.loads(stored["facts"].tobytes())
            rows = stored["rows"]
        usable = facts["schema_version"] == SCHEMA_VERSION and rows.dtype == np.float16 and rows.ndim == 2
        return dict(zip(facts["photographs"], rows, strict=True)) if usable else {}
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
        return {}


def _write(file: Path, known: dict[str, NDArray[np.float16]]) -> None:
    facts = {"schema_version": SCHEMA_VERSION, "photographs": list(known)}
    content = np.frombuffer(json.dumps(facts).encode(), np.uint8)
    try:
        with atomic.replacing(file) as temporary, temporary.open("wb") as stream:
            np.savez(stream, facts=content, rows=np.stack(list(known.values())))
    except (OSError, BatikkitError):  # a cache is a convenience: a full disk is no reason to stop
        return
