"""The bench report: its dataclasses, and the JSON file they are written to and read from.

Schema history:
    1  first version; its drop intervals were bootstraps, which are replaced when it is read
    2  groups and cautions of the test images, `resolution_pp`, reasons of gates
    3  several processes a configuration, what delegates took, predictions for others, the host's identity, `origin`

Raw latency samples are stored; percentiles are derived from them, and written beside them only for other readers.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import types
import typing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from batikkit import atomic
from batikkit.errors import InputError
from batikkit.paired import drop_resolution, paired_drop_interval
from batikkit_benchmarks.conditions import Conditions
from batikkit_benchmarks.delegates import Prediction
from batikkit_benchmarks.delegation import Delegation
from batikkit_benchmarks.host import Host

SCHEMA_VERSION = 3


@dataclass(frozen=True)
class Latency:
    """Times of one step, in milliseconds, in the order they were taken."""

    samples: tuple[float, ...]

    def percentile(self, rank: float) -> float:
        """The sample at `rank` (0..100), interpolated linearly."""
        return float(np.percentile(self.samples, rank))

    @property
    def p50(self) -> float:
        """The median."""
        return self.percentile(50)

    @property
    def p90(self) -> float:
        """Nine of ten runs are at least this fast."""
        return self.percentile(90)

    @property
    def p99(self) -> float:
        """99 of 100 runs are at least this fast."""
        return self.percentile(99)


@dataclass(frozen=True)
class Flip:
    """An image on which this file and the reference name different motifs."""

    image: str
    truth: str
    reference: str
    answer: str
    reference_probability: float
    probability: float


@dataclass(frozen=True)
class MotifDrop:
    """Accuracy on the images of one motif; `drop_pp` in percentage points, None without a reference.

    `groups` counts the independent groups among the images; None where they are not known.
    """

    n: int
    top1: float
    reference_top1: float | None
    drop_pp: float | None
    groups: int | None = None

    @property
    def independent(self) -> int:
        """Images that do not depend on each other, as far as is known."""
        return self.n if self.groups is None else self.groups


@dataclass(frozen=True)
class Parity:
    """How right the file is on this device, and how far from the reference on the very same images.

    Attributes:
        source: What the images were: `parity.npz` or a folder of photographs.
        reference: Whose answers are the reference: `keras`, another variant's name, or None.
        top1: Fraction of images named right; `top1_ci95` is its interval (`accuracy_interval`).
        groups: Independent groups of images, which intervals and tests count; None where they are not known and every
            image counts on its own.
        cautions: What must be known of these figures, one line each.
        drop_pp: Accuracy lost against the reference [percentage points], with its interval (`paired_drop_interval`).
        resolution_pp: Where that interval would end had no answer flipped: no smaller drop can be ruled out here.
        mcnemar_p: Exact two-sided test of the drop, McNemar's or over groups its like.
        agreement: Fraction of images on which both name the same motif.
        max_abs_diff: Largest difference of any probability.
        calibration_error: Expected calibration error over 15 bins, 0..1.
        images_per_s: Rate of the evaluation, decoding included; None for a parity pack.
    """

    source: str
    n: int
    top1: float
    top1_ci95: tuple[float, float]
    calibration_error: float
    per_motif: dict[str, MotifDrop]
    reference: str | None = None
    reference_top1: float | None = None
    drop_pp: float | None = None
    drop_ci95_pp: tuple[float, float] | None = None
    mcnemar_p: float | None = None
    agreement: float | None = None
    max_abs_diff: float | None = None
    reference_calibration_error: float | None = None
    flipped: tuple[Flip, ...] = ()
    images_per_s: float | None = None
    groups: int | None = None
    cautions: tuple[str, ...] = ()
    resolution_pp: float | None = None


@dataclass(frozen=True)
class Result:
    """One (file, runtime, threads), measured in one process or several, each its own. Of several, single figures are
    their median, memory and waiting the largest.

    Attributes:
        init_ms: Constructing the interpreter and allocating its tensors.
        first_ms: The first run, which may still prepare weights.
        latency_ms: The network alone, runs after the warm-up, process by process.
        pre_ms: Median time to turn pixels into the input tensor.
        post_ms: Median time to read and dequantize the output.
        peak_rss_bytes: Peak resident memory above `baseline_rss_bytes`; 0 where it is not known, as in a browser.
        baseline_rss_bytes: Resident memory with the runtime imported and no model loaded.
        pixels: What was fed: `parity.npz`, `photographs`, `golden pictures` or `noise`.
        pinned_cpus: The CPUs the process was confined to; empty when it was not.
        cpu_wait_share: Share of the measured time that each of its threads was ready but waited for a CPU; None where
            the kernel does not count it.
        valid: Whether the latency can be believed; `notes` says why not, and what else should be known.
        process_runs: How many of the samples each process took.
        delegation: What truly ran.
        predictions: Delegate -> what it would leave on the CPU, by published operator tables.
        origin: What tells the file from others of the same variant, such as its folder's name; else empty.
    """

    variant: str
    file: str
    sha256: str
    runtime: str
    runtime_version: str
    threads: int
    size_bytes: int
    init_ms: float
    first_ms: float
    latency_ms: Latency
    pre_ms: float
    post_ms: float
    peak_rss_bytes: int
    baseline_rss_bytes: int
    pixels: str
    parity: Parity | None
    valid: bool
    notes: tuple[str, ...]
    conditions: Conditions
    pinned_cpus: tuple[int, ...] = ()
    cpu_wait_share: float | None = None
    process_runs: tuple[int, ...] = ()
    delegation: Delegation | None = None
    predictions: dict[str, Prediction] = field(default_factory=dict)
    origin: str = ""

    @property
    def title(self) -> str:
        """`int8`, or `int8 (run-a)` where another file is of that variant too."""
        return titled(self.variant, self.origin)

    @property
    def name(self) -> str:
        """`int8 · ai-edge-litert · 1 thread`."""
        return configuration(self.title, self.runtime, self.threads)

    @property
    def process_p50_ms(self) -> tuple[float, ...]:
        """The median of each process, in order."""
        bounds = np.cumsum([0, *(self.process_runs or (len(self.latency_ms.samples),))])
        samples = self.latency_ms.samples
        return tuple(float(np.median(samples[a:b])) for a, b in itertools.pairwise(bounds))

    @property
    def p50_range_ms(self) -> tuple[float, float]:
        """The fastest and the slowest process's median: what the next may well give. One has no range."""
        medians = self.process_p50_ms
        return min(medians), max(medians)


