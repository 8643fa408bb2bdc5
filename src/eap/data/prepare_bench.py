"""How fast clips are prepared, beside the same with dlib's usual call on every frame, and beside decoding alone.

Everything is measured in one run, in turns, by processes that have started, imported their libraries and loaded their
models before any clock runs: start-up counts in none of the three.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd

from eap.config import load_stage, stage_sections
from eap.data.clip_landmarks import LandmarkJob, find_landmarks
from eap.data.clip_pool import ClipFault, ClipPool
from eap.data.face_track import track_landmarks
from eap.data.faces import FaceBox, detect_faces, predict_landmarks
from eap.data.frames import extract_frames
from eap.data.jpeg import decode_jpeg
from eap.data.landmarks import cache_landmarks
from eap.data.layout import PreparedData
from eap.data.listing import find_files
from eap.data.media import iterate_images
from eap.data.mel import cache_mel
from eap.data.row_groups import iterate_groups
from eap.digest import file_sha256
from eap.schemas import read_table, write_table
from eap.stage import StageError

RESIZED_PX = 256
Find = Callable[..., Any]


def measure(config: Any, clips: Path, workers: int, rounds: int) -> dict[str, float]:
    """Prepare the clips under a folder, from decoding to Parquet (frames, landmarks, mel), several times.

    Parameters
    ----------
    config
        The whole configuration; `data.root` is not read.
    workers
        Processes, one per core.
    rounds
        The three are measured in turns, this often; medians are reported.

    Returns
    -------
    dict
        ``frames_per_s`` (prepared frames of the clips that were used); ``per_frame_detection_frames_per_s`` (the same
        stages, but each cached frame goes through ``detector(image, 1)``); ``decode_resize_frames_per_s`` (source
        frames decoded, converted to RGB and resized to 256 px, nothing else); ``speedup`` (median ratio of the
        first two); ``landmark_diff_px`` (mean distance of their points, at 256 px).

    Raises
    ------
    StageError
        If the folder holds no clip that can be used.
    """
    paths = sorted(find_files(clips, "folder"))
    rows = [
        {"clip_id": str(p.absolute()), "path": p.relative_to(clips).as_posix(), "sha256": file_sha256(p)} for p in paths
    ]
    load = os.getloadavg()[0]
    seconds: dict[str, list[float]] = {"tracked": [], "per_frame": [], "decoded": []}
    with tempfile.TemporaryDirectory() as folder, ClipPool(workers, 3600) as pool:
        ways: dict[str, tuple[PreparedData, Find]] = {
            "tracked": (PreparedData(Path(folder, "tracked")), find_landmarks),
            "per_frame": (PreparedData(Path(folder, "per_frame")), find_by_usual_call),
        }
        # Each process imports and loads what it needs: more clips than processes, so that all get some
        warm_up = PreparedData(Path(folder, "warm_up"))
        _prepare(config, clips, (rows * 2 * workers)[: 2 * workers], warm_up, pool, find_landmarks)
        for _ in range(rounds):
            for name, (data, find) in ways.items():
                seconds[name].append(_prepare(config, clips, rows, data, pool, find))
            used = list(_points(ways["tracked"][0]).index.unique("clip_id"))
            if not used:
                raise StageError(f"--clips {clips}: none of its {len(paths)} clips can be used")
            started = time.perf_counter()
            n_decoded = sum(n for n in pool.run(decode_resize, used) if not isinstance(n, ClipFault))
            seconds["decoded"].append(time.perf_counter() - started)
        tables = {name: _points(data) for name, (data, _) in ways.items()}
    both = tables["tracked"].join(tables["per_frame"], lsuffix="_tracked", rsuffix="_per_frame", how="inner")
    pairs = [np.stack(both[f"landmarks_{name}"].to_list()).reshape(-1, 68, 2) for name in ways]
    ratios = [slow / fast for slow, fast in zip(seconds["per_frame"], seconds["tracked"], strict=True)]
    median = {name: statistics.median(values) for name, values in seconds.items()}
    return {
        "frames_per_s": len(tables["tracked"]) / median["tracked"],
        "per_frame_detection_frames_per_s": len(tables["per_frame"]) / median["per_frame"],
        "decode_resize_frames_per_s": n_decoded / median["decoded"],
        "speedup": statistics.median(ratios),
        "landmark_diff_px": float(np.linalg.norm(pairs[0] - pairs[1], axis=-1).mean()) * 256 / config.video.size,
        "n_clips": len(used),
        "n_frames": len(tables["tracked"]),
        "workers": workers,
        "rounds": rounds,
        "load_before": load,
    }


def find_by_usual_call(job: LandmarkJob, detector: str, detect_every: int) -> tuple[np.ndarray, list[str]]:
    """As `find_landmarks`, by dlib's usual call on every frame: the picture doubled once, the best face taken."""

    def detect(image: np.ndarray) -> FaceBox | None:
        faces = detect_faces(image, 1)
        return faces[0] if faces else None

    images = (decode_jpeg(j) for table in iterate_groups(job.frames, job.groups) for j in table["jpeg"].to_pylist())
    found = list(track_landmarks(images, predict_landmarks, 1, detect))
    missing = np.full((68, 2), np.nan, np.float32)
    return np.stack([missing if points is None else points for points, _ in found]), [how for _, how in found]


def decode_resize(path: str) -> int:
    """Decode a clip and resize its pictures; returns how many."""
    n_frames = 0
    for image in iterate_images(Path(path)):
        cv2.resize(image, (RESIZED_PX, RESIZED_PX), interpolation=cv2.INTER_AREA)
        n_frames += 1
    return n_frames


def _prepare(
    config: Any, root: Path, rows: list[dict[str, str]], data: PreparedData, pool: ClipPool, find: Find
) -> float:
    """Seconds from the listing to frames, landmarks and mel of one shard, written anew."""
    table = {
        name: data.shard(name, 0)
        for name in ("listing", "frames", "audio", "media", "landmarks", "landmark_clips", "mel")
    }
    for path in table.values():
        path.unlink(missing_ok=True)
    write_table(table["listing"], "listing", rows)
    there = config.model_copy(update={"data": config.data.model_copy(update={"root": str(root)})})
    stage = {name: load_stage(name, stage_sections(there, name)) for name in ("frames", "landmarks", "mel")}
    started = time.perf_counter()
    extract_frames(stage["frames"], table["listing"], table["frames"], table["audio"], table["media"], pool)
    outputs = table["landmarks"], table["landmark_clips"]
    cache_landmarks(stage["landmarks"], table["frames"], table["media"], *outputs, pool, find)
    cache_mel(stage["mel"], table["audio"], table["mel"])
    return time.perf_counter() - started


def _points(data: PreparedData) -> pd.DataFrame:
    """Landmarks by clip and frame."""
    return read_table(data.shard("landmarks", 0), "landmarks").set_index(["clip_id", "frame"])[["landmarks"]]
