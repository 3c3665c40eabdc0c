"""The pictures of the comparison page: accuracies, motifs, confusion matrices and learning curves, as SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from batikkit.evaluation.comparison import PUBLISHED, Comparison, Part, System
from batikkit.evaluation.text import motif_accuracy, percent
from batikkit.svg import Scale, drawing, element, label, linear, nice_ticks, tooltip

WIDTH = 960.0
BAR = 13.0
CELL = 30.0


def accuracy_chart(comparison: Comparison) -> str:
    """One bar per system with its interval; a hollow diamond is the published figure."""
    left, right, top, step = 250.0, 190.0, 6.0, 38.0
    x = linear(0, 100, left, WIDTH - right)
    bottom = top + step * len(comparison.systems)
    parts = _percent_axis(x, top, bottom, "accuracy on the test images, %")
    for number, system in enumerate(comparison.systems):
        y = top + step * (number + 0.5)
        accuracy, interval = system.evaluation.report.accuracy, system.evaluation.report.accuracy_ci95
        told = f"{system.title}: {percent(accuracy)}, 95 % interval {percent(interval[0])} to {percent(interval[1])}"
        parts.append(label(left - 12, y + 4, system.title, anchor="end"))
        parts.append(tooltip(told, _bar(x, y, 18, accuracy, interval, number)))
        if system.name in PUBLISHED:
            parts.append(_diamond(x(100 * PUBLISHED[system.name]), y))
        figures = f"{100 * accuracy:.1f} ({100 * interval[0]:.1f} to {100 * interval[1]:.1f})"
        parts.append(label(WIDTH - 4, y + 4, figures, class_="figure", anchor="end"))
    return drawing(WIDTH, bottom + 44, parts, title="Accuracy of each system")


def motif_chart(comparison: Comparison) -> str:
    """Per motif one bar per system with its interval, and the number of test images."""
    systems, left, right, top = comparison.systems, _name_width(comparison.labels), 60.0, 6.0
    step = BAR * len(systems) + 11
    x = linear(0, 100, left, WIDTH - right)
    bottom = top + step * len(comparison.labels)
    parts = _percent_axis(x, top, bottom, "accuracy on the motif's test images, %")
    for index, name in enumerate(comparison.labels):
        start = top + step * index + 5.5
        n = systems[0].evaluation.report.per_class[index].support
        parts.append(label(left - 12, start + (step - 11) / 2 + 4, shorten(name, 34), anchor="end"))
        parts.append(label(WIDTH - 4, start + (step - 11) / 2 + 4, f"n = {n}", class_="tick", anchor="end"))
        for number, system in enumerate(systems):
            parts.append(_motif_bar(system, index, number, x, start + BAR * (number + 0.5)))
    return drawing(WIDTH, bottom + 44, parts, title="Accuracy per motif")


def _motif_bar(system: System, index: int, number: int, x: Scale, y: float) -> str:
    found = motif_accuracy(system, index)
    if found is None:
        return ""
    accuracy, low, high = found
    told = f"{system.evaluation.labels[index]}, {system.title}: {percent(accuracy)} ({percent(low)} to {percent(high)})"
    return tooltip(told, _bar(x, y, BAR - 3, accuracy, (low, high), number))


def _bar(x: Scale, y: float, height: float, value: float, interval: tuple[float, float], number: int) -> str:
    low, high = x(100 * interval[0]), x(100 * interval[1])
    end = max(x(100 * value), x(0) + 1.5)  # nothing right is a hair, not nothing
    parts = [element("rect", x=x(0), y=y - height / 2, width=end - x(0), height=height, class_=f"bar v{number}")]
    parts.append(element("line", x1=low, x2=high, y1=y, y2=y, class_="error"))
    parts += [element("line", x1=at, x2=at, y1=y - 3.5, y2=y + 3.5, class_="error") for at in (low, high)]
    return "".join(parts)


def _diamond(x: float, y: float) -> str:
    corners = ((0, -7), (7, 0), (0, 7), (-7, 0))
    points = " ".join(f"{x + dx:.1f},{y + dy:.1f}" for dx, dy in corners)
    return element("polygon", points=points, class_="published")


def _percent_axis(x: Scale, top: float, bottom: float, title: str) -> list[str]:
    parts = []
    for tick in range(0, 101, 20):
        parts.append(element("line", x1=x(tick), x2=x(tick), y1=top, y2=bottom, class_="grid"))
        parts.append(label(x(tick), bottom + 17, str(tick), class_="tick", anchor="middle"))
    return [*parts, label(x(50), bottom + 36, title, class_="axis", anchor="middle")]


def confusion_chart(system: System) -> str:
    """Counts of true (rows) against predicted motifs (columns); the darker, the larger the share of the row."""
    labels, matrix = system.evaluation.labels, system.evaluation.report.confusion
    left = _name_width(labels)
    top = 0.72 * left + 12
    parts = []
    for i, name in enumerate(labels):
        middle = CELL * (i + 0.5)
        parts.append(label(left - 9, top + middle + 4, shorten(name, 34), anchor="end"))
        at = f"rotate(-42 {left + middle:.1f} {top - 9:.1f})"
        parts.append(element("text", escape(shorten(name, 34)), x=left + middle, y=top - 9, transform=at))
        parts += [_cell(system, i, j, left, top) for j in range(len(labels)) if matrix[i][j] or i == j]
    side = CELL * len(labels)
    parts.append(element("rect", x=left, y=top, width=side, height=side, class_="frame"))
    parts.append(label(left + side / 2, top + side + 22, "predicted", class_="axis", anchor="middle"))
    parts.append(label(left - 9, top - 9, "true", class_="axis", anchor="end"))
    picture = drawing(matrix_width(system), top + side + 30, parts, title=f"Confusion matrix of {system.title}")
    return picture.replace("<svg ", f'<svg class="matrix" style="max-width:{matrix_width(system):.0f}px" ', 1)


def matrix_width(system: System) -> float:
    """Width of a system's confusion matrix with its names [pixels]."""
    labels = system.evaluation.labels
    return CELL * len(labels) + 1.72 * _name_width(labels)


