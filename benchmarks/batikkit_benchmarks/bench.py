"""The bench: every (file, runtime, threads) in a fresh process, in shuffled order, folded into one report."""

from __future__ import annotations

import dataclasses
import statistics
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

import batikkit
from batikkit.data.photographs import Photographs, find_photographs
from batikkit.processors import allowed_cpus
from batikkit.tflite.file import verify_tflite
from batikkit.tflite.interpreters import RUNTIMES
from batikkit_benchmarks.accuracy import Answers, Evaluated, Known, with_parity
from batikkit_benchmarks.budget import Budget
from batikkit_benchmarks.children import WorkerError, run_worker, unheard
from batikkit_benchmarks.conditions import Conditions, Monitor, together
from batikkit_benchmarks.delegates import Prediction, predict
from batikkit_benchmarks.delegation import Delegation
from batikkit_benchmarks.doctor import file_cure, needs_newer_runtime
from batikkit_benchmarks.gates import check
from batikkit_benchmarks.host import Host, read_host
from batikkit_benchmarks.plan import Configuration, Settings, plan, schedule
from batikkit_benchmarks.report import BenchReport, Failure, Latency, Result
from batikkit_benchmarks.targets import Refused, Selection, Target
from batikkit_benchmarks.validity import apart, problems, remarks, what_ran
from batikkit_benchmarks.worker import Job


@dataclass(frozen=True)
class Trial:
    """What one process measured, and what the machine went through meanwhile."""

    answer: dict[str, Any]
    conditions: Conditions


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
    fault: Callable[[str], None] = unheard,
) -> Iterator[BenchReport]:
    """Measures one process after another; yields the report so far after each, the last one complete.

    Args:
        selection: What to bench.
        settings: How.
        budget: Limits to hold the results against.
        host: The machine; asked when None.
        started: Called with each configuration, its number and their count.
        advance: Called with the progress of one process.
        fault: Called with the traceback of a fault of ours in a worker.
    """
    host = host or read_host()
    turns = schedule(plan(selection, settings, host), settings)
    photographs = {target.path: _photographs(target, settings) for target in selection.targets}
    predictions = {target.path: predict_delegates(target) for target in selection.targets}
    trials: dict[Configuration, list[Trial]] = {}
    failed: dict[Configuration, Failure] = {}
    evaluated: Evaluated = {}
    parities: Known = {}
    created = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    for number, wanted in enumerate(turns, start=1):
        started(wanted, number, len(turns))
        key = wanted.target.path, wanted.runtime
        if wanted not in failed:
            try:
                trial, answers = measure(
                    wanted,
                    settings,
                    host,
                    photographs[wanted.target.path],
                    evaluate=key not in evaluated,
                    advance=advance,
                )
                trials.setdefault(wanted, []).append(trial)
                if answers is not None:
                    evaluated[key] = answers
            except WorkerError as error:
                if error.traceback:
                    fault(error.traceback)
                failed[wanted] = _failure(wanted, str(error))
        folded = (fold(c, kept, settings, host, photographs[c.target.path]) for c, kept in trials.items())
        results = [
            dataclasses.replace(result, predictions=predictions[c.target.path])
            for c, result in zip(trials, folded, strict=True)
        ]
        with_accuracy = in_order(with_parity(trials, results, evaluated, parities), selection)
        yield BenchReport(
            created=created,
            batikkit_version=batikkit.__version__,
            source=selection.source,
            settings=_plain(settings),
            host=host,
            results=with_accuracy,
            failures=(*map(_unusable, selection.refused), *failed.values()),
            gates=check(with_accuracy, budget or Budget()),
            complete=number == len(turns),
        )


def _photographs(target: Target, settings: Settings) -> Photographs | None:
    return find_photographs(Path(settings.data), target.labels) if settings.data else None


def predict_delegates(target: Target) -> dict[str, Prediction]:
    """Delegate -> what it would leave of the file on the CPU."""
    return predict(verify_tflite(target.path.read_bytes(), name=str(target.path))[1][0])


def _unusable(refused: Refused) -> Failure:
    return Failure(refused.path.stem, str(refused.path), "none", 0, refused.reason)


def _failure(wanted: Configuration, reason: str) -> Failure:
    if needs_newer_runtime(reason):
        reason = f"{reason}; {file_cure(reason)}"
    return Failure(wanted.target.title, str(wanted.target.path), wanted.runtime, wanted.threads, reason)


