"""Dot plots: values with their intervals on one axis, drawn as plain HTML so that they fit any width."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pandas as pd

from eap.reporting.figures import ticks


@dataclass(frozen=True)
class Dot:
    """One value; positions in percent of the axis. `low`, `high` None: no interval; `luck`: what chance would give."""

    style: str
    told: str
    at: float
    low: float | None = None
    high: float | None = None
    luck: float | None = None


@dataclass(frozen=True)
class DotRow:
    """One line: a label, a remark, its dots, and what stands at its end."""

    label: str
    note: str
    dots: tuple[Dot, ...]
    text: str


@dataclass(frozen=True)
class DotPlot:
    """Lines that share an axis; ticks are (label, position in percent)."""

    title: str
    description: str
    rows: tuple[DotRow, ...]
    ticks: tuple[tuple[str, float], ...]
    zero: float | None


@dataclass(frozen=True)
class Value:
    """A value before it has a place: class, words, mean, interval and luck (NaN: none)."""

    style: str
    told: str
    mean: float
    low: float = math.nan
    high: float = math.nan
    luck: float = math.nan


@dataclass(frozen=True)
class Line:
    """A row before it has a place."""

    label: str
    note: str
    values: tuple[Value, ...]
    text: str


def dot_plot(
    title: str, description: str, lines: Sequence[Line], include: Iterable[float] = (), n_ticks: int = 6
) -> DotPlot | None:
    """Place the lines on one axis; None if nothing has a value. `include`: values that the axis reaches."""
    known = [x for line in lines for v in line.values for x in (v.mean, v.low, v.high, v.luck) if _finite(x)]
    if not known:
        return None
    known += list(include)
    low, high = min(known), max(known)
    margin = 0.04 * (high - low) or 0.1 * abs(high) or 1.0
    ends = set(include)
    low, high = low if low in ends else low - margin, high if high in ends else high + margin

    def place(x: float) -> float | None:
        return round(100 * (x - low) / (high - low), 2) if _finite(x) else None

    rows = tuple(
        DotRow(
            line.label, line.note,
            tuple(Dot(v.style, v.told, *map(place, (v.mean, v.low, v.high, v.luck))) for v in line.values
                  if _finite(v.mean)),
            line.text,
        )
        for line in lines
    )  # fmt: skip
    return DotPlot(title, description, rows, ticks(low, high, n_ticks), place(0.0) if low <= 0 <= high else None)


def _finite(x: float | None) -> bool:
    return x is not None and not pd.isna(x) and math.isfinite(x)
