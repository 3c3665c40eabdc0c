"""`batikkit report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from batikkit.cli.options import JsonFile, Quiet, RunsDir


def report(
    places: Annotated[
        list[Path] | None,
        typer.Argument(metavar="RUN|JSON", help="A run, or bench reports.", show_default="the newest run"),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="HTML", help="The page; a .md file goes beside it.", show_default="RUN/report.html"),
    ] = None,
    title: Annotated[str | None, typer.Option(help="Heading of the page.", show_default="the run's name")] = None,
    runs_dir: RunsDir = Path("runs"),
    json_file: JsonFile = None,
    _quiet: Quiet = False,
) -> None:
    """Show bench reports of several hosts and runs side by side, as one HTML page and as Markdown.

    Example: batikkit report pi4.json pi5.json --out boards.html
    """
    from batikkit import atomic
    from batikkit.cli.answer import made
    from batikkit.console import note
    from batikkit_benchmarks.collection import collect
    from batikkit_benchmarks.markdown import to_markdown
    from batikkit_benchmarks.page import to_html

    found = collect(places or [], runs_dir=runs_dir)
    page = out or (found.run / "report.html" if found.run else Path("report.html"))
    heading = title or found.title
    atomic.write_text(page, to_html(found.reports, title=heading))
    atomic.write_text(page.with_suffix(".md"), to_markdown(found.reports, title=heading))
    for omitted in found.omitted:
        note(f"left out {omitted}: a newer bench of the same host is shown; name it to see it")
    note(f"wrote {page.with_suffix('.md')}")
    made(page, json_file=json_file, answer={"markdown": str(page.with_suffix(".md")), "reports": len(found.reports)})
