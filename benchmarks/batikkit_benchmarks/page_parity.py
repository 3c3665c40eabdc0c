"""The report page's account of parity: accuracy, drop, motifs and flipped images of one bench."""

from __future__ import annotations

from collections.abc import Sequence

from batikkit.web_page import Html, html_table
from batikkit_benchmarks.plots import colour_class
from batikkit_benchmarks.report import Parity, Result
from batikkit_benchmarks.tables import drop, interval, percent

FLIPS_SHOWN = 60


def variant_cell(result: Result, colour: str) -> Html:
    """A variant's name behind its colour."""
    return Html('<span class="dot {}"></span>{}').format(colour, result.title)


def parity_section(results: Sequence[Result], variants: Sequence[str]) -> list[Html]:
    """Parity of one bench's results, accuracy per motif and the flipped images, as parts of a page."""
    evaluated = _distinct(results)
    if not evaluated:
        return []
    rows = [
        [
            variant_cell(result, colour_class(result.variant, variants)),
            str(parity.n),
            "-" if parity.groups is None else str(parity.groups),
            interval(parity),
            percent(parity.reference_top1),
            drop(parity),
            _optional(parity.mcnemar_p, ".3f"),
            percent(parity.agreement),
            _optional(parity.max_abs_diff, ".2g"),
            f"{parity.calibration_error:.3f}",
            _optional(parity.images_per_s, ".1f"),
        ]
        for result, parity in evaluated
    ]
    source = evaluated[0][1]
    headings = (
        "variant", "images", "groups", "top-1 (95 %)", f"reference ({source.reference or 'none'})",
        "drop, points (95 %)", "McNemar p", "agreement", "max |Δp|", "calibration error", "images/s",
    )  # fmt: skip
    parts = [Html('<h3>Parity on {}</h3><div class="card">{}</div>').format(source.source, html_table(headings, rows))]
    return [*parts, _motifs(evaluated), _flips(evaluated)]


def _distinct(results: Sequence[Result]) -> list[tuple[Result, Parity]]:
    """One parity per variant where runtimes and thread counts agree, else each."""
    seen: dict[tuple[str, float, float | None], tuple[Result, Parity]] = {}
    for result in results:
        if result.parity:
            seen.setdefault((result.title, result.parity.top1, result.parity.agreement), (result, result.parity))
    return list(seen.values())


def _motifs(evaluated: Sequence[tuple[Result, Parity]]) -> Html:
    labels = list(dict.fromkeys(label for _, parity in evaluated for label in parity.per_motif))
    rows = []
    for motif in labels:
        cells = [parity.per_motif.get(motif) for _, parity in evaluated]
        count = next(cell.n for cell in cells if cell)
        shown = ["-" if c is None else _motif_cell(c.top1, c.drop_pp) for c in cells]
        rows.append([motif, str(count), *shown])
    headings = ("motif", "images", *(result.title for result, _ in evaluated))
    return Html(
        "<details open><summary>Accuracy per motif, and its drop in points</summary>"
        '<div class="card">{}</div></details>'
    ).format(html_table(headings, rows))


def _motif_cell(top1: float, drop_pp: float | None) -> str:
    if not drop_pp:
        return percent(top1)
    return Html('{} <span class="{}">{}</span>').format(
        percent(top1), "bad" if drop_pp > 0 else "good", f"{-drop_pp:+.1f}"
    )


def _flips(evaluated: Sequence[tuple[Result, Parity]]) -> Html:
    rows = [
        [
            flip.image, result.title, flip.truth, f"{flip.reference} ({flip.reference_probability:.2f})",
            f"{flip.answer} ({flip.probability:.2f})",
        ]
        for result, parity in evaluated
        for flip in parity.flipped
    ]  # fmt: skip
    if not rows:
        return Html("")
    hidden = len(rows) - FLIPS_SHOWN
    more = Html('<p class="soft">and {} more, in the JSON file</p>').format(hidden) if hidden > 0 else ""
    table = html_table(("image", "variant", "truth", "reference says", "this file says"), rows[:FLIPS_SHOWN])
    return Html('<details><summary>Flipped answers: {}</summary><div class="card">{}{}</div></details>').format(
        len(rows), table, more
    )


def _optional(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
