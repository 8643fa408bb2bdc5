"""One face of each speaker and emotion, small enough to be embedded."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from eap.data.cached_frames import resize_frame
from eap.data.jpeg import decode_jpeg, encode_jpeg
from eap.data.layout import PreparedData
from eap.evaluation.levels import level_key
from eap.schemas import check_table
from eap.stage import StageError

MAX_SPEAKERS = 12
"""Rows of the contact sheet: with nine emotions it stays under half a megabyte."""

TILE_PX, TILE_QUALITY = 96, 80


@dataclass(frozen=True)
class Tile:
    """One face of the contact sheet."""

    alt: str
    uri: str


def choose_clips(used: pd.DataFrame) -> pd.DataFrame:
    """The contact sheet's clips: one of the highest level per emotion, for speakers spread over the sorted names."""
    speakers = sorted(used["speaker_id"].unique())
    shown = np.unique(np.linspace(0, len(speakers) - 1, MAX_SPEAKERS).round().astype(int)) if speakers else []
    rows = used[used["speaker_id"].isin([speakers[i] for i in shown])]
    rows = rows.assign(level=rows["intensity_level"].fillna("unspecified").map(level_key))
    rows = rows.sort_values(["level", "clip_id"])
    return rows.groupby(["speaker_id", "emotion"], as_index=False)[["clip_id", "shard"]].last()


def contact_sheet(
    data: PreparedData, chosen: pd.DataFrame, peaks: dict[str, int], emotions: Sequence[str]
) -> list[tuple[str, tuple[Tile | None, ...]]]:
    """One row per speaker: of each emotion the frame labelled strongest, if there is one."""
    rows = []
    for speaker, own in chosen.groupby("speaker_id", sort=True):
        clip_of = {row.emotion: row for row in own.itertuples()}
        tiles = [
            tile(data, clip_of[emotion], peaks.get(clip_of[emotion].clip_id, 0)) if emotion in clip_of else None
            for emotion in emotions
        ]
        rows.append((str(speaker), tuple(tiles)))
    return rows


def tile(data: PreparedData, clip: Any, frame: int) -> Tile:
    """A small picture of one cached frame; `clip` has speaker_id, emotion, clip_id and shard."""
    path = data.shard("frames", int(clip.shard))
    if not path.is_file():
        raise StageError(f"{path}: missing, and the report's contact sheet needs it; run the workflow to its end")
    check_table(path, "frames")
    found = pq.read_table(
        path,
        columns=["jpeg"],
        filters=[("clip_id", "==", clip.clip_id), ("frame", "==", frame)],
        partitioning=None,
        page_checksum_verification=True,
    )
    if not len(found):
        raise StageError(f"{path}: holds no frame {frame} of {clip.clip_id!r}; prepare it again")
    image = resize_frame(decode_jpeg(found["jpeg"][0].as_py()), TILE_PX)
    coded = base64.b64encode(encode_jpeg(image, TILE_QUALITY)).decode()
    alt = f"{clip.emotion} face of speaker {clip.speaker_id}: frame {frame} of {clip.clip_id}"
    return Tile(alt, f"data:image/jpeg;base64,{coded}")
