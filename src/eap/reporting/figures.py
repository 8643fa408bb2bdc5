"""Charts and media of the page.

Charts are drawn here as SVG polylines in data coordinates, so that the page shows them without a script; the page's
script only adds zooming and reading off. That is 10 kB instead of the 4.5 MB of plotly.js, and follows dark mode.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from eap.reporting.metrics import VARIANTS, variant_key
from eap.stage import StageError

MAX_POINTS = 300
"""Longer lines are drawn as means of consecutive values, or a run of 500 epochs would not fit a page."""

PARTS = ("train", "validation")
_MIME = {".mp4": "video/mp4", ".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg"}
_MEDIA = {
    "source": ("Source face", False),
    "real": ("Real recording", False),
    "neutral": ("Neutral, g = 0", True),
    "emotional": ("Emotional, g = 1", True),
}


@dataclass(frozen=True)
class Line:
    """One polyline; `style` is its CSS class, `seed` None where it belongs to no seed."""

    name: str
    style: str
    seed: int | None
    points: str


@dataclass(frozen=True)
class Chart:
    """One chart; the ticks are (label, position in percent)."""

    title: str
    description: str
    x_name: str
    lines: tuple[Line, ...]
    x_range: tuple[float, float]
    y_range: tuple[float, float]
    x_ticks: tuple[tuple[str, float], ...]
    y_ticks: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Medium:
    """A picture or a video of one clip, embedded."""

    variant: str
    caption: str
    generated: bool
    uri: str

    @property
    def is_video(self) -> bool:
        """Whether it plays."""
        return self.uri.startswith("data:video/")


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


def loss_charts(histories: Mapping[int | None, pd.DataFrame]) -> list[Chart]:
    """One chart per logged term; the key of `histories` is the seed, None for a stage that runs once."""
    terms = dict.fromkeys(term for history in histories.values() for term in history["term"])
    charts = []
    for term in sorted(terms, key=lambda term: (term != "total", list(terms).index(term))):
        lines, told = [], []
        for seed, history in histories.items():
            for part in PARTS:
                rows = history[(history["term"] == term) & (history["part"] == part)].sort_values("step")
                name = part if seed is None else f"{part}, seed {seed}"
                lines.append(line(name, part, seed, rows["step"], rows["value"]))
                values = rows["value"].dropna()
                if len(values):
                    told.append(f"{name}: {values.iloc[0]:.3g} at first, {values.iloc[-1]:.3g} at last")
        charts.append(chart(term, "; ".join(told), "step", lines))
    return [drawn for drawn in charts if drawn is not None]


def curve_charts(curves: pd.DataFrame, clip_id: str, fps: int, quantity: str) -> list[Chart]:
    """One chart per variant of a clip: the truth, and each judge's curve for each seed, against seconds."""
    clip = curves[curves["clip_id"] == clip_id]
    charts = []
    for variant in sorted(clip["variant"].unique(), key=variant_key):
        rows = clip[clip["variant"] == variant]
        truth = rows.drop_duplicates("frame").sort_values("frame")
        lines = [line("truth", "truth", None, truth["frame"] / fps, truth[f"true_{quantity}"])]
        for (judge, seed), part in rows.groupby(["judge", "seed"], sort=True, dropna=False):
            own = None if pd.isna(seed) else int(seed)  # a control, the same for every seed
            part, name = part.sort_values("frame"), judge if own is None else f"{judge}, seed {own}"
            lines.append(line(name, f"judge-{judge}", own, part["frame"] / fps, part[quantity]))
        label = VARIANTS.get(variant, (variant, ""))[0]
        description = f"{quantity} of {clip_id}, {label.lower()}, over time: " + ", ".join(part.name for part in lines)
        charts.append(chart(label, description, "s", lines, floor=0.0 if quantity == "intensity" else None))
    return [drawn for drawn in charts if drawn is not None]


def spread_clips(videos: pd.DataFrame, count: int) -> list[str]:
    """At most `count` clips, taken in turn from each speaker and emotion."""
    clips = videos.drop_duplicates("clip_id").sort_values("clip_id")
    turn = clips.groupby(["emotion", "speaker_id"], dropna=False).cumcount()
    order = clips.assign(turn=turn).sort_values(["turn", "emotion", "clip_id"])
    return sorted(order["clip_id"].head(count))


def media(rows: pd.DataFrame, folder: Path) -> list[Medium]:
    """The pictures and videos of one clip and seed, known variants first."""
    by_variant = dict(zip(rows["variant"], rows["path"], strict=True))
    known = [variant for variant in _MEDIA if variant in by_variant]
    found = []
    for variant in [*known, *sorted(set(by_variant) - set(known))]:
        caption, generated = _MEDIA.get(variant, (variant, True))
        found.append(Medium(variant, caption, generated, data_uri(folder / by_variant[variant])))
    return found


def data_uri(path: Path) -> str:
    """A file's content as a `data:` address.

    Raises
    ------
    StageError
        If the file is missing or of a kind that a browser cannot show.
    """
    mime = _MIME.get(path.suffix.lower())
    if mime is None:
        raise StageError(f"{path}: the report embeds {', '.join(_MIME)} only; evaluate writes these")
    if not path.is_file():
        raise StageError(f"{path}: missing, but the table of videos lists it; run the evaluation of this seed again")
    return f"data:{mime};base64,{base64.b64encode(path.read_bytes()).decode()}"
