"""The few SVG pieces of which pages make plots: scales, ticks, text, markers. Colours come from the page's CSS."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from html import escape

Scale = Callable[[float], float]


def element(tag: str, content: str = "", **attributes: object) -> str:
    """One SVG element; `class_` becomes class, and `_` in other names becomes `-`."""
    written = "".join(f' {_name(key)}="{escape(_number(value))}"' for key, value in attributes.items())
    return f"<{tag}{written}>{content}</{tag}>" if content else f"<{tag}{written}/>"


def label(x: float, y: float, content: str, *, class_: str = "", anchor: str = "start") -> str:
    """Text at (x, y)."""
    return element("text", escape(content), x=x, y=y, class_=class_, text_anchor=anchor)


def tooltip(content: str, shape: str) -> str:
    """A shape that tells `content` when pointed at."""
    return element("g", element("title", escape(content)) + shape)


def drawing(width: float, height: float, parts: Iterable[str], *, title: str) -> str:
    """A whole picture, as wide as the page allows."""
    return f'<svg viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{escape(title)}">{"".join(parts)}</svg>'


def linear(low: float, high: float, start: float, end: float) -> Scale:
    """Maps low..high to start..end."""
    span = (high - low) or 1.0
    return lambda value: start + (value - low) / span * (end - start)


def logarithmic(low: float, high: float, start: float, end: float) -> Scale:
    """Maps low..high, both positive, to start..end by their logarithms."""
    inner = linear(math.log10(low), math.log10(high), start, end)
    return lambda value: inner(math.log10(value))


def nice_ticks(low: float, high: float, *, about: int = 6) -> list[float]:
    """Round values within low..high, roughly `about` of them."""
    step = _nice_step((high - low) / max(1, about)) if high > low else 1.0
    first = math.ceil(low / step - 1e-9)
    return [round(index * step, 10) for index in range(first, math.floor(high / step + 1e-9) + 1)]


def log_ticks(low: float, high: float, *, bases: Sequence[float] = (1, 2, 5)) -> list[float]:
    """`bases` times powers of ten within low..high."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    return [tick for decade in decades for base in bases if low <= (tick := base * 10.0**decade) <= high]


def ratio_ticks(low: float, high: float) -> list[float]:
    """Ticks of a logarithmic axis: the wider its range, the sparser; evenly spaced round values where it is narrow."""
    if high / low > 12:
        return log_ticks(low, high)
    if high / low > 2.5:
        return log_ticks(low, high, bases=(1, 1.5, 2, 3, 4, 5, 6, 8))
    return nice_ticks(low, high, about=5)


def marker(shape: int, x: float, y: float, size: float, *, class_: str) -> str:
    """The n-th marker shape: circle, square, triangle, diamond, then again."""
    kind = shape % 4
    if kind == 0:
        return element("circle", cx=x, cy=y, r=size, class_=class_)
    if kind == 1:
        side = 1.8 * size
        return element("rect", x=x - side / 2, y=y - side / 2, width=side, height=side, class_=class_)
    corners = [(0, -1.25), (1.15, 0.85), (-1.15, 0.85)] if kind == 2 else [(0, -1.3), (1.3, 0), (0, 1.3), (-1.3, 0)]
    points = " ".join(f"{x + dx * size:.1f},{y + dy * size:.1f}" for dx, dy in corners)
    return element("polygon", points=points, class_=class_)


def _nice_step(rough: float) -> float:
    power = 10.0 ** math.floor(math.log10(rough))
    return next(base * power for base in (1, 2, 5, 10) if base * power >= rough * 0.999)


def _name(key: str) -> str:
    return key.rstrip("_").replace("_", "-")


def _number(value: object) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
