"""Section "Parts": every score by emotion, by level and by speaker."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from eap.evaluation.levels import level_key
from eap.reporting.dots import DotPlot, Line, Value, dot_plot
from eap.reporting.metrics import VARIANTS, Metric, describe, sort_key, variant_key
from eap.reporting.score_tables import Score, score_of, score_text

PARTS = {"emotion": "Emotion", "level": "Level", "speaker": "Speaker"}
DRAWN = {"generated": "ours", "real": "real", "still": "still"}
"""Variants in the dot plot, and their marks; the table has all."""

_ORDER: dict[str, Callable[[str], tuple[object, ...]]] = {
    "emotion": lambda value: (value != "neutral", value),
    "level": level_key,
    "speaker": lambda value: (value,),
}


@dataclass(frozen=True)
class Panel:
    """One metric over one kind of part; rows are (value, clips, a cell or None per variant)."""

    part: str
    metric: Metric
    variants: tuple[tuple[str, str], ...]
    rows: tuple[tuple[str, int, tuple[Score | None, ...]], ...]
    plot: DotPlot | None


def breakdown_panels(breakdown: pd.DataFrame) -> list[Panel]:
    """A panel for every part and metric of one experiment's table "breakdown"."""
    return [
        _panel(part, describe(name), rows[rows["metric"] == name])
        for part in PARTS
        for rows in [breakdown[breakdown["part"] == part]]
        for name in sorted(rows["metric"].unique(), key=sort_key)
    ]


def _panel(part: str, metric: Metric, rows: pd.DataFrame) -> Panel:
    variants = sorted(rows["variant"].unique(), key=variant_key)
    cells = {(row.value, row.variant): row for row in rows.itertuples()}
    table, lines = [], []
    for value in sorted(rows["value"].unique(), key=_ORDER[part]):
        found = [cells.get((value, variant)) for variant in variants]
        n_clips = max(row.n_clips for row in found if row is not None)
        scores = tuple(None if row is None else score_of(row, _why(row)) for row in found)
        table.append((value, n_clips, scores))
        shown = [cells[value, v] for v in DRAWN if (value, v) in cells]
        lines.append(_line(value, n_clips, shown, metric))
    names = tuple((variant, VARIANTS.get(variant, (variant, ""))[0]) for variant in variants)
    plot = dot_plot(metric.label, f"{metric.label} by {part}", lines)
    return Panel(part, metric, names, tuple(table), plot)


def _why(row: object) -> str:
    """A mean that does not exist; the reasons of single clips stand under the table of scores."""
    return "no clip has a value" if pd.isna(row.mean) else ""


def _line(value: str, n_clips: int, rows: list[object], metric: Metric) -> Line:
    values = tuple(
        Value(
            DRAWN[row.variant], f"{VARIANTS[row.variant][0]}: {score_text(row.mean, metric.decimals)}", row.mean,
            row.low, row.high,
        )
        for row in rows if not pd.isna(row.mean)
    )  # fmt: skip
    own = next((v for v in values if v.style == "ours"), None)
    text = "undefined" if own is None else score_text(own.mean, metric.decimals)
    return Line(value, f"{n_clips} clip{'s' if n_clips != 1 else ''}", values, text)
