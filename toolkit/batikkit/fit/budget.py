"""What a board may be asked for, what was measured on it, and what of that fits. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from batikkit.errors import InputError
from batikkit.fit.candidates import Candidate

UNITS = {"p90_ms": "ms", "size_mb": "MB", "rss_mb": "MB of memory"}


@dataclass(frozen=True)
class Ceiling:
    """The most that a file may take; None: no limit.

    Attributes:
        p90_ms: 90th percentile of the latency.
        size_mb: The file [10^6 bytes].
        rss_mb: Peak memory above the runtime's own [10^6 bytes].
    """

    p90_ms: float | None = None
    size_mb: float | None = None
    rss_mb: float | None = None

    def __post_init__(self) -> None:
        for name in UNITS:
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise InputError(f"a budget of {value:g} {UNITS[name]} leaves nothing: give a number above 0")

    @property
    def text(self) -> str:
        """`p90 up to 40 ms, 3 MB`."""
        limits = [f"{getattr(self, name):g} {unit}" for name, unit in UNITS.items() if getattr(self, name) is not None]
        return ", ".join(limits) or "no limit"


Budget = Mapping[str, Ceiling]
"""Variant -> its ceiling."""


@dataclass(frozen=True)
class Measured:
    """An untrained network's file on the board.

    Attributes:
        variant: `float16` or `int8`.
        p50_ms: Median latency; `p90_ms` its 90th percentile.
        size_bytes: Of the file.
        rss_bytes: Peak memory above the runtime's own; 0 where it is not known.
        valid: Whether the latency can be believed.
        runtime: Under which it was measured.
        threads: And with how many.
    """

    candidate: Candidate
    variant: str
    p50_ms: float
    p90_ms: float
    size_bytes: int
    rss_bytes: int
    valid: bool
    runtime: str
    threads: int

    @property
    def size_mb(self) -> float:
        """In units of 10^6 bytes."""
        return self.size_bytes / 1e6

    @property
    def rss_mb(self) -> float:
        """In units of 10^6 bytes."""
        return self.rss_bytes / 1e6

    @property
    def title(self) -> str:
        """`mobilenet-v2 0.35, 128 px, int8`."""
        return f"{self.candidate.title}, {self.variant}"

    @property
    def text(self) -> str:
        """`mobilenet-v2 0.35, 128 px, int8: 2.1 ms, 0.64 MB, 2.0 MB of memory`."""
        return f"{self.title}: p90 {self.p90_ms:.1f} ms, {self.size_mb:.2f} MB, {self.rss_mb:.1f} MB of memory"


@dataclass(frozen=True)
class Step:
    """What a larger budget would let in.

    Attributes:
        limit: `p90_ms`, `size_mb` or `rss_mb`.
        needed: Its least value that lets something in that no other limit keeps out.
        found: What that is.
    """

    limit: str
    needed: float
    found: Measured

    @property
    def text(self) -> str:
        """`with 52.1 ms: mobilenet-v2 1.0, 224 px, int8`."""
        return f"with {self.needed:.4g} {UNITS[self.limit]}: {self.found.title}"


def over(row: Measured, budget: Budget) -> dict[str, float]:
    """Limit -> how many times over it the file is; empty: it fits."""
    ceiling = budget.get(row.variant, Ceiling())
    ratios = {name: getattr(row, name) / limit for name in UNITS if (limit := getattr(ceiling, name)) is not None}
    return {name: ratio for name, ratio in ratios.items() if ratio > 1}


def affordable(rows: Iterable[Measured], budget: Budget) -> dict[Candidate, Measured]:
    """Candidate -> its fastest file that fits.

    Raises:
        InputError: none does; the nearest is named.
    """
    rows = tuple(rows)
    found: dict[Candidate, Measured] = {}
    for row in sorted(rows, key=lambda row: row.p90_ms):
        if not over(row, budget):
            found.setdefault(row.candidate, row)
    if not found:
        nearest = min(rows, key=lambda row: max(over(row, budget).values()))
        wanted = budget.get(nearest.variant, Ceiling()).text
        raise InputError(f"nothing fits into {wanted}; the nearest is {nearest.text}: allow for that")
    return found


def next_steps(rows: Sequence[Measured], budget: Budget) -> tuple[Step, ...]:
    """For each limit that alone keeps something out, the least that would let another network in."""
    fitting = {row.candidate for row in rows if not over(row, budget)}
    steps = []
    for limit in UNITS:
        alone = [row for row in rows if list(over(row, budget)) == [limit] and row.candidate not in fitting]
        if alone:
            least = min(alone, key=lambda row: (float(getattr(row, limit)), row.p90_ms))
            steps.append(Step(limit, float(getattr(least, limit)), least))
    return tuple(steps)
