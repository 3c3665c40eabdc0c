"""The pack that travels to a board: an untrained network's files per backbone and width, in one small ZIP archive.

One file stands for all image sizes (`tflite.resized`), and its weights repeat themselves, since nothing is learned and
time does not depend on them: the 48 MB of seven backbones pack to 1.5. Each file is as long as the one that training on
the same motifs and exporting will give.
"""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from batikkit import atomic
from batikkit.errors import InputError
from batikkit.fit.candidates import IMAGE_SIZES, VARIANTS, Candidate, candidates, parse
from batikkit.tflite.resized import resized

SCHEMA_VERSION = 1
PACK_FILE = "pack.json"
_LARGEST = 200_000_000
_DAMAGE = (
    zipfile.BadZipFile, zlib.error, EOFError, ValueError, KeyError, TypeError, NotImplementedError, RuntimeError
)  # fmt: skip
"""What `zipfile` and `json` say of damaged, encrypted and foreign archives."""
_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Pack:
    """Untrained networks.

    Attributes:
        labels: The motifs that the files answer with.
        files: (backbone, width, variant) -> the `.tflite` file, for some image size.
    """

    labels: tuple[str, ...]
    files: Mapping[tuple[str, float, str], bytes]

    def candidates(self, sizes: Iterable[int] = IMAGE_SIZES) -> tuple[Candidate, ...]:
        """What can be measured with it."""
        return candidates(dict.fromkeys((network, alpha) for network, alpha, _ in self.files), sizes)

    def file(self, candidate: Candidate, variant: str) -> bytes:
        """A candidate's file."""
        content = self.files[candidate.network, candidate.alpha, variant]
        return resized(content, candidate.image_size, name=f"{candidate.name}.{variant}")


def write_pack(path: Path, pack: Pack) -> None:
    """Writes the archive, whole or not at all; the same pack gives the same bytes."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        facts = {"schema_version": SCHEMA_VERSION, "labels": list(pack.labels)}
        entries = {PACK_FILE: json.dumps(facts, ensure_ascii=False).encode()}
        for (network, alpha, variant), content in pack.files.items():
            entries[f"{Candidate(network, alpha, IMAGE_SIZES[0]).name}.{variant}.tflite"] = content
        for name, content in entries.items():
            info = zipfile.ZipInfo(name, _EPOCH)
            archive.writestr(info, content, zipfile.ZIP_DEFLATED, compresslevel=9)
    atomic.write_bytes(path, stream.getvalue())


def read_pack(path: Path) -> Pack:
    """Reads the archive.

    Raises:
        InputError: missing, damaged, or of another version.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            facts: dict[str, Any] = json.loads(_entry(archive, PACK_FILE))
            if facts["schema_version"] != SCHEMA_VERSION:
                raise ValueError(f"its schema_version is {facts['schema_version']}, not {SCHEMA_VERSION}")
            files = {_key(name): _entry(archive, name) for name in archive.namelist() if name.endswith(".tflite")}
            labels = tuple(map(str, facts["labels"]))
    except OSError as error:
        raise InputError(f"cannot read pack {path}: {error.strerror or error}") from error
    except _DAMAGE as error:
        raise InputError(f"{path} is no pack ({error}): make one with 'batikkit fit photos/ --pack PACK'") from error
    if not files:
        raise InputError(f"{path} holds no network: make one with 'batikkit fit photos/ --pack PACK'")
    return Pack(labels, files)


def _entry(archive: zipfile.ZipFile, name: str) -> bytes:
    if archive.getinfo(name).file_size > _LARGEST:
        raise ValueError(f"{name} is larger than any network here")
    return archive.read(name)


def _key(name: str) -> tuple[str, float, str]:
    stem, _, variant = name.removesuffix(".tflite").rpartition(".")
    if variant not in VARIANTS:
        raise ValueError(f"{name} is of no variant here")
    candidate = parse(stem)
    return candidate.network, candidate.alpha, variant
