"""The landmark cache: 68 points of every frame, and each clip's coverage."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from eap.data.clip_landmarks import DETECTOR, LandmarkJob, detector_weights, find_landmarks, load_predictor
from eap.data.clip_pool import ClipFault, ClipPool, shared
from eap.data.earlier import EarlierShard, made_from
from eap.data.face_track import Status
from eap.data.row_groups import clip_groups
from eap.schemas import SCHEMAS, read_table, table_writer, write_table
from eap.stage import StageError, StageResult


def cache_landmarks(
    config: Any,
    frames: Path,
    media: Path,
    landmarks: Path,
    clips: Path,
    pool: ClipPool | None = None,
    find: Callable[..., tuple[np.ndarray, list[Status]]] = find_landmarks,
) -> StageResult:
    """Landmarks of one shard; clips that stand in the tables already, made from the same, are copied.

    Parameters
    ----------
    config
        Sections of stage ``landmarks``.
    frames, media
        Tables of the shard.
    landmarks
        Table ``landmarks`` to write: the used clips, px at `video.size`, one row group per clip.
    clips
        Table ``landmark_clips`` to write: every clip of `frames` with its status, reason and coverage.
    pool
        Processes that are there already; without, the stage starts and ends its own.
    find
        What searches a clip; another one only to be compared with.

    Raises
    ------
    StageError
        If the detector's weights are absent, or the two tables are not of one run.
    """
    section = config.landmarks
    weights = detector_weights(section)
    load_predictor(section.detector, weights)
    earlier = EarlierShard(clips, "landmark_clips", {"landmarks": landmarks})
    listed = read_table(media, "media", ["clip_id", "status", "made_from"]).query("status == 'used'")
    values = section.model_dump(mode="json", exclude=set() if section.detector == "fan" else {"fan"})
    digests = made_from(__name__, values, listed.made_from)
    kept = [earlier.row(clip_id, digest) for clip_id, digest in zip(listed.clip_id, digests, strict=True)]
    rows: list[dict[str, Any]] = []
    settings = {"sources": [frames], "config": values}
    told = {} if section.detector == "dlib" else {DETECTOR: section.detector}
    with (
        shared(pool, config.data.workers, config.data.clip_limit_s) as processes,
        table_writer(landmarks, "landmarks", **settings, metadata=told) as write,
    ):
        jobs = _jobs(frames, listed, kept)
        work = partial(find, detector=section.detector, detect_every=section.detect_every, weights=weights)
        made = zip(jobs, processes.run(work, jobs), strict=True)
        for old, digest in zip(kept, digests, strict=True):
            if old is not None:
                rows.append(old)
                for group in earlier.copy("landmarks", old["clip_id"]):
                    write(group)
                continue
            job, found = next(made)
            row, table = _judged(job.clip_id, found, section)
            rows.append(row | {"made_from": digest})
            if table is not None:
                write(table)
        clips.unlink(missing_ok=True)  # from here on it would speak of other landmarks
    write_table(clips, "landmark_clips", rows, **settings)
    n_used = sum(row["status"] == "used" for row in rows)
    coverage = float(np.mean([row["coverage"] for row in rows])) if rows else float("nan")
    return StageResult(
        {"n_used": n_used, "n_set_aside": len(rows) - n_used, "n_copied": len(rows) - len(jobs), "coverage": coverage}
    )


def _jobs(frames: Path, listed: pd.DataFrame, kept: list[dict[str, Any] | None]) -> list[LandmarkJob]:
    groups = clip_groups(frames, "frames")
    lost = set(listed.clip_id) - set(groups)
    if lost:
        raise StageError(
            f"clip {min(lost)!r} is used, but not in {frames}; remove that file and run stage frames again"
        )
    return [
        LandmarkJob(clip_id, frames, groups[clip_id])
        for clip_id, old in zip(listed.clip_id, kept, strict=True)
        if old is None
    ]


def _judged(
    clip_id: str, found: tuple[np.ndarray, list[str]] | ClipFault, section: Any
) -> tuple[dict[str, Any], pa.Table | None]:
    """The clip's row of table ``landmark_clips``, and its landmarks if it is used."""
    if isinstance(found, ClipFault):
        coverage, reason = 0.0, found.reason
    else:
        coverage = 1 - found[1].count("missing") / len(found[1])
        points, status, gap = fill_gaps(*found, section.max_gap)
        reason = _fault(coverage, gap, len(status), section)
    row = {
        "clip_id": clip_id, "status": "set_aside" if reason else "used", "stage": "landmarks", "reason": reason,
        "coverage": coverage,
    }  # fmt: skip
    if reason:
        return row, None
    columns = [
        pa.array([clip_id] * len(points)),
        pa.array(range(len(points)), pa.int32()),
        pa.FixedSizeListArray.from_arrays(pa.array(points.ravel(), pa.float32()), points[0].size),
        pa.array(status),
    ]
    return row, pa.Table.from_arrays(columns, schema=SCHEMAS["landmarks"])


def fill_gaps(
    landmarks_TP2: np.ndarray, status: list[str], max_gap: int
) -> tuple[np.ndarray, list[str], tuple[int, int] | None]:
    """Interpolate short runs of missing frames linearly; at a clip's ends the nearest frame is held.

    Parameters
    ----------
    landmarks_TP2
        ``[T, 68, 2]``, of any value in missing frames.
    status
        ``missing``, or how they were found, for each frame.
    max_gap
        Longest run, in frames, that is filled.

    Returns
    -------
    landmarks_TP2
        The filled copy.
    status
        The same, ``interpolated`` where a gap was filled.
    gap
        First frame and length of the longest run that remains, or None.
    """
    found = np.array(status) != "missing"
    filled, status = landmarks_TP2.copy(), list(status)
    remaining: tuple[int, int] | None = None
    edges = np.flatnonzero(np.diff(np.concatenate([[True], found, [True]]).astype(int)))
    for start, stop in zip(edges[::2], edges[1::2], strict=True):
        if stop - start > max_gap or not found.any():
            if remaining is None or stop - start > remaining[1]:
                remaining = int(start), int(stop - start)
            continue
        before, after = max(start - 1, 0), min(stop, len(found) - 1)
        before, after = (after if start == 0 else before), (before if stop == len(found) else after)
        for i in range(start, stop):
            weight = (i - before) / (after - before) if after != before else 0.0
            filled[i] = (1 - weight) * landmarks_TP2[before] + weight * landmarks_TP2[after]
            status[i] = "interpolated"
    return filled, status, remaining


def _fault(coverage: float, gap: tuple[int, int] | None, n_frames: int, settings: Any) -> str | None:
    where = f"; no face from frame {gap[0]} to {gap[0] + gap[1] - 1}" if gap else ""
    if coverage < settings.min_coverage:
        return (
            f"landmarks in {coverage:.0%} of {n_frames} frames, landmarks.min_coverage is "
            f"{settings.min_coverage:.0%}{where}"
        )
    if gap:
        return f"{gap[1]} frames in a row without landmarks, landmarks.max_gap is {settings.max_gap}{where}"
    return None
