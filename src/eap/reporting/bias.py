"""Section "Input bias": does the emotion of the source face leak into what is made of it?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from eap.reporting.dots import DotPlot, Line, Value, dot_plot
from eap.reporting.metrics import judge_key
from eap.reporting.score_tables import score_text
from eap.reporting.tables import emotion_order

QUANTITIES = ("intensity", "valence", "arousal")
SHARES = {"voice_share": ("voice", "ours"), "source_share": ("source face", "source")}
"""Probe -> what explains, and its mark."""


@dataclass(frozen=True)
class Cell:
    """One number of a matrix; `weight`: how far from 0 it lies, -1 .. 1 of the scale. `value` None: no face found."""

    value: float | None
    text: str
    weight: float


@dataclass(frozen=True)
class Matrix:
    """Mean judged value: rows are source emotions, columns voices, the last of both their means."""

    judge: str
    quantity: str
    gain: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]


@dataclass(frozen=True)
class Seen:
    """The class that phi(F(video)) sees most often: text and whether it is the voice's or the source's."""

    text: str
    agrees: str


def bias_matrices(bias: pd.DataFrame) -> list[Matrix]:
    """A matrix per judge, quantity and gain, over all seeds and voices; none of what a judge never reads."""
    return list(_matrices(bias[bias["variant"] == "generated"]))


def _matrices(made: pd.DataFrame) -> Iterator[Matrix]:
    for judge in sorted(made["judge"].unique(), key=judge_key):
        for quantity in QUANTITIES:
            known = made[(made["judge"] == judge) & made[quantity].notna()]
            # One scale for all gains of a quantity, so that they can be compared by eye
            scale = known.groupby(["source_emotion", "emotion", "gain"])[quantity].mean().abs().max()
            for gain, rows in known.groupby("gain", sort=True):
                yield _matrix(rows, judge, quantity, f"{gain:g}", scale)


def _matrix(rows: pd.DataFrame, judge: str, quantity: str, gain: str, scale: float) -> Matrix:
    sources, voices = (emotion_order(rows[name]) for name in ("source_emotion", "emotion"))

    def cell(part: pd.DataFrame) -> Cell:
        if part.empty:
            return Cell(None, "no face was found, or there is no such source", 0.0)
        value = float(part[quantity].mean())
        return Cell(value, score_text(value, 2), round(value / scale, 3) if scale else 0.0)

    table = []
    for source in [*sources, None]:
        own = rows if source is None else rows[rows["source_emotion"] == source]
        cells = tuple(cell(own[own["emotion"] == voice]) for voice in voices)
        table.append((source or "all sources", (*cells, cell(own))))
    return Matrix(judge, quantity, gain, (*voices, "all voices"), tuple(table))


SeenTable = tuple[str, tuple[str, ...], tuple[tuple[str, tuple[Seen | None, ...]], ...]]
"""Gain, voices, and per source emotion what is seen with each voice."""


def seen_tables(bias: pd.DataFrame) -> list[SeenTable]:
    """Per gain: the voices, and per source emotion the class seen most often with each voice."""
    made = bias[(bias["variant"] == "generated") & bias["predicted"].notna()]
    tables = []
    for gain, rows in made.groupby("gain", sort=True):
        sources, voices = (emotion_order(rows[name]) for name in ("source_emotion", "emotion"))
        table = []
        for source in sources:
            own = rows[rows["source_emotion"] == source]
            table.append((source, tuple(_seen(own[own["emotion"] == voice], source, voice) for voice in voices)))
        tables.append((f"{gain:g}", tuple(voices), tuple(table)))
    return tables


def _seen(rows: pd.DataFrame, source: str, voice: str) -> Seen | None:
    if rows.empty:
        return None
    counts = rows["predicted"].value_counts()
    best = sorted(counts.index[counts == counts.max()])[0]
    agrees = "both" if best == source == voice else {source: "source", voice: "voice"}.get(best, "neither")
    return Seen(f"{best} {counts.max()}/{len(rows)}", agrees)


def share_plots(probes: pd.DataFrame) -> list[DotPlot]:
    """Per gain: what share of the variance voice and source explain, as each judge reads it, beside what luck gives."""
    rows = probes[probes["probe"].isin(list(SHARES))]
    plots = []
    for gain, own in rows.groupby("gain", sort=False):
        pairs = sorted(own.groupby(["judge", "quantity"]), key=_pair_key)
        lines = [_share_line(pair, quantity, judge) for (judge, quantity), pair in pairs]
        told = f"Share of variance that voice and source face explain at g = {gain:g}"
        plot = dot_plot(f"g = {gain:g}", told, lines, (0, 1))
        plots += [plot] if plot else []
    return plots


def _pair_key(item: tuple[tuple[str, str], pd.DataFrame]) -> tuple[int, str, int]:
    judge, quantity = item[0]
    return *judge_key(judge), QUANTITIES.index(quantity)


def _share_line(pair: pd.DataFrame, quantity: str, judge: str) -> Line:
    """Voice and source on one line."""
    values, texts = [], []
    for probe, (name, style) in SHARES.items():
        for row in pair[pair["probe"] == probe].itertuples():
            text = f"{round(100 * row.mean) + 0:d} %" if np.isfinite(row.mean) else "undefined"
            luck = f", luck {100 * row.chance:.0f} %" if np.isfinite(row.chance) else ""
            # No share is below 0, but rounding may say so
            mean, low, high = (max(x, 0.0) if np.isfinite(x) else x for x in (row.mean, row.low, row.high))
            values.append(Value(style, f"{name}: {text}{luck}", mean, low, high, row.chance))
            texts.append(text)
    return Line(quantity, f"judge {judge}", tuple(values), " · ".join(texts))
