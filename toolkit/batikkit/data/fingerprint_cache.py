"""What was learned about the files of a data set, kept between runs so that a second look is quick.

Beside the set in `.batikkit-cache/` when that folder may be written, else in the user's cache folder. An entry counts
only while its file's size and time of change are the same. A damaged or foreign cache is ignored, never an error.
"""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from batikkit import atomic
from batikkit.data.cloth_look import COLOURS, SCALES, ClothLook
from batikkit.data.fingerprint import COLOUR_SIDE, ORIENTATIONS, TONE_SIDE, Fingerprint
from batikkit.data.inspection import Inspection
from batikkit.errors import BatikkitError

FOLDER = ".batikkit-cache"
FILE = "fingerprints.npz"
SCHEMA_VERSION = 4
_FACTS = ("path", "size_bytes", "mtime_ns", "sha256", "format", "mode", "width", "height", "animated", "orientation")


@dataclass(frozen=True)
class Groups:
    """Groups of a set's images: int64 [N], the smallest index of each one's group, and what they were computed from."""

    key: str = ""
    first: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))


@dataclass(frozen=True)
class Cache:
    """What a cache file holds.

    Attributes:
        known: Relative path -> its inspection.
        texture: Name of what described the cloths; empty where nothing did.
        copies: As `duplicates.find_copies` returned them.
        cloths: As `cloths.find_cloths` returned them.
    """

    known: dict[str, Inspection] = field(default_factory=dict)
    texture: str = ""
    copies: Groups = Groups()
    cloths: Groups = Groups()

    def described_by(self, texture: str) -> dict[str, Inspection]:
        """What is known, without looks of cloths that another texture described."""
        if texture == self.texture:
            return self.known
        return {path: replace(item, cloth=None) for path, item in self.known.items()}


def cache_file(root: Path) -> Path:
    """Where the cache of a data set lies: beside the set if that can be written, else under the user's cache folder."""
    beside = root / FOLDER
    if not beside.is_symlink() and _may_be_written(beside if beside.is_dir() else root):
        return beside / FILE
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    name = hashlib.sha256(os.fsencode(root.resolve())).hexdigest()[:16]
    return base / "batikkit" / name / FILE


def read_cache(file: Path) -> Cache:
    """Reads a cache; an empty one when the file is missing, damaged or of another version."""
    try:
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
            facts = json.loads(stored["facts"].tobytes())
            if facts["schema_version"] != SCHEMA_VERSION:
                return Cache()
            arrays = {name: stored[name] for name in stored.files if name != "facts"}
        if not _fits(arrays, len(facts["files"])):
            return Cache()
        known = {row[0]: _inspection(row, index, arrays) for index, row in enumerate(facts["files"])}
        groups = (Groups(str(facts[f"{name}_key"]), arrays[name]) for name in ("copies", "cloths"))
        return Cache(known, str(facts["texture"]), *groups)
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
        return Cache()


def _inspection(row: list[Any], index: int, arrays: Mapping[str, NDArray[Any]]) -> Inspection:
    cloth = None
    if arrays["described"][index]:
        cloth = ClothLook(arrays["cloth_texture"][index], arrays["cloth_colours"][index])
    look = Fingerprint(arrays["hashes"][index], arrays["tone"][index], arrays["colour"][index])
    *facts, circumstances = row
    told = dict(zip(_FACTS, facts, strict=True))
    return Inspection(**told, look=look, cloth=cloth, circumstances=tuple(circumstances))


def write_cache(file: Path, inspections: Sequence[Inspection], *, texture: str, copies: Groups, cloths: Groups) -> None:
    """Writes a cache, whole or not at all; a folder that cannot be written is silently left without one."""
    count = len(inspections)
    facts = {
        "schema_version": SCHEMA_VERSION,
        "texture": texture,
        "copies_key": copies.key,
        "cloths_key": cloths.key,
        "files": [[*(getattr(item, name) for name in _FACTS), item.circumstances] for item in inspections],
    }
    arrays: dict[str, Any] = {
        "facts": np.frombuffer(json.dumps(facts).encode("utf-8"), np.uint8),
        "hashes": np.array([i.look.hashes for i in inspections], np.uint64).reshape(count, ORIENTATIONS),
        "tone": np.array([i.look.tone for i in inspections], np.uint8).reshape(count, TONE_SIDE, TONE_SIDE),
        "colour": np.array([i.look.colour for i in inspections], np.uint8).reshape(count, COLOUR_SIDE, COLOUR_SIDE, 3),
        "copies": copies.first,
        "cloths": cloths.first,
        **_looks(inspections),
    }
    try:
        with atomic.replacing(file) as temporary, temporary.open("wb") as stream:
            np.savez(stream, **arrays)
    except (OSError, BatikkitError):  # a cache is a convenience: a full disk is no reason to stop
        return


def _looks(inspections: Sequence[Inspection]) -> dict[str, NDArray[Any]]:
    looks = [item.cloth for item in inspections]
    width = max((look.texture.shape[1] for look in looks if look), default=0)
    blank = ClothLook(np.zeros((SCALES, width), np.float16), np.zeros(COLOURS, np.float16))
    filled = [look or blank for look in looks]
    return {
        "described": np.array([look is not None for look in looks], bool),
        "cloth_texture": np.array([x.texture for x in filled], np.float16).reshape(len(looks), SCALES, width),
        "cloth_colours": np.array([x.colours for x in filled], np.float16).reshape(len(looks), COLOURS),
    }


def _may_be_written(folder: Path) -> bool:
    """Root may write anywhere, so the folder's own mode is asked as well: a set marked read-only stays untouched."""
    try:
        return bool(folder.stat().st_mode & 0o222) and os.access(folder, os.W_OK)
    except OSError:
        return False


def _fits(arrays: Mapping[str, NDArray[Any]], count: int) -> bool:
    width = arrays["cloth_texture"].shape[-1]
    wanted = {
        "hashes": ((count, ORIENTATIONS), np.uint64),
        "tone": ((count, TONE_SIDE, TONE_SIDE), np.uint8),
        "colour": ((count, COLOUR_SIDE, COLOUR_SIDE, 3), np.uint8),
        "described": ((count,), np.bool_),
        "cloth_texture": ((count, SCALES, width), np.float16),
        "cloth_colours": ((count, COLOURS), np.float16),
    }
    return all(arrays[n].shape == shape and arrays[n].dtype == kind for n, (shape, kind) in wanted.items())
