"""The report as Markdown, for README files and pull requests."""

from __future__ import annotations

from collections.abc import Sequence

from batikkit.web_page import markdown_table
from batikkit_benchmarks.collection import unlike_files
from batikkit_benchmarks.facts import host_facts
from batikkit_benchmarks.page import report_name
from batikkit_benchmarks.report import BenchReport
from batikkit_benchmarks.tables import COLUMNS, footnotes, gate_text, row
from batikkit_benchmarks.validity import RULES


def to_markdown(reports: Sequence[BenchReport], *, title: str) -> str:
    """One section per bench; hosts are never averaged."""
    lines = [f"# {title}", ""]
    for sentence in unlike_files(reports):
        lines += [f"> {sentence}", ""]
    for report in reports:
        lines += [f"## {report_name(report)}", "", *markdown_table(COLUMNS, map(row, report.results)), ""]
        lines += [f"* {line}" for line in footnotes(report)] + [""]
        if report.gates:
            verdicts = ((g.configuration, gate_text(g), "pass" if g.passed else "**FAIL**") for g in report.gates)
            lines += [*markdown_table(("configuration", "gate", "verdict"), verdicts), ""]
        lines += ["<details><summary>Host</summary>", ""]
        lines += [*markdown_table(("fact", "value"), host_facts(report.host).items()), "", "</details>", ""]
    return "\n".join([*lines, f"A latency is {RULES}.", ""])
