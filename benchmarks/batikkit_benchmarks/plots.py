"""The report's two pictures: latency distributions of one host, and accuracy against latency and size of all."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from batikkit.svg import (
    Scale,
    drawing,
    element,
    label,
    linear,
    logarithmic,
    marker,
    nice_ticks,
    ratio_ticks,
    tooltip,
)
from batikkit_benchmarks.report import BenchReport, Result

WIDTH = 960.0
ROW = 40.0
COLOURS = 8


def colour_class(variant: str, variants: Sequence[str]) -> str:
    """The CSS class that colours a variant everywhere on the page."""
    return f"v{variants.index(variant) % COLOURS}"


def latency_plot(report: BenchReport, variants: Sequence[str]) -> str:
    """One ribbon per configuration, as thick as runs are frequent, with p50, p90 and p99 marked.

    The axis is logarithmic, so that the same relative noise looks the same on fast and slow files; it ends a little
    beyond the largest p99, and rarer outliers are in the JSON file.
    """
    left, right, top = 250.0, 130.0, 8.0
    low = min(min(result.latency_ms.samples) for result in report.results) / 1.03
    high = max(result.latency_ms.p99 for result in report.results) * 1.03
    x = logarithmic(low, high, left, WIDTH - right)
    bottom = top + ROW * len(report.results)
    parts = _vertical_axis_lines(x, ratio_ticks(low, high), top, bottom)
    for index, result in enumerate(report.results):
        y, colour = top + ROW * (index + 0.5), colour_class(result.variant, variants)
        parts.append(label(left - 12, y + 4, _short_name(result), class_="name", anchor="end"))
        parts.append(_ribbon_row(result, x, y, colour, low=low, high=high))
    parts.append(
        label(
            (left + WIDTH - right) / 2,
            bottom + 36,
            "milliseconds per image (log scale)",
            class_="axis",
            anchor="middle",
        )
    )
    return drawing(WIDTH, bottom + 44, parts, title=f"Latency distribution on {report.host.title}")


def _vertical_axis_lines(x: Scale, ticks: Sequence[float], top: float, bottom: float) -> list[str]:
    parts = []
    for tick in ticks:
        parts.append(element("line", x1=x(tick), x2=x(tick), y1=top, y2=bottom, class_="grid"))
        parts.append(label(x(tick), bottom + 17, f"{tick:g}", class_="tick", anchor="middle"))
    return parts


def _short_name(result: Result) -> str:
    return f"{result.title} · {result.runtime} · {result.threads}T" + ("" if result.valid else " (!)")


def _ribbon_row(result: Result, x: Scale, y: float, colour: str, *, low: float, high: float) -> str:
    latency = result.latency_ms
    parts = [_ribbon(latency.samples, x, y, colour, low=low, high=high)]
    for value, half in ((latency.p50, 14.0), (latency.p90, 9.0), (latency.p99, 5.0)):
        parts.append(element("line", x1=x(value), x2=x(value), y1=y - half, y2=y + half, class_=f"mark {colour}"))
    figures = f"{latency.p50:.2f} / {latency.p90:.2f}"
    parts.append(label(WIDTH - 4, y + 4, figures, class_="figure", anchor="end"))
    told = (
        f"{result.name}: p50 {latency.p50:.3f}, p90 {latency.p90:.3f}, p99 {latency.p99:.3f} ms, "
        f"n={len(latency.samples)}"
    )
    return tooltip(told, "".join(parts))


BINS = 240
KERNEL_REACH = 3.0


def _ribbon(samples: Sequence[float], x: Scale, y: float, colour: str, *, low: float, high: float) -> str:
    """The samples' density over the logarithmic axis, mirrored; at least a hair thick where any run fell."""
    edges = np.geomspace(low, high, BINS + 1)
    density = _smooth(np.histogram(samples, edges)[0], np.log(samples), bin_width=float(np.log(high / low)) / BINS)
    halves = np.where(density > 0, np.maximum(0.6, density / max(density.max(), 1e-9) * (ROW / 2 - 5)), 0.0)
    centres = np.sqrt(edges[:-1] * edges[1:])
    filled = np.flatnonzero(halves)
    outlines = []
    for piece in np.split(filled, np.flatnonzero(np.diff(filled) > 1) + 1):
        upper = [f"{x(float(centres[i])):.1f} {y - halves[i]:.1f}" for i in piece]
        lower = [f"{x(float(centres[i])):.1f} {y + halves[i]:.1f}" for i in reversed(piece)]
        outlines.append(f"M{'L'.join(upper + lower)}Z")
    return element("path", d="".join(outlines), class_=f"ribbon {colour}")


