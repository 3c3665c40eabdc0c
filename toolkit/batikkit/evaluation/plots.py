"""Figures at a quality fit for a paper: curves with the phase boundary, confusion matrix, bars per motif."""

from __future__ import annotations

import itertools
import textwrap
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from batikkit import atomic
from batikkit.errors import MissingExtraError
from batikkit.evaluation.comparison import Comparison
from batikkit.evaluation.metrics_file import Evaluation

# Sogan brown, indigo and mengkudu red, the classical batik dyes: apart in hue and, for print, in lightness.
COLOURS = ("#b5814a", "#2f5f94", "#b8433f", "#5b8c51")
_PALE = "0.45"
_STYLE: dict[str, Any] = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.alpha": 0.25,
    "figure.dpi": 160,
    "savefig.bbox": "tight",
    "text.parse_math": False,  # a motif's name may hold dollars
}
_NAME_WIDTH = 22
"""Characters after which a motif's name goes on in a second line."""

History = Sequence[Mapping[str, Any]]
Named = Sequence[tuple[str, Evaluation]]


def draw_run(folder: Path, history: History, evaluation: Evaluation) -> list[Path]:
    """Writes `history.png`, `confusion.png` and `per_class.png` into `folder`; returns their paths."""
    return [
        _draw(folder / "history.png", lambda new: _curves(new, [("", COLOURS[1], [history])])),
        _draw_confusion(folder / "confusion.png", evaluation),
        _draw(folder / "per_class.png", lambda new: _motif_bars(new, [("", evaluation)])),
    ]


def draw_comparison(folder: Path, comparison: Comparison) -> list[Path]:
    """Writes the figures of all systems: bars per motif, one confusion matrix each, and learning curves where known."""
    named = [(system.title, system.evaluation) for system in comparison.systems]
    drawn = [_draw(folder / "per_class.png", lambda new: _motif_bars(new, named))]
    drawn += [
        _draw_confusion(folder / f"confusion-{system.name}.png", system.evaluation) for system in comparison.systems
    ]
    # The frozen system is the beginning of the fine-tuned one and has no curve of its own.
    runs = [
        (system.title, colour, [part.history for part in system.parts])
        for system, colour in zip(comparison.systems, itertools.cycle(COLOURS), strict=False)
        if system.name != "frozen" and all(part.history for part in system.parts)
    ]
    if runs:
        drawn.append(_draw(folder / "history.png", lambda new: _curves(new, runs)))
    return drawn


def _draw_confusion(path: Path, evaluation: Evaluation) -> Path:
    return _draw(path, lambda new: _confusion(new, evaluation))


def _draw(path: Path, draw: Callable[[Any], Any]) -> Path:
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("matplotlib", "train") from error
    # The font draws a box for what it lacks, such as emoji or Javanese letters; the pages show them.
    with matplotlib.rc_context(_STYLE), warnings.catch_warnings():  # type: ignore[arg-type]
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        # Without pyplot, whose backend belongs to whoever called: a notebook shows its own figures with it.
        figure = draw(Figure)
        with atomic.replacing(path) as temporary:
            figure.savefig(temporary, format="png")
    return path


def _curves(new: Any, runs: Sequence[tuple[str, str, Sequence[History]]]) -> Any:
    """Accuracy and loss over epochs: validation solid, training dashed; of folds, one thin line each."""
    figure = new(figsize=(8.6, 3.2))
    axes = figure.subplots(1, 2)
    for axis, name in zip(axes, ("accuracy", "loss"), strict=True):
        for _, colour, histories in runs:
            for history in histories:
                _curve(axis, history, name, colour, thin=len(histories) > 1)
        _mark_phases(axis, runs[-1][2][0])
        axis.set_xlabel("epoch")
        axis.set_ylabel(name)
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.margins(x=0.02)
    axes[0].set_ylim(0, 1.02)
    axes[1].set_ylim(bottom=0)
    _curve_legend(figure, [(title, colour) for title, colour, _ in runs if title])
    figure.tight_layout()
    return figure


def _curve(axis: Any, history: History, name: str, colour: str, *, thin: bool) -> None:
    epochs = [int(row["epoch"]) for row in history]
    for column, style, alpha in ((name, (0, (4, 1.6)), 0.6), (f"val_{name}", "solid", 1.0)):
        values = [float(row[column]) for row in history]
        dots = "." if len(epochs) < 12 else None
        axis.plot(epochs, values, color=colour, linestyle=style, alpha=alpha * (0.6 if thin else 1.0),
                  linewidth=0.9 if thin else 1.5, marker=dots)  # fmt: skip


def _mark_phases(axis: Any, history: History) -> None:
    """A line where fine-tuning begins, between the last epoch of phase 1 and the first of phase 2."""
    before = sum(int(row["phase"]) == 1 for row in history)
    if not 0 < before < len(history):
        return
    axis.axvspan(before + 0.5, len(history), color="0.5", alpha=0.09, linewidth=0)
    axis.axvline(before + 0.5, color=_PALE, linestyle=":", linewidth=1.2)
    for at, side, text in ((before + 0.5, "right", "frozen "), (before + 0.5, "left", " fine-tuning")):
        axis.text(at, 1.01, text, transform=axis.get_xaxis_transform(), ha=side, va="bottom", fontsize=8, color=_PALE)


