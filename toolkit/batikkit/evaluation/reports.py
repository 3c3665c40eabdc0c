"""A comparison on disk: `comparison.json`, `.md` and `.html`, and figures for a paper where matplotlib is installed."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from batikkit import atomic
from batikkit.evaluation.comparison import Comparison, write_comparison
from batikkit.evaluation.page import to_html
from batikkit.evaluation.text import to_markdown

FIGURES_FOLDER = "figures"


def write_reports(folder: Path, comparison: Comparison, *, name: str) -> tuple[Path, ...]:
    """Writes `<name>.json`, `.md` and `.html` into `folder`, and PNG figures below it; returns what was written."""
    page, text, data = (folder / f"{name}.{suffix}" for suffix in ("html", "md", "json"))
    write_comparison(data, comparison)
    atomic.write_text(text, to_markdown(comparison))
    atomic.write_text(page, to_html(comparison))
    figures: list[Path] = []
    if importlib.util.find_spec("matplotlib"):
        from batikkit.evaluation.plots import draw_comparison

        figures = draw_comparison(folder / FIGURES_FOLDER, comparison)
    return (page, text, data, *figures)
