"""The bench: every (file, runtime, threads) in a fresh process, in shuffled order, folded into one report."""

from __future__ import annotations

import dataclasses
import random
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

import batikkit
from batikkit.errors import InputError
from batikkit.interpreters import RUNTIMES, find_runtime
from batikkit_benchmarks.children import WorkerError, run_worker, unheard
from batikkit_benchmarks.conditions import Monitor
from batikkit_benchmarks.host import Host, read_host
from batikkit_benchmarks.parity import judge
from batikkit_benchmarks.report import BenchReport, Failure, Latency, Parity, Result, configuration
from batikkit_benchmarks.targets import Selection, Target
from batikkit_benchmarks.validity import problems, remarks
from batikkit_benchmarks.worker import Job


@dataclass(frozen=True)
class Settings:
    """How to measure.

    Attributes:
        runtimes: Names of runtimes; None takes the first that works here.
        threads: Thread counts to measure, one after another.
        warmup: Runs before the measured ones.
        min_runs: At least this many measured runs, and for at least `min_seconds`.
        seed: Shuffles the order of measurement and seeds the bootstrap.
        cpus: Confine each worker to these CPUs; empty leaves it free.
    """

    runtimes: tuple[str, ...] | None = None
    threads: tuple[int, ...] = (1,)
    warmup: int = 10
    min_runs: int = 100
    min_seconds: float = 5.0
    seed: int = 0
    cpus: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        for name, low in (("warmup", 0), ("min_runs", 10), ("min_seconds", 0)):
            if getattr(self, name) < low:
                raise InputError(f"{name} is {getattr(self, name)}: it must be at least {low}")


OFFICIAL_RUNS, OFFICIAL_SECONDS = 1024, 60.0
"""What MLPerf asks of a single-stream latency."""


@dataclass(frozen=True)
class Configuration:
    """One thing to measure."""

    target: Target
    runtime: str
    threads: int

    @property
    def name(self) -> str:
        """`int8 · ai-edge-litert · 1 thread`."""
        return configuration(self.target.variant, self.runtime, self.threads)


def plan(selection: Selection, settings: Settings, host: Host) -> tuple[Configuration, ...]:
    """Every configuration, in the shuffled order of measurement.

    Raises:
        InputError: no runtime works, or more threads or other CPUs are wanted than there are.
    """
    room = len(settings.cpus) or host.usable_cores
    for threads in settings.threads:
        if not 1 <= threads <= room:
            raise InputError(
                f"{threads} threads on {room} usable CPU(s): oversubscribed threads wait for each other and measure "
                f"nothing; ask for 1 to {room}"
            )
    runtimes = settings.runtimes or (find_runtime(),)
    for runtime in runtimes:
        if runtime not in RUNTIMES:
            raise InputError(f"unknown runtime {runtime!r}: choose all or one of {', '.join(RUNTIMES)}")
    configurations = [
        Configuration(target, runtime, threads)
        for target in selection.targets
        for runtime in runtimes
        for threads in settings.threads
    ]
    random.Random(settings.seed).shuffle(configurations)
    return tuple(configurations)


Started = Callable[[Configuration, int, int], None]
Advance = Callable[[int, int], None]


def run_bench(
    selection: Selection,
    settings: Settings,
    *,
    host: Host | None = None,
    started: Started = unheard,
    advance: Advance = unheard,
) -> Iterator[BenchReport]:
    """Measures one configuration after another; yields the report so far after each, the last one complete."""
    host = host or read_host()
    configurations = plan(selection, settings, host)
    report = BenchReport(
        created=datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        batikkit_version=batikkit.__version__,
        source=selection.source,
        settings=_plain(settings),
        host=host,
        results=(),
        complete=False,
    )
    for number, wanted in enumerate(configurations, start=1):
        started(wanted, number, len(configurations))
        try:
            result = measure(wanted, settings, host, advance=advance)
            report = dataclasses.replace(report, results=in_order((*report.results, result), selection))
        except WorkerError as error:
            failure = Failure(
                wanted.target.variant, str(wanted.target.path), wanted.runtime, wanted.threads, reason=str(error)
            )
            report = dataclasses.replace(report, failures=(*report.failures, failure))
        yield dataclasses.replace(report, complete=number == len(configurations))


def measure(wanted: Configuration, settings: Settings, host: Host, *, advance: Advance = unheard) -> Result:
    """Measures one configuration in a process of its own.

    Raises:
        WorkerError: the process gave no result.
    """
    target = wanted.target
    with tempfile.TemporaryDirectory(prefix="batikkit-") as folder:
        job = Job(
            model=str(target.path),
            runtime=wanted.runtime,
            threads=wanted.threads,
            warmup=settings.warmup,
            min_runs=settings.min_runs,
            min_seconds=settings.min_seconds,
            pack=str(target.pack.path) if target.pack else None,
            photographs=None,
            scores=str(Path(folder, "scores.npy")),
            cpus=list(settings.cpus),
        )
        with Monitor() as monitor:
            answer = run_worker(dataclasses.asdict(job), advance=advance)
        parity = _parity(target, Path(job.scores), seed=settings.seed)
    conditions = monitor.conditions()
    reasons = problems(answer["latency_ms"], conditions, host)
    return Result(
        variant=target.variant,
        file=str(target.path),
        sha256=target.model.sha256,
        runtime=wanted.runtime,
        runtime_version=answer["runtime_version"],
        threads=wanted.threads,
        size_bytes=target.model.size_bytes,
        init_ms=answer["init_ms"],
        first_ms=answer["first_ms"],
        latency_ms=Latency(tuple(answer["latency_ms"])),
        pre_ms=answer["pre_ms"],
        post_ms=answer["post_ms"],
        peak_rss_bytes=answer["peak_rss_bytes"],
        baseline_rss_bytes=answer["baseline_rss_bytes"],
        pixels="parity.npz" if target.pack else "noise",
        parity=parity,
        valid=not reasons,
        notes=(*reasons, *remarks(conditions, host)),
        conditions=conditions,
        pinned_cpus=settings.cpus,
    )


def _parity(target: Target, scores: Path, *, seed: int) -> Parity | None:
    if target.pack is None:
        return None
    return judge(
        np.load(scores),
        target.pack.labels,
        labels=target.labels,
        images=target.pack.names,
        source="parity.npz",
        reference=target.pack.probabilities,
        reference_name="keras",
        seed=seed,
    )


def in_order(results: Sequence[Result], selection: Selection) -> tuple[Result, ...]:
    """Results in the order of the files, whatever the order they were measured in."""
    files = [str(target.path) for target in selection.targets]
    return tuple(sorted(results, key=lambda r: (files.index(r.file), RUNTIMES.index(r.runtime), r.threads)))


def _plain(settings: Settings) -> dict[str, Any]:
    return {name: list(v) if isinstance(v, tuple) else v for name, v in dataclasses.asdict(settings).items()}
