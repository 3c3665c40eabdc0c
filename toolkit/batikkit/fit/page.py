"""The page of a search: one picture of accuracy against latency with the budget drawn in, and what to know of it."""

from __future__ import annotations

from collections.abc import Sequence

from batikkit.fit.outcome import Outcome, Point
from batikkit.fit.picture import front_picture
from batikkit.web_page import Html, html_table, web_page

_CARD = Html('<div class="card"><div class="soft">{}</div><div class="big">{}</div><div class="soft">{}</div></div>')
_FIGURE = Html('<figure class="card">{}</figure><p class="soft">{}</p>')
_WARNING = Html('<div class="warn">{}</div>')
_HEADINGS = ("network", "file", "p90", "size", "memory", "scout (95 %)")


def fit_page(outcome: Outcome) -> str:
    """The whole page."""
    title = f"What fits into {outcome.budget}"
    body = [
        Html("<h1>{}</h1><p class='soft'>{} photographs of {}, on {}. {}</p>").format(
            title, outcome.photographs, outcome.data, outcome.board, outcome.created
        ),
        *(_WARNING.format(note) for note in outcome.notes),
        _cards(outcome),
        _FIGURE.format(Html(front_picture(outcome)), _caption(outcome)),
        Html("<h2>The front</h2><div class='card'>{}</div>").format(_table(outcome, outcome.named)),
        _steps(outcome),
        Html("<h2>Do it</h2><p>This trains, exports and benches the choice:</p><div class='card'><code>{}</code></div>")
        .format(outcome.command),
        _method(outcome),
        Html("<details><summary>Every file measured</summary><div class='card'>{}</div></details>").format(
            _table(outcome, outcome.points)
        ),
    ]  # fmt: skip
    return web_page(title, body)


def _cards(outcome: Outcome) -> Html:
    chosen = outcome.chosen
    shown = (
        ("chosen", chosen.candidate.title, chosen.variant),
        ("names right", f"{100 * outcome.honest.accuracy:.1f} %", f"95 %: {_range(outcome)}"),
        ("predicted p90", f"{chosen.p90_ms:.1f} ms", f"median {chosen.p50_ms:.1f} ms"),
        ("file", f"{chosen.size_mb:.2f} MB", f"{chosen.rss_mb:.1f} MB of memory"),
    )
    return Html('<div class="cards">{}</div>').format(Html("").join(_CARD.format(*card) for card in shown))


def _range(outcome: Outcome) -> str:
    low, high = outcome.honest.interval
    return f"{100 * low:.1f} to {100 * high:.1f}"


def _caption(outcome: Outcome) -> str:
    return (
        "Each dot is a network at one image size, in its fastest file that fits: filled on the front and where chosen, "
        "with the 95 % interval of its scout, a classifier on the photographs as they are. The diamond is the choice, "
        f"trained on all views and judged by folds it was not chosen by ({outcome.honest.text}). Ticks below the axis "
        "are files that the budget keeps out: never trained, but for the scouts of the next step up."
    )


def _table(outcome: Outcome, points: Sequence[Point]) -> Html:
    rows = [
        [
            Html("<b>{}</b>").format(point.row.candidate.title) if point.row == outcome.chosen
            else point.row.candidate.title,
            point.row.variant,
            f"{point.row.p90_ms:.2f} ms" + ("" if point.row.valid else " (!)"),
            f"{point.row.size_mb:.2f} MB",
            f"{point.row.rss_mb:.1f} MB",
            point.scout.text if point.scout and point.fits else "over the budget",
        ]
        for point in points
    ]  # fmt: skip
    return html_table(_HEADINGS, rows)


def _steps(outcome: Outcome) -> Html:
    lines = [step.text for step in outcome.steps] or ["No larger budget would let anything else in."]
    items = Html("").join(Html("<li>{}</li>").format(line) for line in lines)
    return Html("<h2>The next step up</h2><ul>{}</ul>").format(items)


def _method(outcome: Outcome) -> Html:
    votes = {name: outcome.by_fold.count(name) for name in dict.fromkeys(outcome.by_fold)}
    chosen = ", ".join(f"{name} ({count})" for name, count in votes.items())
    lines = (
        f"{outcome.folds} folds that keep cloths apart, {outcome.groups} independent groups of photographs; the search "
        f"was made once more without each fold, and what it then chose names that fold: {outcome.honest.text}.",
        f"Chosen without each fold: {chosen}. The winner's own figure on all folds is {outcome.winner.text}; it was "
        "chosen by it, so it is a little too good.",
        outcome.tuning,
        "Latency, size and memory are those of an untrained network's file on the board: time does not depend on what "
        "weights say, and the file is as long as the one that will be exported.",
        "Accuracy is the float network's; export proves that each file answers alike.",
        f"{outcome.finalists} networks went on from scouts to full trials; all trials took {outcome.seconds:.0f} s.",
    )
    items = Html("").join(Html("<li>{}</li>").format(line) for line in lines if line)
    return Html("<h2>How this was found</h2><ul>{}</ul>").format(items)
