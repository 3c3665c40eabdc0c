"""`export.json`: what an export folder was made from, so that an export with nothing changed has nothing to do."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from batikkit import atomic
from batikkit.digest import file_sha256
from batikkit.errors import InputError
from batikkit.labels import labels_sha256
from batikkit.manifest import manifest_path, read_manifest
from batikkit_exporters.source import Source, model_sha256

JOURNAL_FILE = "export.json"
SCHEMA_VERSION = 1
_TOOLS = ("batikkit", "tensorflow", "tf_keras", "numpy")


def fingerprint(source: Source, options: Mapping[str, Any]) -> str:
    """Hash over everything that decides what the files become: model, labels, split, options and tools."""
    facts = {
        "model": model_sha256(source.model),
        "labels": labels_sha256(source.labels),
        "split": source.split_sha256(),
        "options": dict(sorted(options.items())),
        "tools": tools(),
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def tools() -> dict[str, str]:
    """Versions of what makes the files."""
    found = {}
    for name in _TOOLS:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "absent"
    return found


def up_to_date(folder: Path, variant: str, wanted: str) -> bool:
    """Whether a variant was made from the same things, and its file is still the one its manifest describes."""
    path = folder / f"{variant}.tflite"
    if _read(folder).get(variant) != wanted or not path.is_file():
        return False
    try:
        manifest = read_manifest(manifest_path(path))
    except InputError:
        return False
    return file_sha256(path) == manifest.sha256


def record(folder: Path, variant: str, made_from: str) -> None:
    """Notes what a finished variant was made from."""
    variants = {**_read(folder), variant: made_from}
    atomic.write_json(folder / JOURNAL_FILE, {"schema_version": SCHEMA_VERSION, "made_from": variants})


def _read(folder: Path) -> dict[str, str]:
    """Variant -> fingerprint; empty when there is no journal that this version can read."""
    try:
        content = json.loads((folder / JOURNAL_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(content, dict) or content.get("schema_version") != SCHEMA_VERSION:
        return {}
    return {str(name): str(value) for name, value in content.get("made_from", {}).items()}
