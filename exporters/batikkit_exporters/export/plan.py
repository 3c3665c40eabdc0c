"""What an export is to do, what becomes of it, and what tells one export from another."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path

from batikkit.errors import InputError, VerificationError
from batikkit.manifest import Manifest
from batikkit_exporters.calibration import list_sha256
from batikkit_exporters.export.proof import release
from batikkit_exporters.source.loaded import Source
from batikkit_exporters.variants.variant import Order, Variant

LICENSE = "that of the photographs it was trained on"
IO_DTYPES = ("uint8", "int8")
Report = Callable[[str], None]
_TOOLS = ("batikkit", "tensorflow", "tf_keras", "numpy")
_OF_THE_LADDER = ("target_drop", "target_agreement", "all_rungs")


@dataclass(frozen=True)
class Options:
    """What the user may decide about an export.

    Attributes:
        calibration_size: Photographs in the representative data set.
        calibration: A file or folder that names them instead of drawing them.
        seed: Draws them.
        io: Input dtype of integer variants.
        license: What the files say about their terms of use.
        compat: Oldest runtime that has to load every file, such as `2.14`.
        target_drop: Climb the ladder for `int8` until it loses at most this [percentage points].
        target_agreement: And agrees at least this much (0..1).
        all_rungs: Climb to the end all the same.
        keep: Keep files that break their promise, too.
    """

    calibration_size: int = 200
    calibration: Path | None = None
    seed: int = 0
    io: str = "uint8"
    license: str = LICENSE
    compat: str | None = None
    target_drop: float | None = None
    target_agreement: float = 0.99
    all_rungs: bool = False
    keep: bool = False

    def check(self) -> None:
        """Refuses what cannot be.

        Raises:
            InputError: an unknown dtype, no version, or two options that exclude each other.
        """
        if self.io not in IO_DTYPES:
            raise InputError(f"--io {self.io!r}: choose {' or '.join(IO_DTYPES)}")
        if self.compat is not None:
            release(self.compat)
        if self.target_drop is not None and self.io != "uint8":
            raise InputError(
                f"--io {self.io} with --target-drop: the ladder makes files that take uint8; leave one out"
            )

    def order(self) -> Order:
        """What of it the making of a file depends on."""
        return Order(self.io, self.compat, self.seed)


@dataclass(frozen=True, eq=False)
class Plan:
    """What is still to be made.

    Attributes:
        source: From which.
        options: And how.
        variants: Those that are simply made.
        climbing: Whether the ladder is climbed beside them, for int8 or what comes nearest.
        report: Called with one line per finished step.
    """

    source: Source
    options: Options
    variants: tuple[Variant, ...]
    climbing: bool
    report: Report

    @property
    def calibrates(self) -> bool:
        """Whether calibration photographs are needed."""
        return self.climbing or any(variant.calibrated for variant in self.variants)

    @property
    def trains(self) -> bool:
        """Whether train photographs are needed."""
        return self.climbing or any(variant.trained for variant in self.variants)

    def names(self) -> tuple[str, ...]:
        """Variants of which no older file stays."""
        return (*(variant.name for variant in self.variants), *(("int8", "int16x8") if self.climbing else ()))


def plan_export(source: Source, options: Options, variants: Sequence[Variant], report: Report) -> Plan:
    """The plan for variants that are not there yet."""
    climbing = options.target_drop is not None and any(variant.name == "int8" for variant in variants)
    made = tuple(variant for variant in variants if not (climbing and variant.name == "int8"))
    return Plan(source, options, made, climbing, report)


@dataclass(frozen=True)
class Exported:
    """One finished variant.

    Attributes:
        path: The `.tflite` file.
        manifest: Its passport, with the proof.
        seconds: Of making it.
        shortfall: What is wrong with it, where it was kept all the same; empty: nothing.
    """

    path: Path
    manifest: Manifest
    seconds: float
    shortfall: str = ""


@dataclass(frozen=True)
class Export:
    """What became of the wanted variants: those that are there now, and why the others are not, by name."""

    folder: Path
    exported: tuple[Exported, ...]
    refused: Mapping[str, str]

    def check(self) -> None:
        """Makes sure that everything wanted is there and as good as promised.

        Raises:
            VerificationError: it is not.
        """
        wrong = [*self.refused.values(), *(done.shortfall for done in self.exported if done.shortfall)]
        if wrong:
            raise VerificationError("; ".join(wrong))


def fingerprints(source: Source, sha256: str, options: Options, variants: Iterable[Variant]) -> dict[str, str]:
    """Hash over everything that decides what each variant's file becomes, hex.

    Args:
        source: What is exported.
        sha256: Its own hash, which takes reading the model.
        options: What the user decided.
        variants: Whose.
    """
    facts: dict[str, object] = {**asdict(options), "calibration": None, "source": sha256, "tools": tools()}
    del facts["keep"]
    if options.calibration is not None:
        facts["calibration"] = list_sha256(options.calibration, root=source.root)
    found = {}
    for variant in variants:
        own = facts if variant.name == "int8" else {**facts, **dict.fromkeys(_OF_THE_LADDER)}
        found[variant.name] = hashlib.sha256(json.dumps(own, sort_keys=True).encode()).hexdigest()
    return found


def tools() -> dict[str, str]:
    """Versions of what makes the files."""
    found = {}
    for name in _TOOLS:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "absent"
    return found
