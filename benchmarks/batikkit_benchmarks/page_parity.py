"""The report page's account of parity: accuracy, drop, motifs and flipped images of one bench."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from batikkit.web_page import html_table
from batikkit_benchmarks.plots import colour_class
from batikkit_benchmarks.report import Parity, Result
from batikkit_benchmarks.tables import drop, interval, percent

FLIPS_SHOWN = 60


def variant_cell(result: Result, colour: str) -> str:
    """A variant's name behind its colour."""
    return f'<span class="dot {colour}"></span>{escape(result.variant)}'


def parity_section(results: Sequence[Result], variants: Sequence[str]) -> list[str]:
    """Parity of one bench's results, accuracy per motif and the flipped images, as parts of a page."""
    judged = _distinct(results)
    if not judged:
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
        for result, parity in judged
    ]
    source = judged[0][1]
    headings = (
        "variant", "images", "groups", "top-1 (95 %)", f"reference ({source.reference or 'none'})",
        "drop, points (95 %)", "McNemar p", "agreement", "max |Δp|", "calibration error", "images/s",
    )  # fmt: skip
    parts = [f'<h3>Parity on {escape(source.source)}</h3><div class="card">{html_table(headings, rows)}</div>']
    return [*parts, _motifs(judged), _flips(judged)]


def _distinct(results: Sequence[Result]) -> list[tuple[Result, Parity]]:
    """One parity per variant where runtimes and thread counts agree, else each."""
    seen: dict[tuple[str, float, float | None], tuple[Result, Parity]] = {}
    for result in results:
        if result.parity:
            seen.setdefault((result.variant, result.parity.top1, result.parity.agreement), (result, result.parity))
    return list(seen.values())


def _motifs(judged: Sequence[tuple[Result, Parity]]) -> str:
    labels = list(dict.fromkeys(label for _, parity in judged for label in parity.per_motif))
    rows = []
    for motif in labels:
        cells = [parity.per_motif.get(motif) for _, parity in judged]
        count = next(cell.n for cell in cells if cell)
        shown = ["-" if c is None else _motif_cell(c.top1, c.drop_pp) for c in cells]
        rows.append([escape(motif), str(count), *shown])
    headings = ("motif", "images", *(result.variant for result, _ in judged))
    return (
        f"<details open><summary>Accuracy per motif, and its drop in points</summary>"
        f'<div class="card">{html_table(headings, rows)}</div></details>'
    )


def _motif_cell(top1: float, drop_pp: float | None) -> str:
    if not drop_pp:
        return percent(top1)
    return f'{percent(top1)} <span class="{"bad" if drop_pp > 0 else "good"}">{-drop_pp:+.1f}</span>'


def _flips(judged: Sequence[tuple[Result, Parity]]) -> str:
    rows = [
        [escape(cell) for cell in (
            flip.image, result.variant, flip.truth, f"{flip.reference} ({flip.reference_probability:.2f})",
            f"{flip.answer} ({flip.probability:.2f})",
        )]
        for result, parity in judged
        for flip in parity.flipped
    ]  # fmt: skip
    if not rows:
        return ""
    more = (
        f'<p class="soft">and {len(rows) - FLIPS_SHOWN} more, in the JSON file</p>' if len(rows) > FLIPS_SHOWN else ""
    )
    table = html_table(("image", "variant", "truth", "reference says", "this file says"), rows[:FLIPS_SHOWN])
    return f'<details><summary>Flipped answers: {len(rows)}</summary><div class="card">{table}{more}</div></details>'


def _optional(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
