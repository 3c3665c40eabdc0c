"""The report as Markdown, for README files and pull requests."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from batikkit_benchmarks.facts import host_facts
from batikkit_benchmarks.page import report_name
from batikkit_benchmarks.report import BenchReport
from batikkit_benchmarks.tables import COLUMNS, footnotes, gate_text, row
from batikkit_benchmarks.validity import RULES


def to_markdown(reports: Sequence[BenchReport], *, title: str) -> str:
    """One section per bench; hosts are never averaged."""
    lines = [f"# {title}", ""]
    for report in reports:
        lines += [f"## {report_name(report)}", "", *_table(COLUMNS, map(row, report.results)), ""]
        lines += [f"* {line}" for line in footnotes(report)] + [""]
        if report.gates:
            verdicts = ((g.configuration, gate_text(g), "pass" if g.passed else "**FAIL**") for g in report.gates)
            lines += [*_table(("configuration", "gate", "verdict"), verdicts), ""]
        lines += ["<details><summary>Host</summary>", ""]
        lines += [*_table(("fact", "value"), host_facts(report.host).items()), "", "</details>", ""]
    return "\n".join([*lines, f"A latency is {RULES}.", ""])


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    body = [_line(cells) for cells in rows]
    return [_line(headings), "|" + "---|" * len(headings), *body]


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
