"""The controls that no training touches: scored once, for every experiment and seed that shares data and sync expert.

Looking for landmarks in every frame is what an evaluation spends its time on, and these videos never change.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from eap.data.clip_store import Clip, ClipStore
from eap.data.encode import write_video
from eap.data.layout import PreparedData
from eap.evaluation.faces import load_faces
from eap.evaluation.judges import Judges
from eap.evaluation.networks import load_networks
from eap.evaluation.offsets import offset_rows
from eap.evaluation.pictures import Pictures
from eap.evaluation.points import fit_judge
from eap.evaluation.recovery import recovery
from eap.evaluation.scores import Judged, accuracy_rows, clip_rows, pooled_rows
from eap.evaluation.variants import (
    choose_clips,
    choose_source,
    delay,
    find_landmarks,
    read_levels,
    read_sound,
    read_video,
)
from eap.schemas import write_table
from eap.seeding import seed_everything
from eap.stage import StageError, StageResult
from eap.training.build import load_sync_expert
from eap.training.processes import require_device
from eap.training.sync_expert import embed_clip

UNJUDGED = ("shifted",)
"""Late pictures say nothing about emotion, which moves more slowly."""


def score_controls(config: Any, data: PreparedData, sync: Path, faces: Path, out: Path) -> StageResult:
    """Score variants "real", "reencoded", "still" and "shifted" of the clips that every evaluation scores.

    Parameters
    ----------
    config
        Sections of stage ``controls``.
    data
        The prepared data.
    sync, faces
        The models of the sync expert and of judge "faces".
    out
        Folder for tables ``scores`` and ``curves`` (seed null), ``judge`` (`eap.evaluation.points`) and ``offsets``
        (`eap.evaluation.offsets`).

    Raises
    ------
    StageError
        If there is no test clip.
    """
    require_device(config.compute.device)
    seed_everything(0, config.compute.threads)
    store = ClipStore(data, config.model.image_size, pose_shape=config.model.pose_shape, scored=True)
    chosen = choose_clips(store, config.evaluation.max_clips)
    if not chosen:
        raise StageError("no test clip: change split.test or split.seed, or add clips")
    made: dict[str, Any] = {"sources": [data.splits, data.labels], "config": config.model_dump(mode="json")}
    points = fit_judge(store, config.video.fps, made["sources"], out / "judge.parquet", made["config"])
    networks, weights = load_networks(config.evaluation.weights)
    made["metadata"] = {"eap.weights": json.dumps(weights)}
    judges = Judges(store, points, load_faces(faces, config, store), emonet=networks.emonet)
    expert = load_sync_expert(sync).to(config.compute.device)
    pictures, about, sound = Pictures(networks), read_levels(data), dict(read_sound(data, set(chosen)))
    rows: list[dict[str, Any]] = []
    judged: list[Judged] = []
    for clip_id in chosen:
        clip, level = store[clip_id], about["level"].get(clip_id)
        for variant, frames, landmarks in control_videos(config, store, clip):
            embedded = embed_clip(expert, frames, clip.mel_TM)
            rows += clip_rows(clip, variant, landmarks, *embedded, config.evaluation.sync_offsets, level)
            rows += pictures.rows(clip, variant, frames, landmarks, sound[clip_id], level)
            if variant not in UNJUDGED:
                source = choose_source(store, clip).clip if variant == "still" else None
                seen = judges.judge(clip, variant, frames, landmarks, source)
                rows += accuracy_rows(seen, bool(about["labelled"].get(clip_id)), level)
                judged += seen
        print(f"controls: {clip_id} scored", flush=True)
    rows += pooled_rows(judged) + pictures.pooled_rows()
    write_table(out / "scores.parquet", "scores", rows, **made)
    write_table(out / "curves.parquet", "curves", pd.concat([j.frame_rows(None) for j in judged]), **made)
    means = pd.DataFrame(rows).groupby(["variant", "metric"])["value"].mean().dropna()
    metrics = {f"{variant}/{metric}": value for (variant, metric), value in means.items()}
    moved = pd.DataFrame(offset_rows(store, expert, config.audio.max_abs, config.evaluation.sync_offsets))
    write_table(out / "offsets.parquet", "offsets", moved, **made)
    metrics |= {f"offsets/{name}": value for name, value in recovery(moved).items() if np.isfinite(value)}
    return StageResult(metrics, (out / "scores.parquet",))


def control_videos(config: Any, store: ClipStore, clip: Clip) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Name, uint8 frames ``[T, H, W, 3]`` and landmarks ``[T, 68, 2]`` of each control."""
    real = clip.frames_THWC
    landmarks = find_landmarks(real)
    yield "real", real, landmarks
    coded = reencode(real, config.video.fps, config.evaluation.crf)
    yield "reencoded", coded, find_landmarks(coded)
    still = np.broadcast_to(choose_source(store, clip).frame_HWC, real.shape)
    yield "still", still, find_landmarks(still)
    yield "shifted", delay(real), delay(landmarks)


def reencode(frames_THWC: np.ndarray, fps: int, crf: int) -> np.ndarray:
    """Frames as a player shows them after x264; same shape."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "video.mp4")
        write_video(path, frames_THWC, fps, crf, None, 16000, "re-encoded, for measurement", repeatable=True)
        return read_video(path)
