"""The table ``clips``: every row of the catalog with its final status, and the stage and reason that decided it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from eap.data.layout import PreparedData
from eap.schemas import SCHEMAS, read_table, write_table
from eap.stage import StageError, StageResult

STATUS = ["status", "stage", "reason"]


def index_clips(config: Any, data: PreparedData, clips: Path) -> StageResult:
    """Join catalog, media and landmark status.

    Parameters
    ----------
    config
        Sections of stage ``index``.
    data
        The prepared data; all shards of ``media`` and ``landmark_clips`` must be there.
    clips
        Table ``clips`` to write, one row per row of the catalog, in its order.

    Raises
    ------
    StageError
        If a listed clip is in no shard's table.
    """
    table = read_table(data.catalog, "catalog").set_index("clip_id", drop=False)
    sources = [data.catalog]
    waiting = table.index[table.status == "listed"]
    for name, stage in (("media", "frames"), ("landmark_clips", "landmarks")):
        shards = [data.shard(name, shard) for shard in range(config.data.shards)]
        absent = [path for path in shards if not path.is_file()]
        if absent:
            raise StageError(f"{absent[0]} is absent; run stage {stage} for every shard first")
        sources += shards
        found = read_table(shards, name).set_index("clip_id")
        lost = waiting.difference(found.index)
        if len(lost) or found.index.has_duplicates:
            example = lost[0] if len(lost) else found.index[found.index.duplicated()][0]
            raise StageError(
                f"clip {example!r} must be in exactly one shard of {name}; the shards are not of this catalog: remove "
                f"{shards[0].parent} and run stage {stage} again"
            )
        found = found.loc[waiting]
        table = table.join(found.drop(columns=[*STATUS, "made_from"]))
        table.loc[waiting, STATUS] = found[STATUS]
        waiting = found.index[found.status == "used"]
    order = SCHEMAS["clips"].names
    write_table(clips, "clips", _whole_numbers(table[order]), sources=sources)
    n_used = int((table.status == "used").sum())
    return StageResult({"n_used": n_used, "n_set_aside": len(table) - n_used})


def used_datasets(data: PreparedData) -> list[dict[str, Any]]:
    """Datasets and licences of the used clips, with clips and people: what a model inherits its terms from."""
    clips = read_table(data.clips, "clips", ["clip_id", "dataset", "licence", "speaker_id", "status"])
    used = clips[clips.status == "used"].fillna({"licence": "not stated", "dataset": "not stated"})
    return [
        {"name": name, "licence": licence, "n_clips": len(own), "n_speakers": int(own.speaker_id.nunique())}
        for (name, licence), own in used.groupby(["dataset", "licence"])
    ]


def _whole_numbers(table: pd.DataFrame) -> pd.DataFrame:
    """Integer columns as nullable integers: a join turns them into floats where a clip has no value."""
    columns = ("size_bytes", "shard", "n_frames", "source_width_px", "source_height_px")
    return table.reset_index(drop=True).astype({name: "Int64" for name in columns})
