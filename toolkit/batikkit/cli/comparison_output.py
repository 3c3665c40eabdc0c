"""What `compare` and `evaluate` print."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from batikkit.evaluation.comparison import Comparison


def show(found: Comparison, written: Sequence[Path], *, json_file: Path | None = None) -> None:
    """Prints the table of systems, what it proves, the worst confusions and where the report is.

    Args:
        found: What was found.
        written: The files that hold it, in one folder.
        json_file: Where it was asked for as JSON once more.
    """
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    from batikkit.cli.answer import made
    from batikkit.console import note
    from batikkit.evaluation.comparison import write_comparison
    from batikkit.evaluation.text import confusion_table, system_table, verdicts

    console = Console()
    if not console.is_terminal:
        console.width = 200
    headings, rows = system_table(found)
    table = Table(box=SIMPLE_HEAD, pad_edge=False, title=f"{found.title}, {found.n} images", title_justify="left")
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="left" if number == 0 else "right")
    for row in rows:
        table.add_row(*row)
    console.print(table)
    for line in verdicts(found):
        typer.echo(line)
    worst = confusion_table(found)[1][:3]
    if worst:
        typer.echo("most confused: " + ", ".join(f"{motifs} ({counts[-1]})" for motifs, *counts in worst))
    if json_file:
        write_comparison(json_file, found)
    for path in (*written, *([json_file] if json_file else ())):
        note(f"wrote {path}")
    made(written[0].parent)
