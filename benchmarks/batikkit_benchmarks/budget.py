"""Budgets: the limits a result is held against, from options of the command or a `budget.toml`."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from batikkit.errors import InputError
from batikkit.nearest import choices

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@dataclass(frozen=True)
class Limits:
    """Every limit is None until set.

    Attributes:
        max_p90_ms: 90th percentile of the latency.
        max_size_mb: The file, in units of 10^6 bytes.
        max_rss_mb: Peak memory above the runtime's own, in units of 10^6 bytes.
        max_drop: Accuracy lost against the reference, percentage points.
        max_drop_upper: Upper end of its 95 % interval, percentage points: what the images must be able to rule out.
        max_motif_drop: Largest drop of a motif with at least 30 independent images, percentage points.
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
        raise InputError(f"unknown budget {name!r}: {choices(name, budget_names())} or name a .toml file")
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"budget {name} is not TOML: {error}") from error
    return _budget(raw, name)


WORDS = ("title", "source")
"""What a budget says of itself: its name, and where its numbers come from."""


def _budget(raw: dict[str, Any], source: str) -> Budget:
    tables = {key: value for key, value in raw.items() if isinstance(value, dict)}
    general = {key: value for key, value in raw.items() if key not in tables and key not in WORDS}
    variants = {key: _limits(value, f"[{key}] of {source}") for key, value in tables.items()}
    return Budget(_limits(general, source), variants)


def _limits(raw: Mapping[str, Any], source: str) -> Limits:
    known = [f.name for f in dataclasses.fields(Limits)]
    for key, value in raw.items():
        if key not in known:
            raise InputError(f"unknown limit {key!r} in budget {source}: {choices(key, known)}")
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise InputError(f"limit {key} in budget {source} is {value!r}: it must be a number")
    return Limits(**{key: float(value) for key, value in raw.items()})
