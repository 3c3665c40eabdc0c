"""Which bench reports a page shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from batikkit.errors import InputError
from batikkit.runs import BENCH_FOLDER, resolve_run
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
        runs.append(resolve_run(place, runs_dir))
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


def _benches(run: Path) -> tuple[list[Path], list[Path]]:
    """The newest report of each host, and the rest. File names are `<host>-<UTC time>.json`."""
    files = sorted((run / BENCH_FOLDER).glob("*.json"))
    if not files:
        raise InputError(f"run {run} was not benched yet: run 'batikkit bench {run}'")
    newest = {file.stem.rpartition("-")[0]: file for file in files}
    return list(newest.values()), [file for file in files if file not in newest.values()]