@dataclass(frozen=True)
class Failure:
    """A configuration that gave no result, and why."""

    variant: str
    file: str
    runtime: str
    threads: int
    reason: str


@dataclass(frozen=True)
class Gate:
    """A limit one result was held against.

    Attributes:
        value: None when it could not be measured.
        reason: Why the gate cannot be judged, which fails it: `too few images to tell: ...`, `not valid: ...`,
            `not measured: ...`. Empty where the value speaks for itself.
    """

    name: str
    configuration: str
    limit: float
    value: float | None
    passed: bool
    reason: str = ""


@dataclass(frozen=True)
class BenchReport:
    """Everything one `batikkit bench` learned on one host."""

    created: str
    batikkit_version: str
    source: str
    settings: dict[str, Any]
    host: Host
    results: tuple[Result, ...]
    failures: tuple[Failure, ...] = ()
    gates: tuple[Gate, ...] = ()
    complete: bool = True
    schema_version: int = field(default=SCHEMA_VERSION)


def configuration(variant: str, runtime: str, threads: int) -> str:
    """How one measured configuration is called everywhere."""
    return f"{variant} · {runtime} · {threads} thread{'' if threads == 1 else 's'}"


def titled(variant: str, origin: str) -> str:
    """A variant's name, with what tells it from others of that name."""
    return f"{variant} ({origin})" if origin else variant


