"""Figures of a run, at a quality fit for a paper: curves with the phase boundary, confusion matrix, per-motif bars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from batikkit import atomic
from batikkit.errors import MissingExtraError
from batikkit.evaluation import Evaluation

TRAIN_COLOUR, CHECK_COLOUR = "#7a4a21", "#1f4e79"  # sogan brown and indigo, the two classical batik dyes
_STYLE: dict[str, Any] = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "figure.dpi": 160,
    "savefig.bbox": "tight",
}


def draw_run(folder: Path, history: Sequence[Mapping[str, Any]], evaluation: Evaluation) -> list[Path]:
    """Writes `history.png`, `confusion.png` and `per_class.png` into `folder`; returns their paths."""
    drawn = {
        "history.png": lambda plt: _history(plt, history),
        "confusion.png": lambda plt: _confusion(plt, evaluation),
        "per_class.png": lambda plt: _per_class(plt, evaluation),
    }
    return [_draw(folder / name, draw) for name, draw in drawn.items()]


def _draw(path: Path, draw: Any) -> Path:
    try:
        import matplotlib
    except ImportError as error:
        raise MissingExtraError("matplotlib", "train") from error
    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    with plt.rc_context(_STYLE):  # type: ignore[arg-type]
        figure = draw(plt)
        with atomic.replacing(path) as temporary:
            figure.savefig(temporary, format="png")
        plt.close(figure)
    return path


def _history(plt: Any, history: Sequence[Mapping[str, Any]]) -> Any:
    figure, axes = plt.subplots(1, 2, figsize=(8.4, 3.1))
    epochs = [int(row["epoch"]) for row in history]
    boundary = sum(1 for row in history if int(row["phase"]) == 1)
    for axis, name in zip(axes, ("accuracy", "loss"), strict=True):
        for column, colour, label in ((name, TRAIN_COLOUR, "train"), (f"val_{name}", CHECK_COLOUR, "validation")):
            values = [float(row[column]) for row in history]
            axis.plot(
                epochs, values, color=colour, label=label, linewidth=1.6, marker="." if len(epochs) < 12 else None
            )
        if 0 < boundary < len(history):
            axis.axvline(boundary + 0.5, color="0.45", linestyle="--", linewidth=1)
            axis.text(
                boundary + 0.5, 1.01, "fine-tuning", transform=axis.get_xaxis_transform(), fontsize=8, color="0.35"
            )
        axis.set_xlabel("epoch")
        axis.set_ylabel(name)
        axis.xaxis.get_major_locator().set_params(integer=True)
    axes[0].set_ylim(0, 1.02)
    axes[1].set_ylim(bottom=0)
    axes[0].legend(frameon=False, loc="lower right")
    figure.tight_layout()
    return figure


def _confusion(plt: Any, evaluation: Evaluation) -> Any:
    counts = np.array(evaluation.report.confusion)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = max(3.4, 0.42 * len(counts) + 1.6)
    figure, axis = plt.subplots(figsize=(side, side))
    image = axis.imshow(shares, cmap="YlOrBr", vmin=0, vmax=1)
    for row, column in np.argwhere(counts > 0):
        colour = "white" if shares[row, column] > 0.6 else "black"
        axis.text(column, row, counts[row, column], ha="center", va="center", fontsize=7, color=colour)
    ticks = range(len(counts))
    axis.set_xticks(ticks, evaluation.labels, rotation=60, ha="right", rotation_mode="anchor")
    axis.set_yticks(ticks, evaluation.labels)
    axis.set_xlabel("predicted")
    axis.set_ylabel("true motif")
    axis.grid(visible=False)
    axis.set_title(f"test images: {evaluation.report.n}", fontsize=9)
    figure.colorbar(image, ax=axis, fraction=0.045, pad=0.03, label="share of the motif's images")
    return figure


def _per_class(plt: Any, evaluation: Evaluation) -> Any:
    rows = evaluation.report.per_class
    order = sorted(range(len(rows)), key=lambda i: rows[i].recall)
    figure, axis = plt.subplots(figsize=(6.2, 0.32 * len(rows) + 1.1))
    axis.barh(range(len(rows)), [rows[i].recall for i in order], color=TRAIN_COLOUR, height=0.66)
    for place, i in enumerate(order):
        axis.text(1.01, place, f"n = {rows[i].support}", va="center", fontsize=7, color="0.35")
    axis.set_yticks(range(len(rows)), [evaluation.labels[i] for i in order])
    axis.axvline(evaluation.report.accuracy, color=CHECK_COLOUR, linestyle="--", linewidth=1.2)
    axis.text(
        evaluation.report.accuracy, len(rows) - 0.4, f"all {evaluation.report.accuracy:.1%}", color=CHECK_COLOUR,
        fontsize=8, ha="center", va="bottom",
    )  # fmt: skip
    axis.set_xlim(0, 1)
    axis.set_xlabel("accuracy on the motif's test images (recall)")
    axis.grid(visible=False, axis="y")
    return figure
