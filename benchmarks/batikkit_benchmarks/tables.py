"""The bench report as a table for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batikkit_benchmarks.delegates import SOURCE_DATE
from batikkit_benchmarks.report import BenchReport, Failure, Gate, Parity, Result

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table


def megabytes(size_bytes: int) -> str:
    """`2.67 MB`, in units of 10^6 bytes."""
    return f"{size_bytes / 1e6:.2f} MB"


def memory(result: Result) -> str:
    """Its peak, or a dash where it is not known: a page in a browser cannot tell."""
    return megabytes(result.peak_rss_bytes) if result.peak_rss_bytes else "-"


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


def median(result: Result) -> str:
    """`11.20`, of several processes with the fastest's and the slowest's: `11.20 (11.02-11.61)`."""
    low, high = result.p50_range_ms
    spread = f" ({low:.2f}-{high:.2f})" if len(result.process_p50_ms) > 1 else ""
    return f"{result.latency_ms.p50:.2f}{spread}"


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
        result.title + ("" if result.valid else " (!)"),
        f"{result.runtime} {result.runtime_version}",
        str(result.threads),
        megabytes(result.size_bytes),
        median(result),
        f"{latency.p90:.2f}",
        f"{result.first_ms:.1f}",
        memory(result),
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
    """What the table cannot hold: the test set, notes on the latencies, what ran, failures and gates."""
    lines = []
    evaluated = [result.parity for result in report.results if result.parity]
    counts = dict.fromkeys((image_count(parity), parity.source) for parity in evaluated)
    lines += [f"accuracy on {n} of {source}; drop and agreement against the reference" for n, source in counts]
    lines += cautions(report)
    lines += notes(report)
    lines += what_ran(report, whole=False)
    lines += [f"failed: {failure_text(failure)}" for failure in report.failures]
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


def notes(report: BenchReport) -> list[str]:
    """Every note on every result; one that holds for all is said once."""
    several = len(report.results) > 1
    common = set.intersection(*(set(result.notes) for result in report.results)) if several else set()
    told = dict.fromkeys(note for result in report.results for note in result.notes if note in common)
    lines = [f"all: {note}" for note in told]
    for result in report.results:
        own = "; ".join(note for note in result.notes if note not in common)
        if not result.valid:
            lines.append(f"(!) {result.name}: latency not valid{': ' + own if own else ''}")
        elif own:
            lines.append(f"{result.name}: {own}")
    return lines


def what_ran(report: BenchReport, *, whole: bool) -> list[str]:
    """What the files ran on here, and what a phone's delegates would leave on its CPU, each line once.

    Unless it is to be the whole, only what a delegate would leave: what was left here is among the notes.
    """
    ran = [f"{r.title} · {r.runtime}: {r.delegation.text}" for r in report.results if r.delegation and whole]
    elsewhere = [
        f"{r.title} on a phone's {delegate}, by tables of {SOURCE_DATE}: {prediction.text}"
        for r in report.results
        for delegate, prediction in r.predictions.items()
        if whole or prediction.left
    ]
    return list(dict.fromkeys([*ran, *elsewhere]))


def failure_text(failure: Failure) -> str:
    """`int8 under ai-edge-litert: crashed`."""
    return f"{failure.variant}{f' under {failure.runtime}' if failure.threads else ''}: {failure.reason}"


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