def _curve_legend(figure: Any, titles: Sequence[tuple[str, str]]) -> None:
    from matplotlib.lines import Line2D as line

    kinds = [line([], [], color="0.2", label="validation"), line([], [], color="0.2", linestyle="--", label="training")]
    named = [line([], [], color=colour, label=title) for title, colour in titles]
    handles = [*named, *kinds]
    figure.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, 0.02), ncol=len(handles), frameon=False)


def _confusion(new: Any, evaluation: Evaluation) -> Any:
    """Counts of true (rows) against predicted motifs; the darker, the larger the share of the row."""
    counts = np.array(evaluation.report.confusion)
    support = counts.sum(axis=1)
    shares = counts / np.maximum(support[:, None], 1)
    side = 0.36 * len(counts) + 1.4
    figure = new(figsize=(side + 0.5, side))
    axis = figure.subplots()
    image = axis.imshow(np.ma.masked_equal(shares, 0), cmap="YlOrBr", vmin=0, vmax=1)
    for row, column in np.argwhere(counts > 0):
        colour = "white" if shares[row, column] > 0.6 else "black"
        weight = "bold" if row == column else "normal"
        axis.text(column, row, counts[row, column], ha="center", va="center", fontsize=8, color=colour, weight=weight)
    ticks, names = range(len(counts)), [_wrapped(label) for label in evaluation.labels]
    axis.set_xticks(ticks, names, rotation=50, ha="right", rotation_mode="anchor", fontsize=8)
    axis.set_yticks(ticks, [f"{name} ({n})" for name, n in zip(names, support, strict=True)], fontsize=8)
    axis.set_xticks(np.arange(len(counts) + 1) - 0.5, minor=True)
    axis.set_yticks(np.arange(len(counts) + 1) - 0.5, minor=True)
    axis.grid(visible=False)
    axis.grid(visible=True, which="minor", color="0.9", linewidth=0.6, alpha=1)
    axis.tick_params(which="both", length=0)
    axis.set_xlabel("predicted motif")
    axis.set_ylabel("true motif (test images)")
    bar = figure.colorbar(image, ax=axis, fraction=0.04, pad=0.025)
    bar.set_label("share of the true motif", fontsize=8)
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=7)
    return figure


def _motif_bars(new: Any, named: Named) -> Any:
    """Accuracy on each motif's test images with 95 % intervals, hardest motif of the last system first."""
    labels, last = named[-1][1].labels, named[-1][1].report
    order = sorted(range(len(labels)), key=lambda i: (-last.per_class[i].recall, labels[i]))
    height = 0.78 / len(named)
    figure = new(figsize=(6.6, (0.18 + 0.16 * len(named)) * len(labels) + 1.1))
    axis = figure.subplots()
    for number, (title, evaluation) in enumerate(named):
        places = np.arange(len(order)) + height * ((len(named) - 1) / 2 - number)
        _bars(axis, evaluation, order, places, height, COLOURS[number % len(COLOURS)], title)
    axis.set_yticks(range(len(order)), [_wrapped(labels[i]) for i in order])
    for place, i in enumerate(order):
        axis.text(1.015, place, f"n = {last.per_class[i].support}", va="center", fontsize=7.5, color=_PALE)
    for number, (_, evaluation) in enumerate(named):
        colour = COLOURS[number % len(COLOURS)]
        axis.axvline(evaluation.report.accuracy, color=colour, linestyle="--", linewidth=1, zorder=0.5)
    axis.set_xlim(0, 1)
    axis.set_ylim(-0.7, len(order) - 0.3)
    axis.set_xlabel("accuracy on the motif's test images, with 95 % intervals; dashed: all motifs")
    axis.xaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
    axis.grid(visible=False, axis="y")
    axis.tick_params(axis="y", length=0)
    if len(named) > 1:
        axis.legend(loc="lower center", bbox_to_anchor=(0.45, 1.0), ncol=len(named), frameon=False, fontsize=8)
    else:
        accuracy = named[0][1].report.accuracy
        axis.text(accuracy, len(order) - 0.25, f"all {100 * accuracy:.1f} %", fontsize=8, ha="center", va="bottom")
    return figure


def _bars(
    axis: Any, evaluation: Evaluation, order: Sequence[int], places: Any, height: float, colour: str, title: str
) -> None:
    """Bars of one system at `places` (float [C], in axis units); a motif without test images has none."""
    report = evaluation.report
    tested = [(place, i) for place, i in zip(places, order, strict=True) if report.per_class[i].support]
    values = np.array([report.per_class[i].recall for _, i in tested])
    ends = np.array([report.per_class[i].recall_ci95 for _, i in tested])
    axis.barh([place for place, _ in tested], values, height=height * 0.92, color=colour, alpha=0.88, label=title)
    whiskers = np.maximum(np.abs(ends.T - values), 0)
    axis.errorbar(values, [place for place, _ in tested], xerr=whiskers, fmt="none", ecolor="0.1", elinewidth=0.9,
                  capsize=1.6)  # fmt: skip


def _wrapped(name: str) -> str:
    """A motif's name in at most two lines."""
    first, *rest = textwrap.wrap(name, _NAME_WIDTH) or [name]
    return "\n".join([first, textwrap.shorten(" ".join(rest), _NAME_WIDTH, placeholder="…")] if rest else [first])