def _cell(system: System, row: int, column: int, left: float, top: float) -> str:
    labels, counts = system.evaluation.labels, system.evaluation.report.confusion[row]
    share = counts[column] / max(1, sum(counts))
    x, y = left + CELL * column, top + CELL * row
    kind = "hit" if row == column else "miss"
    box = element("rect", x=x, y=y, width=CELL, height=CELL, class_=f"cell {kind}", fill_opacity=0.08 + 0.84 * share)
    if not counts[column]:
        return element("rect", x=x, y=y, width=CELL, height=CELL, class_="cell hit", fill_opacity=0.04)
    strong = " strong" if share > 0.5 else ""
    number = label(x + CELL / 2, y + CELL / 2 + 4.5, str(counts[column]), class_=f"figure{strong}", anchor="middle")
    told = f"{labels[row]} taken for {labels[column]}: {counts[column]} of {sum(counts)}"
    return tooltip(told, box + number)


def shorten(name: str, width: int) -> str:
    """At most `width` characters."""
    return name if len(name) <= width else name[: width - 1] + "…"


def _name_width(labels: Sequence[str]) -> float:
    return 30.0 + 7.0 * min(34, max(8, *(len(name) for name in labels)))


def curve_chart(comparison: Comparison) -> str:
    """Accuracy and loss over epochs: validation drawn strong, training faint, a line where fine-tuning begins."""
    shown = [(number, s) for number, s in enumerate(comparison.systems) if s.name != "frozen" and s.parts[0].history]
    if not shown:
        return ""
    half, top, bottom = (WIDTH - 70) / 2, 22.0, 270.0
    panels = [("accuracy", 46.0, half), ("loss", half + 70, WIDTH - 8)]
    parts = []
    for name, start, end in panels:
        parts += _curve_panel(shown, name, start, end, top, bottom)
    return drawing(WIDTH, bottom + 44, parts, title="Accuracy and loss over epochs")


def _curve_panel(
    shown: Sequence[tuple[int, System]], name: str, start: float, end: float, top: float, bottom: float
) -> list[str]:
    rows = [row for _, system in shown for part in system.parts for row in part.history]
    highest = 1.0 if name == "accuracy" else max(max(row[name], row[f"val_{name}"]) for row in rows)
    last = max(row["epoch"] for row in rows)
    x, y = linear(min(1.0, last - 1), last, start, end), linear(0, highest, bottom, top)
    parts = [label(start, top - 8, name, class_="axis")]
    for tick in nice_ticks(0, highest, about=5):
        parts.append(element("line", x1=start, x2=end, y1=y(tick), y2=y(tick), class_="grid"))
        parts.append(label(start - 7, y(tick) + 4, f"{tick:g}", class_="tick", anchor="end"))
    whole = [tick for tick in nice_ticks(1, last, about=6) if tick == int(tick)]
    parts += [label(x(tick), bottom + 17, f"{tick:g}", class_="tick", anchor="middle") for tick in whole]
    parts.append(label((start + end) / 2, bottom + 36, "epoch", class_="axis", anchor="middle"))
    for number, system in shown:
        for part in system.parts:
            parts += _curves(part, number, name, x, y)
    return [*parts, *_boundary(shown[-1][1].parts[0].history, x, top, bottom)]


def _curves(part: Part, number: int, name: str, x: Scale, y: Scale) -> list[str]:
    drawn = []
    for column, strength in ((name, "faint"), (f"val_{name}", "strong")):
        points = " ".join(f"{x(row['epoch']):.1f},{y(row[column]):.1f}" for row in part.history)
        drawn.append(element("polyline", points=points, class_=f"curve {strength} v{number}"))
    return drawn


def _boundary(history: Sequence[Mapping[str, float]], x: Scale, top: float, bottom: float) -> list[str]:
    before = sum(row["phase"] == 1 for row in history)
    if not 0 < before < len(history):
        return []
    at = x(before + 0.5)
    line = element("line", x1=at, x2=at, y1=top, y2=bottom, class_="boundary")
    return [line, label(at, top - 8, "fine-tuning begins", class_="tick", anchor="middle")]
