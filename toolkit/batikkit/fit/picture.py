"""Accuracy against predicted p90, with the budget drawn in and the front named."""

from __future__ import annotations

from batikkit.fit.outcome import Outcome, Point
from batikkit.svg import Scale, drawing, element, label, linear, logarithmic, marker, nice_ticks, ratio_ticks, tooltip

WIDTH, HEIGHT = 960.0, 470.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 58.0, 24.0, 26.0, 388.0
_COLOURS = 8
_APART = 17.0
"""Least distance between two names [px]."""


def front_picture(outcome: Outcome) -> str:
    """The whole picture."""
    shown = _shown(outcome)
    times = [point.row.p90_ms for point in outcome.points] + [outcome.limit_p90_ms or outcome.chosen.p90_ms]
    x = logarithmic(min(times) / 1.15, max(times) * 1.15, _LEFT, WIDTH - _RIGHT)
    bounds = [bound for p in shown if p.scout for bound in p.scout.interval] + list(outcome.honest.interval)
    low, high = 100 * min(bounds) - 1, min(100.0, 100 * max(bounds) + 2)
    y = linear(low, high, _BOTTOM, _TOP)
    parts = [
        *_axes(x, y, (min(times) / 1.15, max(times) * 1.15), (low, high)),
        *_budget(outcome, x),
        *_excluded(outcome, x),
        *_front_line(outcome, x, y),
        *(_dot(outcome, point, x, y) for point in shown),
        _chosen(outcome, x, y),
        *_names(outcome, x, y),
        *_legend(outcome),
    ]
    return drawing(WIDTH, HEIGHT, parts, title=f"Accuracy against predicted p90 on {outcome.board}")


def _shown(outcome: Outcome) -> list[Point]:
    """Of each network the fastest file that fits."""
    found: dict[str, Point] = {}
    for point in outcome.points:
        if point.fits and point.scout:
            found.setdefault(point.row.candidate.name, point)
    return list(found.values())


def _axes(x: Scale, y: Scale, times: tuple[float, float], accuracies: tuple[float, float]) -> list[str]:
    parts = []
    for tick in ratio_ticks(*times):
        parts.append(element("line", x1=x(tick), x2=x(tick), y1=_TOP, y2=_BOTTOM, class_="grid"))
        parts.append(label(x(tick), _BOTTOM + 30, f"{tick:g}", class_="tick", anchor="middle"))
    for tick in nice_ticks(*accuracies):
        parts.append(element("line", x1=_LEFT, x2=WIDTH - _RIGHT, y1=y(tick), y2=y(tick), class_="grid"))
        parts.append(label(_LEFT - 8, y(tick) + 4, f"{tick:g}", class_="tick", anchor="end"))
    parts.append(label(8, _TOP - 10, "named right, %", class_="axis"))
    middle = (_LEFT + WIDTH - _RIGHT) / 2
    parts.append(label(middle, _BOTTOM + 50, "predicted p90, ms (log scale)", class_="axis", anchor="middle"))
    return parts


def _budget(outcome: Outcome, x: Scale) -> list[str]:
    if outcome.limit_p90_ms is None:
        return []
    place, end = x(outcome.limit_p90_ms), WIDTH - _RIGHT
    shade = element(
        "rect", x=place, y=_TOP, width=max(0.0, end - place), height=_BOTTOM - _TOP, fill="var(--bad)", opacity="0.07"
    )
    line = element(
        "line", x1=place, x2=place, y1=_TOP, y2=_BOTTOM, stroke="var(--bad)", stroke_width=1.5, stroke_dasharray="5 4"
    )
    left = place > WIDTH - 160
    told = label(
        place + (-6 if left else 6), _BOTTOM - 8, f"budget {outcome.limit_p90_ms:g} ms", class_="axis",
        anchor="end" if left else "start",
    )  # fmt: skip
    return [shade, line, told]


