"""`batikkit.bench`: `.tflite` files to a report measured on this device."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from batikkit.steps.shown import Picture, Pictures, Shown, Table

if TYPE_CHECKING:
    from batikkit_benchmarks.budget import Budget
    from batikkit_benchmarks.host import Host
    from batikkit_benchmarks.plan import Settings
    from batikkit_benchmarks.record import Records
    from batikkit_benchmarks.report import BenchReport
    from batikkit_benchmarks.targets import Selection


@dataclass(frozen=True, repr=False)
class BenchedFiles(Shown):
    """What files cost and answer on this device.

    Attributes:
        report: Every sample and figure, as the JSON report has them.
        place: The report's file; None where nothing keeps it.
    """

    report: BenchReport
    place: Path | None

    @property
    def passed(self) -> bool:
        """Whether every file ran and every gate of the budget passed."""
        return not self.report.failures and all(gate.passed for gate in self.report.gates)

    def tables(self) -> tuple[Table, ...]:
        """Latency, memory, size, accuracy and parity of every configuration, and what must be known of them."""
        from batikkit_benchmarks.tables import COLUMNS, footnotes, row

        rows = [row(result) for result in self.report.results]
        return (Table(self.report.host.title, COLUMNS, rows, footnotes(self.report)),)

    def plot(self) -> Pictures:
        """The latencies, and accuracy against latency and size where accuracy was measured."""
        from batikkit_benchmarks.plots import latency_plot, pareto_plot

        results = self.report.results
        variants = list(dict.fromkeys(result.variant for result in results))
        drawn = [Picture.of_svg("latency.svg", latency_plot(self.report, variants))] if results else []
        if any(result.parity for result in results):
            drawn.append(Picture.of_svg("accuracy.svg", pareto_plot([self.report], variants)))
        return Pictures(tuple(drawn))


def measured(
    selection: Selection, settings: Settings, budget: Budget, *, records: Records, host: Host
) -> Iterator[BenchReport]:
    """Benches; yields the report so far after each process, when `records` has it."""
    from batikkit.console import note, progress
    from batikkit_benchmarks.bench import run_bench
    from batikkit_benchmarks.plan import Configuration

    def started(wanted: Configuration, number: int, total: int) -> None:
        note(f"[{number}/{total}] {wanted.name}")

    with progress("bench") as advance:
        for report in run_bench(
            selection, settings, budget=budget, host=host, started=started, advance=advance, fault=note
        ):
            records.write(report)
            yield report


def bench(
    *places: str | Path,
    runtimes: Sequence[str] | None = None,
    threads: Sequence[int] = (1,),
    min_seconds: float = 5.0,
    min_samples: int = 100,
    processes: int = 1,
    data: str | Path | None = None,
    budget: str | None = None,
    json_file: str | Path | None = None,
    runs_dir: str | Path = "runs",
) -> BenchedFiles:
    """Measures `.tflite` files on this device, as `batikkit bench` does. Needs no TensorFlow.

    Args:
        places: Runs, export folders or files; the newest run when there are none.
        runtimes: Their names; the first that works when None.
        threads: Thread counts, one after another.
        min_seconds: Measure in each process at least this long.
        min_samples: And time at least this many answers.
        processes: Fresh processes for each configuration.
        data: Evaluate on these photographs, not on the parity pack.
        budget: Limits: a `.toml` file, or a name such as `pi-4`.
        json_file: Where the report is kept besides the run's own folder.
        runs_dir: Where runs lie.

    Raises:
        InputError: nothing to bench, or a file, a runtime, a budget or a place for the report cannot be used.
        VerificationError: a file is not the one its manifest describes.
    """
    from batikkit_benchmarks.budget import Budget, read_budget
    from batikkit_benchmarks.host import read_host
    from batikkit_benchmarks.plan import Settings
    from batikkit_benchmarks.record import Records, stamp
    from batikkit_benchmarks.targets import select

    limits = read_budget(budget) if budget else Budget()
    settings = Settings(
        runtimes=tuple(runtimes) if runtimes else None, threads=tuple(threads), processes=processes,
        min_runs=min_samples, min_seconds=min_seconds, data=str(data) if data else None,
    )  # fmt: skip
    selection = select([Path(place) for place in places], runs_dir=Path(runs_dir))
    kept = Path(json_file) if json_file else None
    host = read_host()
    records = Records.prepare(selection.run, host, json_file=kept, junit=None, created=stamp())
    *_, report = measured(selection, settings, limits, records=records, host=host)
    return BenchedFiles(report, records.place)
