"""The comparison as one HTML page: nothing is fetched, light and dark."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from batikkit.evaluation.charts import accuracy_chart, confusion_chart, curve_chart, matrix_width, motif_chart
from batikkit.evaluation.comparison import Comparison
from batikkit.evaluation.text import (
    MISSES_SHOWN,
    confusion_table,
    method,
    motif_table,
    pair_table,
    system_table,
    verdicts,
)
from batikkit.web_page import Html, html_table, web_page


def to_html(comparison: Comparison) -> str:
    """The whole page."""
    several = len(comparison.systems) > 1
    body = [_heading(comparison), _card(_table(*system_table(comparison)))]
    if several:
        body += [
            _figure(accuracy_chart(comparison), "Whiskers are 95 % intervals. The diamond is the published figure.")
        ]
        body += ["<h2>Pair by pair</h2>", _list(verdicts(comparison)), _card(_table(*pair_table(comparison)))]
    body += ["<h2>Accuracy per motif</h2>", _figure(_legend(comparison) + motif_chart(comparison), "")]
    body += [_details("The same as a table", _table(*motif_table(comparison)))]
    body += ["<h2>Confusion matrices</h2>" if several else "<h2>Confusion matrix</h2>"]
    body += [_matrices(comparison)]
    headings, rows = confusion_table(comparison)
    if rows:
        body += ["<h2>Most confused motifs</h2>", _card(_table(headings, rows))]
    body += [_misses(comparison), _curves(comparison), *_method(comparison)]
    return web_page(comparison.title, map(Html, body))


def _heading(comparison: Comparison) -> str:
    created = comparison.created.replace("T", " ").replace("+00:00", " UTC")
    notes = f'<div class="warn">{"<br>".join(map(escape, comparison.notes))}</div>' if comparison.notes else ""
    tested = f"Tested on {comparison.tested} · {comparison.n} images · {created}"
    return f'<h1>{escape(comparison.title)}</h1>\n<p class="soft">{escape(tested)}</p>{notes}'


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return html_table(headings, rows)


def _card(content: str) -> str:
    return f'<div class="card">{content}</div>'


def _figure(picture: str, caption: str) -> str:
    told = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    return _card(f"<figure>{picture}{told}</figure>")


def _details(summary: str, content: str) -> str:
    return f"<details><summary>{escape(summary)}</summary>{_card(content)}</details>"


def _list(lines: Iterable[str]) -> str:
    return f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>"


def _matrices(comparison: Comparison) -> str:
    """One card per system, the last system first; small ones stand side by side."""
    cards = []
    for system in reversed(comparison.systems):
        heading = f"<h3>{escape(system.title)}</h3>" if len(comparison.systems) > 1 else ""
        width = f"flex-basis:{matrix_width(system) + 38:.0f}px"
        cards.append(f'<div class="card" style="{width}">{heading}<figure>{confusion_chart(system)}</figure></div>')
    return f'<div class="side-by-side">{"".join(cards)}</div>'


def _legend(comparison: Comparison, *, without: str = "") -> str:
    if len(comparison.systems) < 2:
        return ""
    entries = (
        f'<span><span class="dot v{number}"></span>{escape(system.title)}</span>'
        for number, system in enumerate(comparison.systems)
        if system.name != without
    )
    return f'<div class="legend">{"".join(entries)}</div>'


def _misses(comparison: Comparison) -> str:
    if not comparison.misses:
        return ""
    names = [system.name for system in comparison.systems]
    rows = [[miss.path, miss.truth, *(miss.answers[name] for name in names)] for miss in comparison.misses]
    more = (
        f'<p class="soft">and {len(rows) - MISSES_SHOWN} more, in the JSON file</p>' if len(rows) > MISSES_SHOWN else ""
    )
    titles = [system.title for system in comparison.systems]
    table = _table(["image", "true motif", *titles], rows[:MISSES_SHOWN])
    return _details(f"Images that some system gets wrong: {len(rows)}", table + more)


def _curves(comparison: Comparison) -> str:
    picture = curve_chart(comparison)
    if not picture:
        return ""
    folds = " One line per fold." if len(comparison.systems[0].parts) > 1 else ""
    caption = f"Strong: validation. Faint: training, on augmented views.{folds}"
    return f"<h2>Training</h2>{_figure(_legend(comparison, without='frozen') + picture, caption)}"


def _method(comparison: Comparison) -> list[str]:
    facts = html_table(["", ""], comparison.facts.items(), text=True)
    return ["<h2>How this was measured</h2>", _list(method(comparison)), _card(facts) if comparison.facts else ""]
