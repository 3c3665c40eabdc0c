"""`manifest.json` of the drop-in folder: every file's hash, every model's passport, and when to say "not sure"."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from batikkit import atomic
from batikkit.assets.rejection import Rejection
from batikkit.errors import InputError
from batikkit.manifest import Manifest, manifest_from_raw
from batikkit.nearest import choices

ASSETS_MANIFEST = "manifest.json"
SCHEMA_VERSION = 1

TOLERANCE = {"float32": 0.002, "float16": 0.01, "dynamic": 0.06, "int8": 0.08, "int16x8": 0.03}
"""Largest accepted difference of any score between runtimes and processors on the same pixels (0..1).

Measured between x86 and ARM, and between runtimes ten versions apart: 3e-6 for float files, 0.06 for int8 ones, whose
kernels round differently. float16 leaves room for processors that compute in half precision.
"""


@dataclass(frozen=True)
class AssetVariant:
    """One model of the folder.

    Attributes:
        file: Its name in the folder.
        tolerance: Largest accepted difference of a score on the same pixels (0..1).
        manifest: What the exporter proved of it.
    """

    file: str
    tolerance: float
    manifest: Manifest

    @property
    def name(self) -> str:
        """`int8`, `float16`, ..."""
        return self.manifest.variant


@dataclass(frozen=True)
class AssetsManifest:
    """The folder's table of contents.

    Attributes:
        labels: In output order.
        variants: The models, most precise first.
        rejection: When to answer "not sure".
        files: SHA-256 of every other file, by POSIX path in the folder.
        tools: Versions of what drew the golden vectors.
    """

    labels: tuple[str, ...]
    variants: tuple[AssetVariant, ...]
    rejection: Rejection
    files: dict[str, str]
    tools: dict[str, str]
    schema_version: int = SCHEMA_VERSION

    @property
    def image_size(self) -> int:
        """Side of the models' input [pixels]."""
        return self.variants[0].manifest.input.shape[1]

    def variant(self, name: str) -> AssetVariant:
        """The model of that variant.

        Raises:
            InputError: there is none.
        """
        for variant in self.variants:
            if variant.name == name:
                return variant
        raise InputError(f"no variant {name!r} in this folder: {choices(name, [v.name for v in self.variants])}")


def write_assets_manifest(folder: Path, manifest: AssetsManifest) -> None:
    """Writes `manifest.json` into the folder."""
    atomic.write_json(folder / ASSETS_MANIFEST, dataclasses.asdict(manifest))


def read_assets_manifest(folder: Path) -> AssetsManifest:
    """Reads `manifest.json`.

    Raises:
        InputError: missing, not JSON, of another schema version, or lacking a field.
    """
    path = folder / ASSETS_MANIFEST
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        if raw["schema_version"] != SCHEMA_VERSION:
            raise InputError(
                f"{path} has schema_version {raw['schema_version']!r}: this batikkit reads {SCHEMA_VERSION}"
            )
        return _from_raw(raw)
    except OSError as error:
        raise InputError(
            f"{folder} is not a folder of assets (no {ASSETS_MANIFEST}): make one with 'batikkit assets'"
        ) from error
    except (KeyError, TypeError, AttributeError, ValueError, IndexError, RecursionError) as error:
        raise InputError(f"{path} is damaged ({error!r}): make the folder again with 'batikkit assets'") from error


def _from_raw(raw: dict[str, Any]) -> AssetsManifest:
    variants = tuple(
        AssetVariant(
            inside(str(v["file"])), _within(v["tolerance"], "tolerance", 0, 1), manifest_from_raw(v["manifest"])
        )
        for v in raw["variants"]
    )
    if not variants:
        raise ValueError("no variants")
    if not isinstance(raw["labels"], list):
        raise ValueError("labels are no list")
    rule = raw["rejection"]
    return AssetsManifest(
        labels=tuple(str(label) for label in raw["labels"]),
        variants=variants,
        rejection=Rejection(
            temperature=_within(rule["temperature"], "temperature", 1e-3, 1e3),
            threshold=_within(rule["threshold"], "threshold", 0, 1),
        ),
        files={inside(str(name)): str(digest) for name, digest in raw["files"].items()},
        tools=dict(raw["tools"]),
    )


def inside(name: str) -> str:
    """A POSIX path that a folder lists for a file of its own.

    Raises:
        ValueError: it leads out of the folder, so that another's file would be read, or handed on.
    """
    if not name or "\0" in name or "\\" in name or ".." in name.split("/") or name.startswith("/") or name[1:2] == ":":
        raise ValueError(f"{name!r} is no path in the folder")
    return name


def _within(value: object, name: str, least: float, most: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise ValueError(f"{name} {value!r} is no number from {least:g} to {most:g}")
    return float(value)


def find_variant(model: Path) -> AssetVariant | None:
    """The entry of a model in the `manifest.json` beside it; None where there is no such manifest or entry.

    Raises:
        InputError: the manifest is damaged.
    """
    if not (model.parent / ASSETS_MANIFEST).is_file():
        return None
    found = [v for v in read_assets_manifest(model.parent).variants if v.file == model.name]
    return found[0] if found else None