def measure(
    wanted: Configuration,
    settings: Settings,
    host: Host,
    photographs: Photographs | None = None,
    *,
    evaluate: bool = True,
    advance: Advance = unheard,
) -> tuple[Trial, Answers | None]:
    """Measures one configuration in a process of its own.

    Args:
        wanted: The configuration.
        settings: How to measure.
        host: The machine.
        photographs: To evaluate on instead of the parity pack.
        evaluate: Whether the test images are still to be asked about.
        advance: Called with progress.

    Raises:
        WorkerError: the process gave no result.
    """
    target = wanted.target
    evaluate = evaluate and (photographs is not None or target.pack is not None)
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
            evaluate=evaluate,
            input_range=list(settings.input_range) if settings.input_range else None,
            logits=settings.logits,
        )
        with Monitor() as monitor:
            answer = run_worker(dataclasses.asdict(job), advance=advance)
        scores = np.load(job.scores) if evaluate else None
    answers = None if scores is None else Answers(scores, photographs, answer["images_per_s"])
    return Trial(answer, monitor.conditions()), answers


MEDIANS = ("init_ms", "first_ms", "pre_ms", "post_ms", "baseline_rss_bytes")
"""Figures of which several processes give the median; of the others the largest."""


def fold(
    wanted: Configuration, trials: Sequence[Trial], settings: Settings, host: Host, photographs: Photographs | None
) -> Result:
    """One result of all processes of a configuration; it has no parity yet."""
    answers = [trial.answer for trial in trials]
    reasons: list[str] = []
    found: list[str] = []
    for trial in trials:
        samples, waited = trial.answer["latency_ms"], trial.answer["cpu_wait_share"]
        reasons += problems(samples, trial.conditions, host, cpu_wait_share=waited)
        found += remarks(trial.conditions, host)
    medians = {name: statistics.median(answer[name] for answer in answers) for name in MEDIANS}
    ran = Delegation(**answers[0]["delegation"])
    result = Result(
        variant=wanted.target.variant,
        file=str(wanted.target.path),
        sha256=wanted.target.model.sha256,
        runtime=wanted.runtime,
        runtime_version=answers[0]["runtime_version"],
        threads=wanted.threads,
        size_bytes=wanted.target.model.size_bytes,
        latency_ms=Latency(tuple(round(sample, 4) for answer in answers for sample in answer["latency_ms"])),
        init_ms=medians["init_ms"],
        first_ms=medians["first_ms"],
        pre_ms=medians["pre_ms"],
        post_ms=medians["post_ms"],
        baseline_rss_bytes=int(medians["baseline_rss_bytes"]),
        peak_rss_bytes=max(answer["peak_rss_bytes"] for answer in answers),
        cpu_wait_share=max((w for a in answers if (w := a["cpu_wait_share"]) is not None), default=None),
        pixels=_pixels(wanted.target, photographs),
        parity=None,
        valid=not reasons,
        notes=(),
        conditions=together([trial.conditions for trial in trials]),
        pinned_cpus=settings.cpus,
        process_runs=tuple(len(answer["latency_ms"]) for answer in answers),
        delegation=ran,
        origin=wanted.target.origin,
    )
    caution = answers[0]["caution"] if wanted.target.unknown else ""
    notes = [*reasons, *found, *what_ran(ran, wanted.threads), *apart(result.process_p50_ms), caution]
    return dataclasses.replace(result, notes=tuple(dict.fromkeys(note for note in notes if note)))


def _pixels(target: Target, photographs: Photographs | None) -> str:
    if photographs is not None:
        return "photographs"
    if target.pack is not None:
        return "parity.npz"
    return "golden pictures" if target.pictures else "noise"


def in_order(results: Iterable[Result], selection: Selection) -> tuple[Result, ...]:
    """Results in the order of the files, whatever the order they were measured in."""
    files = [str(target.path) for target in selection.targets]
    return tuple(sorted(results, key=lambda r: (files.index(r.file), RUNTIMES.index(r.runtime), r.threads)))


def _plain(settings: Settings) -> dict[str, Any]:
    return {name: list(v) if isinstance(v, tuple) else v for name, v in dataclasses.asdict(settings).items()}
