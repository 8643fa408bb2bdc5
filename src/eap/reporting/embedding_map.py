"""Section "Embeddings": the map of E_E, and how far the classes are apart in the space itself."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from eap.reporting.tables import emotion_order

MARGIN = 0.06
"""Free edge of the map, as a share of its longer side."""
LABEL_SIZE = (17.0, 6.5)
"""Width and height that a name may take, in percent of the map."""
ABOVE = 5.0
"""A name stands above the middle of its class, or it would hide a single clip."""
EDGES = np.array([LABEL_SIZE[0] / 2, LABEL_SIZE[1] / 2])


@dataclass(frozen=True)
class Point:
    """One clip; x from the left, y from the top, in percent of the map's width; radius likewise."""

    told: str
    emotion: str
    x: float
    y: float
    radius: float


@dataclass(frozen=True)
class EmbeddingMap:
    """One seed. `labels`: (emotion, x, y in percent of width and height) near the middle of its clips."""

    seed: int
    height: float  # in percent of the width
    points: tuple[Point, ...]
    labels: tuple[tuple[str, float, float], ...]
    explained: str
    neighbours: str
    description: str


def embedding_maps(embeddings: pd.DataFrame) -> list[EmbeddingMap]:
    """One map per seed; the emotions of all, neutral first, come from `emotion_order`."""
    return [_map(int(seed), rows.reset_index(drop=True)) for seed, rows in embeddings.groupby("seed", sort=True)]


def nearest_agreement(rows: pd.DataFrame) -> tuple[float, float, str] | None:
    """How often the nearest other clip in the space of e has the same emotion, and how often by luck.

    Where there are several speakers, only clips of *other* speakers count as neighbours: one person's clips resemble
    each other whatever they feel.

    Returns
    -------
    tuple, or None if no clip has a neighbour
        The share, the share that a random neighbour would give, and whose clips were looked at.
    """
    z = np.stack(rows["z"].to_numpy()).astype(np.float64)
    emotion, speaker = (rows[name].to_numpy(object) for name in ("emotion", "speaker_id"))
    across = len(set(speaker)) > 1
    allowed = speaker[:, None] != speaker[None] if across else ~np.eye(len(rows), dtype=bool)
    if not allowed.any():
        return None
    distance = np.where(allowed, ((z[:, None] - z[None]) ** 2).sum(-1), np.inf)
    asked = allowed.any(1)
    same = emotion[:, None] == emotion[None]
    agree = same[np.arange(len(rows)), distance.argmin(1)][asked].mean()
    luck = ((same & allowed).sum(1)[asked] / allowed.sum(1)[asked]).mean()
    return float(agree), float(luck), "of another speaker" if across else "of the same speaker"


def _map(seed: int, rows: pd.DataFrame) -> EmbeddingMap:
    xy = rows[["x", "y"]].to_numpy(float)
    low, size = xy.min(0), np.ptp(xy, axis=0)
    edge = MARGIN * (size.max() or 1.0)
    width, height = np.maximum(size, 0.5 * size.max() or 1.0) + 2 * edge  # never a line
    middle = low + size / 2
    at = np.column_stack([xy[:, 0] - middle[0] + width / 2, middle[1] - xy[:, 1] + height / 2]) * 100 / width
    strength = rows["true_intensity"].fillna(0).clip(0, 1)
    points = tuple(
        Point(_told(row), row.emotion, round(x, 2), round(y, 2), round(0.7 + 0.9 * float(s), 2))
        for row, (x, y), s in zip(rows.itertuples(), at, strength, strict=True)
    )
    percent = 100 * height / width
    middles = {
        emotion: np.median(at[(rows["emotion"] == emotion).to_numpy()], axis=0) * (1, 100 / percent) - (0, ABOVE)
        for emotion in emotion_order(rows["emotion"])
    }
    share = float(rows["explained"].iloc[0])
    explained = f"{100 * share:.0f} % of the variance is on this map" if np.isfinite(share) else "all are equal"
    found = nearest_agreement(rows)
    near = "no clip has a neighbour to compare with" if found is None else (
        f"the nearest clip {found[2]} has the same emotion for {100 * found[0]:.0f} % of the clips "
        f"({100 * found[1]:.0f} % by luck)"
    )  # fmt: skip
    description = f"Map of {len(rows)} test clips by what E_E heard, seed {seed}: {explained}; {near}"
    return EmbeddingMap(seed, round(float(percent), 2), points, spread_labels(middles), explained, near, description)


def spread_labels(middles: dict[str, np.ndarray]) -> tuple[tuple[str, float, float], ...]:
    """Names at the middles of their classes, moved up or down where they would cover each other; percent."""
    names = sorted(middles, key=lambda name: middles[name][1])
    places = {name: middles[name].astype(float).copy() for name in names}
    for _ in range(60):
        for first, second in combinations(names, 2):
            near = abs(places[first][0] - places[second][0]) < LABEL_SIZE[0]
            gap = places[second][1] - places[first][1]
            if near and abs(gap) < LABEL_SIZE[1]:
                push = (LABEL_SIZE[1] - abs(gap)) / 2 + 0.01
                sign = 1 if gap >= 0 else -1
                places[first][1] -= sign * push
                places[second][1] += sign * push
    inside = {name: np.clip(place, EDGES, 100 - EDGES) for name, place in places.items()}
    return tuple((name, *(round(float(v), 2) for v in inside[name])) for name in middles)


def _told(row: object) -> str:
    level = "" if pd.isna(row.level) else f", {row.level}"
    return f"{row.clip_id}: {row.emotion}{level}, speaker {row.speaker_id}"
