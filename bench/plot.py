"""Two kinds of pictures as SVG, with nothing but the standard library: curves and bars.

Both have logarithmic axes, since what is shown differs by factors.  Colours are chosen to be told
apart by everybody, and each line carries its name at its end, so colour is never the only key.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from bench.numbers import amount

__all__ = ["Bar", "bars", "curves"]

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
INK = "#333333"
GRID = "#dddddd"
FONT = "font-family='Helvetica, Arial, sans-serif'"
WIDTH, HEIGHT = 720, 360
LEFT, RIGHT, TOP, BOTTOM = 70, 150, 40, 50

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Bar:
    """One bar: its value, and the mark that it should reach."""

    name: str
    value: float
    mark: float | None = None


class _Scale:
    """Values to places on a logarithmic axis."""

    def __init__(self, values: Sequence[float], first: float, last: float) -> None:
        self.low = math.floor(math.log10(min(values)))
        self.high = max(self.low + 1, math.ceil(math.log10(max(values))))
        self.first, self.last = first, last

    def place(self, value: float) -> float:
        part = (math.log10(value) - self.low) / (self.high - self.low)
        return self.first + part * (self.last - self.first)

    def ticks(self) -> list[float]:
        return [10.0**power for power in range(self.low, self.high + 1)]


def _text(x: float, y: float, words: str, *, anchor: str = "middle", size: int = 12) -> str:
    return (
        f"<text x='{x:.1f}' y='{y:.1f}' {FONT} font-size='{size}' fill='{INK}'"
        f" text-anchor='{anchor}'>{escape(words)}</text>"
    )


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, dash: str = "") -> str:
    dashes = f" stroke-dasharray='{dash}'" if dash else ""
    return (
        f"<line x1='{x1:.1f}' y1='{y1:.1f}' x2='{x2:.1f}' y2='{y2:.1f}' stroke='{colour}'{dashes}/>"
    )


def _page(width: int, height: int, title: str, parts: Sequence[str]) -> str:
    opening = (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {height}'"
        f" width='{width}' height='{height}' role='img'><title>{escape(title)}</title>"
        f"<rect width='{width}' height='{height}' fill='white'/>"
    )
    heading = _text(width / 2, 22, title, size=15)
    return "\n".join([opening, heading, *parts, "</svg>"]) + "\n"


def curves(title: str, x_title: str, y_title: str, series: Mapping[str, Points]) -> str:
    """Return a picture of lines over a common logarithmic x axis; every value must be positive."""
    xs = [x for points in series.values() for x, _ in points]
    ys = [y for points in series.values() for _, y in points]
    across = _Scale(xs, LEFT, WIDTH - RIGHT)
    up = _Scale(ys, HEIGHT - BOTTOM, TOP)
    parts = []
    for tick in across.ticks():
        x = across.place(tick)
        parts += [_line(x, TOP, x, HEIGHT - BOTTOM, GRID)]
        parts += [_text(x, HEIGHT - BOTTOM + 18, f"{tick:,.0f}")]
    for tick in up.ticks():
        y = up.place(tick)
        parts += [_line(LEFT, y, WIDTH - RIGHT, y, GRID)]
        parts += [_text(LEFT - 8, y + 4, amount(tick), anchor="end")]
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, x_title))
    parts.append(_text(LEFT, TOP - 6, y_title, anchor="start", size=11))
    for (name, points), colour in zip(series.items(), _colours(len(series)), strict=True):
        parts += _one_curve(name, [(across.place(x), up.place(y)) for x, y in points], colour)
    return _page(WIDTH, HEIGHT, title, parts)


def _colours(count: int) -> list[str]:
    return [COLOURS[number % len(COLOURS)] for number in range(count)]


def _one_curve(name: str, places: Points, colour: str) -> list[str]:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    dots = [f"<circle cx='{x:.1f}' cy='{y:.1f}' r='3' fill='{colour}'/>" for x, y in places]
    x, y = places[-1]
    label = _text(x + 8, y + 4, name, anchor="start").replace(INK, colour)
    return [
        f"<polyline points='{path}' fill='none' stroke='{colour}' stroke-width='2'/>",
        *dots,
        label,
    ]


def bars(title: str, x_title: str, rows: Sequence[Bar]) -> str:
    """Return a picture of horizontal bars from 1 on, each with the mark that it should reach."""
    names, step = 330, 22
    height = TOP + BOTTOM + step * len(rows)
    values = [row.value for row in rows] + [row.mark for row in rows if row.mark]
    along = _Scale([*values, 1.0], names, WIDTH - 60)
    parts = []
    for tick in along.ticks():
        x = along.place(tick)
        parts += [_line(x, TOP, x, height - BOTTOM, GRID)]
        parts += [_text(x, height - BOTTOM + 18, amount(tick))]
    start = along.place(1.0)
    for number, row in enumerate(rows):
        y, end = TOP + number * step + 4, along.place(row.value)
        is_met = row.mark is None or row.value >= row.mark
        parts.append(
            f"<rect x='{min(start, end):.1f}' y='{y}' width='{max(1.0, abs(end - start)):.1f}'"
            f" height='{step - 8}' fill='{COLOURS[0] if is_met else COLOURS[1]}'/>"
        )
        parts.append(_text(names - 8, y + 11, row.name, anchor="end", size=11))
        furthest = max(start, end)
        if row.mark:
            place = along.place(row.mark)
            furthest = max(furthest, place)
            parts.append(_line(place, y - 3, place, y + step - 5, INK))
        parts.append(_text(furthest + 5, y + 11, amount(row.value), anchor="start", size=11))
    parts.append(_line(start, TOP, start, height - BOTTOM, INK, "3 3"))
    parts.append(_text((names + WIDTH) / 2, height - 12, x_title))
    return _page(WIDTH, height, title, parts)
