"""Limits a result is held against: options of the command, or a `budget.toml`."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from batikkit.errors import InputError
from batikkit_benchmarks.report import Gate, Result

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

MOTIF_IMAGES = 30
"""A motif with fewer test images than this is not gated: one image would be more than three points."""


@dataclass(frozen=True)
class Limits:
    """Every limit is None until set.

    Attributes:
        max_p90_ms: 90th percentile of the latency.
        max_size_mb: The file, in units of 10^6 bytes.
        max_rss_mb: Peak memory above the runtime's own, in units of 10^6 bytes.
        max_drop: Accuracy lost against the reference, percentage points.
        max_drop_upper: Upper end of its 95 % interval, percentage points.
        max_motif_drop: Largest drop of a motif with at least 30 images, percentage points.
        min_agreement: Fraction of images named as the reference names them, 0..1.
        min_top1: Fraction of images named right, 0..1.
    """

    max_p90_ms: float | None = None
    max_size_mb: float | None = None
    max_rss_mb: float | None = None
    max_drop: float | None = None
    max_drop_upper: float | None = None
    max_motif_drop: float | None = None
    min_agreement: float | None = None
    min_top1: float | None = None

    def __post_init__(self) -> None:
        for name in ("min_agreement", "min_top1"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1:
                raise InputError(f"{name} is {value:g}: give a fraction from 0 to 1, such as 0.97")


@dataclass(frozen=True)
class Budget:
    """Limits for every variant, and others for some."""

    everywhere: Limits = Limits()
    variants: Mapping[str, Limits] = dataclasses.field(default_factory=dict)

    def limits(self, variant: str) -> Limits:
        """What holds for a variant: its own limits, else the general ones."""
        own = self.variants.get(variant, Limits())
        return merge(self.everywhere, own)


def merge(base: Limits, over: Limits) -> Limits:
    """`base`, replaced by whatever `over` sets."""
    changes = {f.name: v for f in dataclasses.fields(Limits) if (v := getattr(over, f.name)) is not None}
    return dataclasses.replace(base, **changes)


def budget_names() -> tuple[str, ...]:
    """The budgets that ship with batikkit."""
    folder = resources.files("batikkit_benchmarks") / "budgets"
    return tuple(sorted(entry.name[:-5] for entry in folder.iterdir() if entry.name.endswith(".toml")))


def read_budget(name: str) -> Budget:
    """A budget by name, or from a `.toml` file.

    Raises:
        InputError: unknown name, unreadable file, unknown limit or a value that is no number.
    """
    if name in budget_names():
        text = (resources.files("batikkit_benchmarks") / "budgets" / f"{name}.toml").read_text(encoding="utf-8")
    elif name.endswith(".toml"):
        try:
            text = Path(name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"cannot read budget {name}: {getattr(error, 'strerror', None) or error}") from error
    else:
        raise InputError(f"unknown budget {name!r}: choose {', '.join(budget_names())} or name a .toml file")
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"budget {name} is not TOML: {error}") from error
    return _budget(raw, name)


def _budget(raw: dict[str, Any], source: str) -> Budget:
    tables = {key: value for key, value in raw.items() if isinstance(value, dict)}
    general = {key: value for key, value in raw.items() if key not in tables and key != "title"}
    variants = {key: _limits(value, f"[{key}] of {source}") for key, value in tables.items()}
    return Budget(_limits(general, source), variants)


def _limits(raw: Mapping[str, Any], source: str) -> Limits:
    known = [f.name for f in dataclasses.fields(Limits)]
    for key, value in raw.items():
        if key not in known:
            raise InputError(f"unknown limit {key!r} in budget {source}: known are {', '.join(known)}")
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise InputError(f"limit {key} in budget {source} is {value!r}: it must be a number")
    return Limits(**{key: float(value) for key, value in raw.items()})


MEASURES: Mapping[str, Callable[[Result], float | None]] = {
    "max_p90_ms": lambda result: result.latency_ms.p90,
    "max_size_mb": lambda result: result.size_bytes / 1e6,
    "max_rss_mb": lambda result: result.peak_rss_bytes / 1e6,
    "max_drop": lambda result: result.parity.drop_pp if result.parity else None,
    "max_drop_upper": lambda result: (
        result.parity.drop_ci95_pp[1] if result.parity and result.parity.drop_ci95_pp else None
    ),
    "max_motif_drop": lambda result: _worst_motif(result),
    "min_agreement": lambda result: result.parity.agreement if result.parity else None,
    "min_top1": lambda result: result.parity.top1 if result.parity else None,
}


def _worst_motif(result: Result) -> float | None:
    if result.parity is None or result.parity.reference is None:
        return None
    drops = [motif.drop_pp for motif in result.parity.per_motif.values() if motif.n >= MOTIF_IMAGES]
    return max((drop for drop in drops if drop is not None), default=0.0)


def check(results: Iterable[Result], budget: Budget) -> tuple[Gate, ...]:
    """Holds every result against its limits; what could not be measured fails."""
    gates = []
    for result in results:
        limits = budget.limits(result.variant)
        for name, measure in MEASURES.items():
            limit = getattr(limits, name)
            if limit is None:
                continue
            value = measure(result)
            passed = value is not None and (value <= limit if name.startswith("max") else value >= limit)
            gates.append(Gate(name, result.name, limit, None if value is None else round(value, 6), passed))
    return tuple(gates)
