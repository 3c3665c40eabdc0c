"""Which bench reports a page shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from batikkit.errors import InputError
from batikkit.runs import BENCH_FOLDER, all_runs, resolve_run
from batikkit_benchmarks.report import BenchReport, read_report


@dataclass(frozen=True)
class Collection:
    """Reports to show side by side.

    Attributes:
        run: The run they belong to, when one run was named.
        omitted: Older benches of a run's hosts that are not shown.
    """

    reports: tuple[BenchReport, ...]
    title: str
    run: Path | None
    omitted: tuple[Path, ...]


def collect(places: Sequence[Path], *, runs_dir: Path) -> Collection:
    """Reads what was named: a run (the newest bench of each of its hosts), several runs, or JSON files.

    Raises:
        InputError: no such run or file, or a run that was not benched.
    """
    files: list[Path] = []
    omitted: list[Path] = []
    runs = []
    named: Sequence[Path | None] = places or [None]
    for place in named:
        if place is not None and place.is_file():
            files.append(place)
            continue
        runs.append(_place(place, runs_dir))
        newest, older = _benches(runs[-1])
        files += newest
        omitted += older
    reports = tuple(read_report(file) for file in files)
    only_run = runs[0] if len(runs) == 1 and len(places) <= 1 else None
    title = only_run.name if only_run else "batikkit bench"
    return Collection(reports, title, only_run, tuple(omitted))


def unlike_files(reports: Sequence[BenchReport]) -> tuple[str, ...]:
    """A sentence for every variant that is not the same file in all reports: their figures are not of one model."""
    found: dict[str, dict[str, list[str]]] = {}
    for report in reports:
        for result in report.results:
            hosts = found.setdefault(result.variant, {}).setdefault(result.sha256, [])
            if report.host.title not in hosts:
                hosts.append(report.host.title)
    return tuple(
        f"{variant} is not one file: "
        + ", ".join(f"{sha256[:8]} on {' and '.join(hosts)}" for sha256, hosts in files.items())
        + "; their figures are of different models"
        for variant, files in found.items()
        if len(files) > 1
    )


def _place(place: Path | None, runs_dir: Path) -> Path:
    """A run, or what is left of one on a board: a folder that was benched."""
    for candidate in (Path(),) if place is None and not all_runs(runs_dir) else (place, runs_dir / (place or "")):
        if candidate is not None and any((candidate / BENCH_FOLDER).glob("*.json")):
            return candidate
    return resolve_run(place, runs_dir)


def _benches(run: Path) -> tuple[list[Path], list[Path]]:
    """The newest report of each machine, and the rest."""
    files = sorted((run / BENCH_FOLDER).glob("*.json"))
    if not files:
        raise InputError(f"run {run} was not benched yet: run 'batikkit bench {run}'")
    reports = {file: read_report(file) for file in files}
    by_time = sorted(files, key=lambda file: (reports[file].created, file.name))
    newest = {reports[file].host.machine: file for file in by_time}
    return sorted(newest.values()), [file for file in files if file not in newest.values()]
