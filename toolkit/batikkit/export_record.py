"""`export.json`: every file of an export folder with its hash, and what each variant was made from. Written last.

An export renames its files one after the other and this one at the end. Killed in between, it leaves a folder whose
files are not those listed here, which is how everybody who reads the folder notices.

Schema version 1 knew fingerprints of variants only; such a folder counts as having no record.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from batikkit import atomic
from batikkit.digest import file_sha256
from batikkit.errors import VerificationError

EXPORT_FILE = "export.json"
SCHEMA_VERSION = 2


@dataclass(frozen=True)
class Origin:
    """What one variant was made from.

    Attributes:
        source: Hash over the model, its labels and its split.
        made_from: Hash over these and the options and tools; empty where the same command has to be done again.
    """

    source: str
    made_from: str


@dataclass(frozen=True)
class ExportRecord:
    """One folder: SHA-256 by file name, and the origins by variant."""

    files: Mapping[str, str] = field(default_factory=dict)
    variants: Mapping[str, Origin] = field(default_factory=dict)


def write_export_record(folder: Path, record: ExportRecord) -> None:
    """Writes the folder's record."""
    atomic.write_json(folder / EXPORT_FILE, {"schema_version": SCHEMA_VERSION, **dataclasses.asdict(record)})


def read_export_record(folder: Path) -> ExportRecord | None:
    """The folder's record; None where there is none that this version can read."""
    try:
        content = json.loads((folder / EXPORT_FILE).read_text(encoding="utf-8"))
        if content["schema_version"] != SCHEMA_VERSION:
            return None
        variants = {str(name): Origin(**origin) for name, origin in content["variants"].items()}
        return ExportRecord({str(name): str(digest) for name, digest in content["files"].items()}, variants)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def is_as_recorded(folder: Path, record: ExportRecord, name: str) -> bool:
    """Whether a file is the one that the record lists."""
    try:
        return record.files.get(name) == file_sha256(folder / name)
    except OSError:
        return False


def check_as_recorded(folder: Path, *names: str) -> None:
    """Makes sure that files which lie in an export folder are the ones its export ended with; nothing without a record.

    Raises:
        VerificationError: one is another.
    """
    record = read_export_record(folder)
    for name in names:
        if record is not None and (folder / name).is_file() and not is_as_recorded(folder, record, name):
            raise VerificationError(
                f"{folder / name} is not the file that {EXPORT_FILE} beside it lists: it was changed, or an export was "
                "interrupted; export again"
            )
