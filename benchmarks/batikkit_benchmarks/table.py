"""A board's table: untrained networks at every width, image size and variant, for `batikkit fit` to choose by."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from batikkit.errors import InputError
from batikkit.fit.budget import Measured
from batikkit.fit.candidates import VARIANTS, Candidate, parse
from batikkit.fit.pack import Pack
from batikkit.tflite.file import read_tflite
from batikkit_benchmarks.report import BenchReport
from batikkit_benchmarks.targets import Selection, Target


def table_selection(pack: Pack, folder: Path, *, source: str, some: Iterable[Candidate] | None = None) -> Selection:
    """Writes the pack's files for all image sizes into a folder, ready to be benched.

    Args:
        pack: Untrained networks.
        folder: An empty one; the bench needs it to the end.
        source: What the report says that was benched.
        some: Candidates to measure; all if None.
    """
    targets = []
    for candidate in pack.candidates() if some is None else some:
        for variant in VARIANTS:
            path = folder / f"{candidate.name}.{variant}.tflite"
            path.write_bytes(pack.file(candidate, variant))
            targets.append(Target(read_tflite(path), variant, pack.labels, None, origin=candidate.name))
    return Selection(tuple(targets), source, None)


def measured(report: BenchReport) -> tuple[Measured, ...]:
    """What a table's report says of each candidate.

    Raises:
        InputError: it is no table.
    """
    rows = tuple(
        Measured(
            candidate=parse(result.origin),
            variant=result.variant,
            p50_ms=result.latency_ms.p50,
            p90_ms=result.latency_ms.p90,
            size_bytes=result.size_bytes,
            rss_bytes=result.peak_rss_bytes,
            valid=result.valid,
            runtime=result.runtime,
            threads=result.threads,
        )
        for result in report.results
    )
    if not rows:
        raise InputError("the table holds no measured network: run 'batikkit bench --table PACK' again")
    return rows