def _excluded(outcome: Outcome, x: Scale) -> list[str]:
    return [
        tooltip(
            f"{point.row.text}: over the budget",
            element(
                "line", x1=x(point.row.p90_ms), x2=x(point.row.p90_ms), y1=_BOTTOM + 4, y2=_BOTTOM + 13,
                class_="neutral", stroke_width=1.4,
            ),
        )
        for point in outcome.points
        if not point.fits
    ]  # fmt: skip


def _front_line(outcome: Outcome, x: Scale, y: Scale) -> list[str]:
    """Steps: from each point of the front nothing more is to be had until the next."""
    corners: list[str] = []
    before = 0.0
    for index, point in enumerate(outcome.front):
        assert point.scout is not None
        place, height = x(point.row.p90_ms), y(100 * point.scout.accuracy)
        corners += [f"{place:.1f} {before:.1f}"] if index else []
        corners.append(f"{place:.1f} {height:.1f}")
        before = height
    return [element("path", d="M" + "L".join(corners), fill="none", stroke="var(--soft)", stroke_width=1.2)]


def _colour(outcome: Outcome, point: Point) -> str:
    return f"v{_backbones(outcome).index(point.row.candidate.backbone) % _COLOURS}"


def _backbones(outcome: Outcome) -> list[str]:
    return sorted({point.row.candidate.backbone for point in outcome.points if point.scout and point.fits})


def _dot(outcome: Outcome, point: Point, x: Scale, y: Scale) -> str:
    assert point.scout is not None
    place, colour = x(point.row.p90_ms), _colour(outcome, point)
    low, high = (100 * bound for bound in point.scout.interval)
    whisker = element("line", x1=place, x2=place, y1=y(low), y2=y(high), class_=f"whisker {colour}")
    named = point in outcome.named
    state = "point" if named else "point open"
    shape = marker(0, place, y(100 * point.scout.accuracy), 5.5, class_=f"{state} {colour}")
    return tooltip(f"{point.row.text}; scout {point.scout.text}", (whisker if named else "") + shape)


def _chosen(outcome: Outcome, x: Scale, y: Scale) -> str:
    place = x(outcome.chosen.p90_ms)
    low, high = (100 * bound for bound in outcome.honest.interval)
    offset = place + 9
    line = element("line", x1=offset, x2=offset, y1=y(low), y2=y(high), stroke="var(--accent)", stroke_width=2.4)
    shape = marker(3, offset, y(100 * outcome.honest.accuracy), 8, class_="point")
    shape = shape.replace('class="point"', 'fill="var(--accent)" stroke="var(--card)"')
    return tooltip(f"the choice, on folds that it was not chosen by: {outcome.honest.text}", line + shape)


def _names(outcome: Outcome, x: Scale, y: Scale) -> list[str]:
    """Names of the front, each a little above its point, pushed up where two would touch."""
    parts: list[str] = []
    taken: list[tuple[float, float, float]] = []
    for point in outcome.named:
        assert point.scout is not None
        place, height = x(point.row.p90_ms), y(100 * point.scout.accuracy)
        text = point.row.title
        width = 6.4 * len(text)
        level = height - 12
        while any(
            abs(level - other) < _APART and place - width < right and place > left for left, right, other in taken
        ):
            level -= _APART / 2
        start = max(_LEFT + 2, place - 10 - width)
        taken.append((start, start + width, level))
        weight = "axis" if point.row != outcome.chosen else ""
        parts.append(label(start + width, level, text, class_=weight, anchor="end"))
    return parts


def _legend(outcome: Outcome) -> list[str]:
    parts, place = [], _LEFT
    for index, backbone in enumerate(_backbones(outcome)):
        parts.append(marker(0, place, HEIGHT - 12, 5, class_=f"point v{index % _COLOURS}"))
        parts.append(label(place + 10, HEIGHT - 8, backbone, class_="tick"))
        place += 26 + 6.6 * len(backbone)
    return parts
