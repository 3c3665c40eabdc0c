"""The bench: every (file, runtime, threads) in a fresh process, in shuffled order, folded into one report."""

from __future__ import annotations

import dataclasses
import random
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import batikkit
from batikkit.data.photographs import Photographs, find_photographs
from batikkit.errors import InputError
from batikkit.processors import allowed_cpus
from batikkit.tflite.interpreters import RUNTIMES, find_runtime
from batikkit_benchmarks.budget import Budget
from batikkit_benchmarks.children import WorkerError, run_worker, unheard
from batikkit_benchmarks.conditions import Conditions, Monitor
from batikkit_benchmarks.doctor import file_cure, needs_newer_runtime
from batikkit_benchmarks.gates import check
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
        seed: Shuffles the order of measurement.
        cpus: Confine each worker to these CPUs; empty leaves it free.
        data: Folder of photographs to evaluate on instead of the parity packs.
    """

    runtimes: tuple[str, ...] | None = None
    threads: tuple[int, ...] = (1,)
    warmup: int = 10
    min_runs: int = 100
    min_seconds: float = 5.0
    seed: int = 0
    cpus: tuple[int, ...] = ()
    data: str | None = None

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


@dataclass(frozen=True)
class Answers:
    """What one configuration said about the test images.

    Attributes:
        scores: float32 [N, C] probabilities; NaN rows where an image could not be read.
        photographs: The images, when they were not those of the parity pack.
        images_per_s: Rate of the evaluation, when photographs were decoded.
    """

    scores: NDArray[np.float32]
    photographs: Photographs | None
    images_per_s: float | None


UNGROUPED_PHOTOGRAPHS = "which photographs of the folder depend on each other is not known: every one counts on its own"

Started = Callable[[Configuration, int, int], None]
Advance = Callable[[int, int], None]


def run_bench(
    selection: Selection,
    settings: Settings,
    *,
    budget: Budget | None = None,
    host: Host | None = None,
    started: Started = unheard,
    advance: Advance = unheard,
) -> Iterator[BenchReport]:
    """Measures one configuration after another; yields the report so far after each, the last one complete."""
    host = host or read_host()
    configurations = plan(selection, settings, host)
    photographs = {target.path: _photographs(target, settings) for target in selection.targets}
    measured: list[tuple[Configuration, Result, Answers | None]] = []
    failures: list[Failure] = []
    created = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    for number, wanted in enumerate(configurations, start=1):
        started(wanted, number, len(configurations))
        try:
            measured.append((wanted, *measure(wanted, settings, host, photographs[wanted.target.path], advance)))
        except WorkerError as error:
            failures.append(_failure(wanted, str(error)))
        results = in_order(with_parity(measured), selection)
        yield BenchReport(
            created=created,
            batikkit_version=batikkit.__version__,
            source=selection.source,
            settings=_plain(settings),
            host=host,
            results=results,
            failures=tuple(failures),
            gates=check(results, budget or Budget()),
            complete=number == len(configurations),
        )


def _photographs(target: Target, settings: Settings) -> Photographs | None:
    return find_photographs(Path(settings.data), target.labels) if settings.data else None


def _failure(wanted: Configuration, reason: str) -> Failure:
    if needs_newer_runtime(reason):
        reason = f"{reason}; {file_cure(reason)}"
    return Failure(wanted.target.variant, str(wanted.target.path), wanted.runtime, wanted.threads, reason)


def measure(
    wanted: Configuration,
    settings: Settings,
    host: Host,
    photographs: Photographs | None = None,
    advance: Advance = unheard,
) -> tuple[Result, Answers | None]:
    """Measures one configuration in a process of its own; the result has no parity yet.

    Raises:
        WorkerError: the process gave no result.
    """
    target = wanted.target
    evaluated = photographs is not None or target.pack is not None
    with tempfile.TemporaryDirectory(prefix="batikkit-") as folder:
        job = Job(
            model=str(target.path),
            runtime=wanted.runtime,
            threads=wanted.threads,
            warmup=settings.warmup,
            min_runs=settings.min_runs,
            min_seconds=settings.min_seconds,
            pack=str(target.pack.path) if target.pack and photographs is None else None,
            pictures=list(map(str, target.pictures)),
            photographs=photographs.files if photographs else None,
            decoders=host.usable_cores,
            scores=str(Path(folder, "scores.npy")),
            cpus=list(settings.cpus),
            decode_cpus=list(allowed_cpus()),
        )
        with Monitor() as monitor:
            answer = run_worker(dataclasses.asdict(job), advance=advance)
        scores = np.load(job.scores) if evaluated else None
    result = _result(wanted, settings, host, answer, monitor.conditions())
    result = dataclasses.replace(result, pixels=_pixels(target, photographs))
    return result, None if scores is None else Answers(scores, photographs, answer["images_per_s"])


MEASURED = (
    "init_ms", "first_ms", "pre_ms", "post_ms", "peak_rss_bytes", "baseline_rss_bytes", "cpu_wait_share",
    "runtime_version",
)  # fmt: skip
"""What a worker answers and the report keeps as it is."""


def _result(
    wanted: Configuration, settings: Settings, host: Host, answer: dict[str, Any], conditions: Conditions
) -> Result:
    reasons = problems(answer["latency_ms"], conditions, host, cpu_wait_share=answer["cpu_wait_share"])
    return Result(
        variant=wanted.target.variant,
        file=str(wanted.target.path),
        sha256=wanted.target.model.sha256,
        runtime=wanted.runtime,
        threads=wanted.threads,
        size_bytes=wanted.target.model.size_bytes,
        latency_ms=Latency(tuple(round(sample, 4) for sample in answer["latency_ms"])),
        pixels="noise",
        parity=None,
        valid=not reasons,
        notes=(*reasons, *remarks(conditions, host)),
        conditions=conditions,
        pinned_cpus=settings.cpus,
        **{name: answer[name] for name in MEASURED},
    )


def _pixels(target: Target, photographs: Photographs | None) -> str:
    if photographs is not None:
        return "photographs"
    if target.pack is not None:
        return "parity.npz"
    return "golden pictures" if target.pictures else "noise"


def with_parity(measured: Sequence[tuple[Configuration, Result, Answers | None]]) -> Iterator[Result]:
    """Adds parity to each result: against Keras on a parity pack, against the float32 file on photographs."""
    floats = [
        (c, a) for c, _, a in measured if a is not None and a.photographs is not None and c.target.variant == "float32"
    ]
    for wanted, result, answers in measured:
        if answers is None:
            yield result
        elif answers.photographs is None:
            yield dataclasses.replace(result, parity=_against_keras(wanted.target, answers))
        else:
            parity, unread = _on_photographs(wanted.target, answers, floats[0][1] if floats else None)
            notes = (f"{unread} unreadable photograph(s) left out",) if unread else ()
            yield dataclasses.replace(result, parity=parity, notes=(*result.notes, *notes))


def _against_keras(target: Target, answers: Answers) -> Parity:
    assert target.pack is not None
    return judge(
        answers.scores,
        target.pack.labels,
        labels=target.labels,
        images=target.pack.names,
        source="parity.npz",
        groups=target.pack.groups if target.pack.grouped else None,
        cautions=target.pack.cautions,
        reference=target.pack.probabilities,
        reference_name="keras",
    )


def _on_photographs(target: Target, answers: Answers, reference: Answers | None) -> tuple[Parity | None, int]:
    photographs = answers.photographs
    assert photographs is not None
    readable = ~np.isnan(answers.scores[:, 0])
    if not readable.any():
        return None, len(readable)
    comparable = reference is not None and reference.scores.shape == answers.scores.shape
    parity = judge(
        answers.scores[readable],
        photographs.truth[readable],
        labels=target.labels,
        images=[name for name, kept in zip(photographs.names, readable, strict=True) if kept],
        source=str(photographs.root),
        cautions=(UNGROUPED_PHOTOGRAPHS,),
        reference=reference.scores[readable] if reference is not None and comparable else None,
        reference_name="float32" if comparable else None,
        images_per_s=answers.images_per_s,
    )
    return parity, int((~readable).sum())


def in_order(results: Iterable[Result], selection: Selection) -> tuple[Result, ...]:
    """Results in the order of the files, whatever the order they were measured in."""
    files = [str(target.path) for target in selection.targets]
    return tuple(sorted(results, key=lambda r: (files.index(r.file), RUNTIMES.index(r.runtime), r.threads)))


def _plain(settings: Settings) -> dict[str, Any]:
    return {name: list(v) if isinstance(v, tuple) else v for name, v in dataclasses.asdict(settings).items()}