def _smooth(counts: NDArray[np.int64], logs: NDArray[np.float64], *, bin_width: float) -> NDArray[np.float64]:
    """Counts per bin spread by a Gaussian whose width follows Silverman's rule (1986), robust against outliers."""
    quartiles = np.percentile(logs, [25, 75])
    spread = min(float(np.std(logs)), float(quartiles[1] - quartiles[0]) / 1.34)
    width = max(0.6, 0.9 * spread * len(logs) ** -0.2 / bin_width)
    reach = int(np.ceil(KERNEL_REACH * width))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / width) ** 2)
    return np.convolve(counts, kernel)[reach : reach + len(counts)]


def pareto_plot(reports: Sequence[BenchReport], variants: Sequence[str]) -> str:
    """Accuracy against latency (left) and against size (right); colour is the variant, shape the report.

    Filled markers are on their report's front: no other configuration there is at least as good in latency, size and
    accuracy and better in one.
    """
    points = [(number, result) for number, report in enumerate(reports) for result in report.results if result.parity]
    low = min(result.parity.top1_ci95[0] for _, result in points if result.parity)
    high = max(result.parity.top1_ci95[1] for _, result in points if result.parity)
    top, bottom, gap = 14.0, 330.0, 70.0
    y = linear(100 * low - 1, min(100.5, 100 * high + 1), bottom, top)
    half = (WIDTH - gap) / 2
    fronts = [front(report.results) for report in reports]
    panels = [
        (56.0, half, [result.latency_ms.p50 for _, result in points], "p50 latency, ms (log scale)"),
        (half + gap, WIDTH - 8, [result.size_bytes / 1e6 for _, result in points], "file size, MB (log scale)"),
    ]
    parts = []
    for start, end, values, title in panels:
        x = logarithmic(min(values) / 1.25, max(values) * 1.25, start, end)
        parts += _panel(x, y, start, end, top, bottom, values, title, ticks=nice_ticks(100 * low, 100 * high))
        for value, (number, result) in zip(values, points, strict=True):
            on_front = result in fronts[number]
            parts.append(_point(result, number, x(value), y, colour_class(result.variant, variants), on_front))
    parts.append(label(8, top - 2, "top-1, %", class_="axis"))
    return drawing(WIDTH, bottom + 44, parts, title="Accuracy against latency and size")


def _panel(
    x: Scale,
    y: Scale,
    start: float,
    end: float,
    top: float,
    bottom: float,
    values: Sequence[float],
    title: str,
    *,
    ticks: Sequence[float],
) -> list[str]:
    low, high = min(values) / 1.25, max(values) * 1.25
    parts = _vertical_axis_lines(x, ratio_ticks(low, high), top, bottom)
    for tick in ticks:
        parts.append(element("line", x1=start, x2=end, y1=y(tick), y2=y(tick), class_="grid"))
        parts.append(label(start - 8, y(tick) + 4, f"{tick:g}", class_="tick", anchor="end"))
    parts.append(label((start + end) / 2, bottom + 38, title, class_="axis", anchor="middle"))
    return parts


def _point(result: Result, report_number: int, x: float, y: Scale, colour: str, on_front: bool) -> str:
    parity = result.parity
    assert parity is not None
    low, high = (100 * bound for bound in parity.top1_ci95)
    whisker = element("line", x1=x, x2=x, y1=y(low), y2=y(high), class_=f"whisker {colour}")
    state = "point" if on_front else "point open"
    shape = marker(report_number, x, y(100 * parity.top1), 6.5, class_=f"{state} {colour}")
    told = (
        f"{result.name}: top-1 {100 * parity.top1:.1f} % ({low:.1f} to {high:.1f}), "
        f"p50 {result.latency_ms.p50:.2f} ms, {result.size_bytes / 1e6:.2f} MB"
    )
    return tooltip(told, whisker + shape)


def front(results: Sequence[Result]) -> tuple[Result, ...]:
    """The results of one report that no other one dominates in latency, size and accuracy.

    Latencies tie where the medians of their processes overlap: the next process may well turn them round, so neither
    keeps the other off the front by latency alone. A latency that is not valid neither dominates nor stands on the
    front, unless no valid one was measured.
    """
    with_parity = [result for result in results if result.parity is not None]
    evaluated = [result for result in with_parity if result.valid] or with_parity
    return tuple(result for result in evaluated if not any(_dominates(other, result) for other in evaluated))


def _dominates(a: Result, b: Result) -> bool:
    (a_low, a_high), (b_low, b_high) = a.p50_range_ms, b.p50_range_ms
    kept = [(r.size_bytes, -(r.parity.top1 if r.parity else 0.0)) for r in (a, b)]
    no_worse = a_low <= b_high and all(x <= y for x, y in zip(*kept, strict=True))
    return no_worse and (a_high < b_low or kept[0] != kept[1])
