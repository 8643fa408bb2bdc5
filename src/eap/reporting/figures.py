"""Line charts of the page.

They are drawn here as SVG polylines in data coordinates, so that the page shows them without a script; the page's
script only adds zooming and reading off. That is 10 kB instead of the 4.5 MB of plotly.js, and follows dark mode.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

MAX_POINTS = 300
"""Longer lines are drawn as means of consecutive values, or a run of 500 epochs would not fit a page."""


@dataclass(frozen=True)
class Line:
    """One polyline; `style` is its CSS class, `seed` None where it belongs to no seed."""

    name: str
    style: str
    seed: int | None
    points: str


@dataclass(frozen=True)
class Chart:
    """One chart; the ticks are (label, position in percent). `wave`: a sound above it, an SVG path over the same x, its
    y from -1 to 1. Named ticks cannot be zoomed into."""

    title: str
    description: str
    x_name: str
    lines: tuple[Line, ...]
    x_range: tuple[float, float]
    y_range: tuple[float, float]
    x_ticks: tuple[tuple[str, float], ...]
    y_ticks: tuple[tuple[str, float], ...]
    wave: str = ""
    zoomable: bool = True


def round_step(low: float, high: float, count: int) -> float:
    """1, 2 or 5 times a power of ten, of which no more than `count` lie between `low` and `high`."""
    raw = (high - low) / count
    power = 10 ** math.floor(math.log10(raw))
    return power * next(factor for factor in (1, 2, 5, 10) if factor * power >= raw * (1 - 1e-9))


def ticks(low: float, high: float, count: int) -> tuple[tuple[str, float], ...]:
    """About `count` round values between `low` and `high`, each with its position in percent."""
    step = round_step(low, high, count)
    values = [index * step for index in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]
    return tuple((f"{value:.6g}", round(100 * (value - low) / (high - low), 3)) for value in values)


def line(name: str, style: str, seed: int | None, x: Iterable[float], y: Iterable[float]) -> Line:
    """A line through the finite points, thinned to `MAX_POINTS` by means of consecutive values."""
    points = np.column_stack([np.asarray(x, float), np.asarray(y, float)])
    points = points[np.isfinite(points).all(axis=1)]
    if len(points) > MAX_POINTS:
        points = np.array([part.mean(axis=0) for part in np.array_split(points, MAX_POINTS)])
    return Line(name, style, seed, " ".join(f"{a:.6g},{b:.5g}" for a, b in points))


def chart(title: str, description: str, x_name: str, lines: Sequence[Line], floor: float | None = None) -> Chart | None:
    """A chart of the lines that have points; None if there are none. `floor`: a value that the y axis includes."""
    lines = [part for part in lines if part.points]
    if not lines:
        return None
    points = np.array([pair.split(",") for part in lines for pair in part.points.split()], float)
    (x0, y0), (x1, y1) = points.min(axis=0), points.max(axis=0)
    y0 = y0 if floor is None else min(y0, floor)
    x0, x1 = (x0 - 0.5, x1 + 0.5) if x0 == x1 else (x0, x1)
    # A flat line would have no height to be drawn in.
    margin = 0.06 * (y1 - y0) or 0.1 * abs(y1) or 1.0
    y0, y1 = (y0 if y0 == floor else y0 - margin), y1 + margin
    return Chart(
        title, description, x_name, tuple(lines), (float(x0), float(x1)), (float(y0), float(y1)),
        ticks(x0, x1, 4), ticks(y0, y1, 4),
    )  # fmt: skip