def to_json(report: BenchReport) -> dict[str, Any]:
    """The report as plain JSON values, with the derived statistics beside the samples."""
    raw = dataclasses.asdict(report)
    for entry, result in zip(raw["results"], report.results, strict=True):
        samples = result.latency_ms.samples
        entry["latency_ms"] = {
            "samples": [round(sample, 4) for sample in samples],
            "p50": round(result.latency_ms.p50, 4),
            "p90": round(result.latency_ms.p90, 4),
            "p99": round(result.latency_ms.p99, 4),
            "mean": round(float(np.mean(samples)), 4),
            "min": round(min(samples), 4),
            "max": round(max(samples), 4),
            "process_p50": [round(median, 4) for median in result.process_p50_ms],
        }
    return raw


def write_report(path: Path, report: BenchReport) -> None:
    """Writes the report as JSON, whole or not at all."""
    atomic.write_json(path, to_json(report))


def read_report(path: Path) -> BenchReport:
    """Reads a bench report.

    Raises:
        InputError: missing, not JSON, of another schema version, or lacking a field.
    """
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        found = raw.get("schema_version")
        if found not in range(1, SCHEMA_VERSION + 1):
            raise InputError(
                f"{path} has schema_version {found!r}, this batikkit reads 1 to {SCHEMA_VERSION}: bench again"
            )
        report: BenchReport = replace(_build(BenchReport, raw), schema_version=SCHEMA_VERSION)
        if found == 1:
            report = _from_version_1(report)
    except OSError as error:
        raise InputError(f"cannot read bench report {path}: {error.strerror}") from error
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise InputError(f"{path} is not a bench report ({error}): name a file written by 'batikkit bench'") from error
    return report


def _from_version_1(report: BenchReport) -> BenchReport:
    """The report with the drop intervals of this version, which the flipped answers tell; its groups stay unknown."""
    results = tuple(replace(r, parity=_drop_again(r.parity)) if r.parity else r for r in report.results)
    return replace(report, results=results)


def _drop_again(parity: Parity) -> Parity:
    if parity.drop_pp is None:
        return parity
    reference, candidate = np.ones((2, parity.n), np.bool_)
    lost = sum(flip.reference == flip.truth for flip in parity.flipped)
    gained = sum(flip.answer == flip.truth for flip in parity.flipped)
    candidate[:lost] = False
    reference[lost : lost + gained] = False
    return replace(
        parity,
        drop_ci95_pp=paired_drop_interval(reference, candidate),
        resolution_pp=drop_resolution(parity.n),
        cautions=("the bench is of an older batikkit and names no groups: every image counts on its own",),
    )


def _build(kind: Any, raw: Any) -> Any:
    """Rebuilds a dataclass, tuple or dict of `kind` from JSON values; unknown keys (derived figures) are dropped."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        inner = [argument for argument in arguments if argument is not type(None)]
        return None if raw is None else _build(inner[0], raw)
    if dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        needed = [f.name for f in dataclasses.fields(kind) if f.name in raw or _required(f)]
        return kind(**{name: _build(hints[name], raw[name]) for name in needed})  # type: ignore[operator]
    if origin is tuple:
        return tuple(_build(arguments[0], value) for value in raw)
    if origin is dict and arguments[1] is not Any:
        return {key: _build(arguments[1], value) for key, value in raw.items()}
    if kind is float and isinstance(raw, int):
        return float(raw)
    if kind in (str, int, float, bool) and type(raw) is not kind:
        raise ValueError(f"expected {kind.__name__}, found {raw!r}")
    return raw


def _required(entry: dataclasses.Field[Any]) -> bool:
    return entry.default is dataclasses.MISSING and entry.default_factory is dataclasses.MISSING
