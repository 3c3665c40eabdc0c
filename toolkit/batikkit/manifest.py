"""`<variant>.json`: what a `.tflite` file is, where it came from and what was proven of it."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from batikkit import atomic
from batikkit.errors import InputError

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class InputSpec:
    """The input tensor: uint8 or float32 NHWC, raw RGB 0..255."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    scale: float | None
    zero_point: int | None
    color: str = "RGB"
    range: tuple[int, int] = (0, 255)
    resize: str = "stretch-bilinear-antialias"


@dataclass(frozen=True)
class OutputSpec:
    """The output tensor: one probability per label."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    scale: float | None
    zero_point: int | None


@dataclass(frozen=True)
class OpUse:
    """One kind of operator in the file: its version and how often it occurs."""

    version: int
    count: int


@dataclass(frozen=True)
class Calibration:
    """The representative data set.

    Attributes:
        count: How many photographs.
        seed: What drew them.
        sha256: Of `calibration.csv`.
        stability: Largest relative difference of a tensor's range between two disjoint halves of them (0..1).
    """

    count: int
    seed: int
    sha256: str
    stability: float | None = None


@dataclass(frozen=True)
class Proof:
    """How the file answered beside the model it was made from, on photographs of the parity pack.

    Attributes:
        n: How many.
        agreement: Share of them on which both name the same motif (0..1).
        largest_difference: Of any probability (0..1).
        least_agreement: What its variant promises.
        difference_limit: Largest difference it promises; None: none.
        float16_agreement: The agreement when it is computed in float16; None: not promised, or not to be had here.
        kept: That promise was broken, and the user kept the file all the same.
    """

    n: int
    agreement: float
    largest_difference: float
    least_agreement: float
    difference_limit: float | None = None
    float16_agreement: float | None = None
    kept: bool = False


@dataclass(frozen=True)
class Manifest:
    """The passport of one `.tflite` file. See the attributes' classes for units and ranges.

    Attributes:
        proof: How it answered on photographs; None in manifests older than this.
        method: How the file was quantized or compressed, in words.
        gzip_bytes: Size in an archive, of the variants made for that.
        non_integer: What stands between the file and integer-only, one line each.
    """

    run_id: str
    variant: str
    sha256: str
    size_bytes: int
    input: InputSpec
    output: OutputSpec
    labels_sha256: str
    ops: dict[str, OpUse]
    min_runtime: str
    integer_only: bool
    calibration: Calibration | None = None
    tools: dict[str, str] = field(default_factory=dict)
    method: str = ""
    gzip_bytes: int | None = None
    non_integer: tuple[str, ...] = ()
    proof: Proof | None = None
    schema_version: int = SCHEMA_VERSION


def manifest_path(model: Path) -> Path:
    """`<variant>.json` beside `<variant>.tflite`."""
    return model.with_suffix(".json")


def write_manifest(path: Path, manifest: Manifest) -> None:
    """Writes the manifest as JSON, whole or not at all."""
    atomic.write_json(path, dataclasses.asdict(manifest))


def read_manifest(path: Path) -> Manifest:
    """Reads a manifest.

    Raises:
        InputError: missing, not JSON, of another schema version, or lacking a field.
    """
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        if raw.get("schema_version") != SCHEMA_VERSION:
            raise InputError(
                f"{path} has schema_version {raw.get('schema_version')!r}, this batikkit reads {SCHEMA_VERSION}: "
                "export again"
            )
        return manifest_from_raw(raw)
    except OSError as error:
        raise InputError(f"cannot read manifest {path}: {error.strerror}; export again") from error
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise InputError(f"{path} is not a batikkit manifest ({error}); export again") from error


def manifest_from_raw(raw: dict[str, Any]) -> Manifest:
    """A manifest out of its JSON object; `dataclasses.asdict` is the way back.

    Raises:
        KeyError, TypeError, AttributeError, ValueError: it is not one.
    """
    known = {f.name for f in dataclasses.fields(Manifest)}
    values = {name: value for name, value in raw.items() if name in known}
    source, result = raw["input"], raw["output"]
    shape, range_ = _shape(source["shape"], "input", 4), tuple(source["range"])
    values["input"] = InputSpec(**{**source, "shape": shape, "range": range_})
    values["output"] = OutputSpec(**{**result, "shape": _shape(result["shape"], "output", 2)})
    values["ops"] = {name: OpUse(**use) for name, use in raw["ops"].items()}
    values["non_integer"] = tuple(raw.get("non_integer", ()))
    values["calibration"] = Calibration(**raw["calibration"]) if raw.get("calibration") else None
    values["proof"] = Proof(**raw["proof"]) if raw.get("proof") else None
    return Manifest(**values)


def _shape(raw: Any, name: str, sides: int) -> tuple[int, ...]:
    if not isinstance(raw, list) or len(raw) != sides or not all(type(side) is int and side > 0 for side in raw):
        raise ValueError(f"{name} shape {raw!r} is no list of {sides} sizes")
    return tuple(raw)
