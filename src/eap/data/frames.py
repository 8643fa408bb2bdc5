"""From media files to the frame cache: one shard's face crops and audio, and what became of each clip."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from eap.data.clip_frames import ClipJob, media_row, prepare_clip
from eap.data.clip_pool import ClipFault, ClipPool, shared
from eap.data.earlier import EarlierShard, made_from
from eap.data.faces import predictor_path
from eap.schemas import SCHEMAS, read_table, table_writer, write_table
from eap.stage import StageResult

Write = Callable[[pa.Table], None]


def extract_frames(
    config: Any, listing: Path, frames: Path, audio: Path, media: Path, pool: ClipPool | None = None
) -> StageResult:
    """Decode the clips of one shard; those that stand in the tables already, made from the same, are copied.

    Parameters
    ----------
    config
        Sections of stage ``frames``.
    listing
        Table ``listing`` of the shard.
    frames, audio, media
        Tables to write. `frames` and `audio` hold the used clips; `media` holds every listed clip with status ``used``
        or ``set_aside``.
    pool
        Processes that are there already; without, the stage starts and ends its own.
    """
    predictor_path()  # its absence is the installation's fault, not the clips'
    listed = read_table(listing, "listing").astype(object).where(lambda table: table.notna(), None)
    earlier = EarlierShard(media, "media", {"frames": frames, "audio": audio})
    values = {"video": config.video.model_dump(mode="json"), "audio": config.audio.model_dump(mode="json")}
    digests = made_from(__name__, values, zip(listed.sha256, listed.audio_sha256, strict=True))
    kept = [earlier.row(clip_id, digest) for clip_id, digest in zip(listed.clip_id, digests, strict=True)]
    settings = {"sources": [listing], "config": values}
    rows: list[dict[str, Any]] = []
    with (
        tempfile.TemporaryDirectory() as folder,
        shared(pool, config.data.workers, config.data.clip_limit_s) as processes,
        table_writer(frames, "frames", **settings) as write_frames,
        table_writer(audio, "audio", **settings) as write_audio,
    ):
        jobs = list(_jobs(listed[[row is None for row in kept]], Path(config.data.root).absolute(), Path(folder)))
        made = zip(
            jobs, processes.run(partial(prepare_clip, video=config.video, audio=config.audio), jobs), strict=True
        )
        for old, digest in zip(kept, digests, strict=True):
            if old is not None:
                rows.append(old)
                for table, write in (("frames", write_frames), ("audio", write_audio)):
                    for group in earlier.copy(table, old["clip_id"]):
                        write(group)
                continue
            job, row = next(made)
            if isinstance(row, ClipFault):
                row = media_row(job.clip_id, row.reason)
            rows.append(row | {"made_from": digest})
            if row["status"] == "used":
                _append(job, write_frames, write_audio)
            job.frames.unlink(missing_ok=True)
            job.pcm16.unlink(missing_ok=True)
        media.unlink(missing_ok=True)  # from here on it would speak of other frames
    write_table(media, "media", rows, **settings)
    used = [row for row in rows if row["status"] == "used"]
    return StageResult(
        {
            "n_used": len(used), "n_set_aside": len(rows) - len(used), "n_copied": len(rows) - len(jobs),
            "n_frames": int(sum(row["n_frames"] for row in used)),
        }
    )  # fmt: skip


def _jobs(listed: pd.DataFrame, root: Path, folder: Path) -> Iterator[ClipJob]:
    for number, row in enumerate(listed.itertuples()):
        parts = folder / f"{number}.parquet", folder / f"{number}.pcm"
        yield ClipJob(row.clip_id, root / row.path, root / (row.audio_path or row.path), *parts)


def _append(job: ClipJob, write_frames: Write, write_audio: Write) -> None:
    """A clip's parts to the shard's tables."""
    with pq.ParquetFile(job.frames) as part:
        for index in range(part.num_row_groups):
            write_frames(part.read_row_group(index))
    pcm16 = job.pcm16.read_bytes()
    row = [pa.array([job.clip_id]), pa.array([len(pcm16) // 2], pa.int64()), pa.array([pcm16], pa.binary())]
    write_audio(pa.Table.from_arrays(row, schema=SCHEMAS["audio"]))
