"""The bench report as a table for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batikkit_benchmarks.report import BenchReport, Gate, Parity, Result

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table


def megabytes(size_bytes: int) -> str:
    """`2.67 MB`, in units of 10^6 bytes."""
    return f"{size_bytes / 1e6:.2f} MB"


def percent(fraction: float | None) -> str:
    """`97.2 %`, or a dash."""
    return "-" if fraction is None else f"{100 * fraction:.1f} %"


def interval(parity: Parity) -> str:
    """`94.4 % (87.6-97.6)`."""
    low, high = parity.top1_ci95
    return f"{100 * parity.top1:.1f} % ({100 * low:.1f}-{100 * high:.1f})"


def drop(parity: Parity) -> str:
    """`1.1 (-1.1, 3.3)` percentage points."""
    if parity.drop_pp is None or parity.drop_ci95_pp is None:
        return "-"
    low, high = parity.drop_ci95_pp
    return f"{parity.drop_pp:+.1f} ({low:+.1f}, {high:+.1f})"


COLUMNS = (
    "variant",
    "runtime",
    "thr",
    "size",
    "p50 ms",
    "p90 ms",
    "first ms",
    "RAM",
    "top-1 (95 %)",
    "drop pp",
    "agree",
)


def row(result: Result) -> tuple[str, ...]:
    """One result's cells, under `COLUMNS`; a latency that is not valid is marked."""
    latency, parity = result.latency_ms, result.parity
    measured = (
        result.variant + ("" if result.valid else " (!)"),
        f"{result.runtime} {result.runtime_version}",
        str(result.threads),
        megabytes(result.size_bytes),
        f"{latency.p50:.2f}",
        f"{latency.p90:.2f}",
        f"{result.first_ms:.1f}",
        megabytes(result.peak_rss_bytes),
    )
    if parity is None:
        return (*measured, "-", "-", "-")
    return (*measured, interval(parity), drop(parity), percent(parity.agreement))


def report_table(report: BenchReport) -> Table:
    """All results as a table; unbelievable latencies are marked."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, title=report.host.title, title_justify="left", pad_edge=False)
    for column in COLUMNS:
        text = column in ("variant", "runtime")
        table.add_column(column, justify="left" if text else "right", no_wrap=not text)
    for result in report.results:
        table.add_row(*row(result), style=None if result.valid else "yellow")
    return table


def footnotes(report: BenchReport) -> list[str]:
    """What the table cannot hold: the test set, doubtful latencies, failures and gates."""
    lines = []
    judged = [result.parity for result in report.results if result.parity]
    counts = dict.fromkeys((image_count(parity), parity.source) for parity in judged)
    lines += [f"accuracy on {n} of {source}; drop and agreement against the reference" for n, source in counts]
    lines += cautions(report)
    lines += [
        f"(!) {result.name}: latency not valid: {result.notes[0]}" for result in report.results if not result.valid
    ]
    lines += [f"failed: {failure.variant} under {failure.runtime}: {failure.reason}" for failure in report.failures]
    for result in report.results:
        if result.parity and result.parity.images_per_s:
            rate, bare = result.parity.images_per_s, 1000 / result.latency_ms.p50
            lines.append(
                f"{result.name}: {rate:.1f} photographs/s, decoded ahead; {rate / bare:.0%} of the network alone"
            )
    failed = [gate for gate in report.gates if not gate.passed]
    if report.gates:
        lines.append(f"gates: {len(report.gates) - len(failed)} of {len(report.gates)} passed")
    lines += [f"gate FAILED: {gate.configuration}: {gate_text(gate)}" for gate in failed]
    return lines


def image_count(parity: Parity) -> str:
    """`90 images`, or `90 images in 40 groups`."""
    together = parity.groups is not None and parity.groups < parity.n
    return f"{parity.n} images" + (f" in {parity.groups} groups" if together else "")


def cautions(report: BenchReport) -> list[str]:
    """What must be known of a bench's accuracies, each line once."""
    return list(dict.fromkeys(line for r in report.results if r.parity for line in r.parity.cautions))


def gate_text(gate: Gate) -> str:
    """`max_p90_ms 41.2 (limit 33)`, and why it cannot be judged where it cannot."""
    value = "not measured" if gate.value is None else f"{gate.value:.4g}"
    return f"{gate.name} {value} (limit {gate.limit:g})" + (f": {gate.reason}" if gate.reason else "")


def renderables(report: BenchReport) -> list[RenderableType]:
    """Everything a person should see, in order."""
    from rich.text import Text

    table = [report_table(report)] if report.results else []
    return [*table, *(Text(line) for line in footnotes(report))]
