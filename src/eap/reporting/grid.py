"""Section "Grid" (paper, section C): the same voice, from a source face of every emotion, at every gain."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from eap.reporting.media import data_uri
from eap.reporting.results import Results
from eap.reporting.tables import emotion_order


@dataclass(frozen=True)
class Tile:
    """One picture, and the video that it is a frame of (None: a still face)."""

    alt: str
    picture: str
    video: str | None
    generated: bool


@dataclass(frozen=True)
class Grid:
    """One voice: the real recording, the gains, and per source emotion the source and a tile, or None, per gain."""

    clip_id: str
    about: str
    real: Tile | None
    gains: tuple[float, ...]
    rows: tuple[tuple[str, Tile | None, tuple[Tile | None, ...]], ...]


def grids(found: Results, seed: int) -> list[Grid]:
    """The grids of one seed."""
    rows = found.grid[found.grid["seed"] == seed]
    return [_grid(own, found.folder(seed), str(clip_id)) for clip_id, own in rows.groupby("clip_id", sort=True)]


def _grid(rows: pd.DataFrame, folder: object, clip_id: str) -> Grid:
    first = rows.iloc[0]
    gains = tuple(sorted(rows["gain"].dropna().unique()))

    def tile(own: pd.DataFrame, alt: str, generated: bool) -> Tile | None:
        paths = dict(zip(own["kind"], own["path"], strict=True))
        if "picture" not in paths:
            return None
        video = data_uri(folder / paths["video"]) if "video" in paths else None
        return Tile(alt, data_uri(folder / paths["picture"]), video, generated)

    sourced = rows.dropna(subset=["source_emotion"])
    table = []
    for emotion in emotion_order(sourced["source_emotion"]):
        own = sourced[sourced["source_emotion"] == emotion]
        source = tile(own[own["gain"].isna()], f"Source face: {emotion}, {own['source_clip_id'].iloc[0]}", False)
        cells = (tile(own[own["gain"] == g], f"Generated from the {emotion} source at g = {g:g}", True) for g in gains)
        table.append((emotion, source, tuple(cells)))
    about = ", ".join(
        part for part in (f"speaker {first['speaker_id']}", first["emotion"], first["level"]) if not pd.isna(part)
    )
    real = tile(rows[rows["source_emotion"].isna() & rows["gain"].isna()], f"Real recording of {clip_id}", False)
    return Grid(clip_id, about, real, gains, tuple(table))
