"""How fast clips are prepared, beside the same with dlib's usual call on every frame, and beside decoding alone.

Everything is measured in one run, in turns, by processes that have started, imported their libraries and loaded their
models before any clock runs: start-up counts in none of the three.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import psutil

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
        first two); ``landmark_diff_px`` (mean distance of their points, at 256 px). ``*_cpu_ms`` are per frame, of all
        processes: they tell more than the clock where other programs take the cores.

    Raises
    ------
    StageError
        If the folder holds no clip that can be used.
    """
    rows = [
        {"clip_id": str(path.absolute()), "path": path.relative_to(clips).as_posix(), "sha256": file_sha256(path)}
        for path in sorted(find_files(clips, "folder"))
    ]
    load = os.getloadavg()[0]
    fast, slow, decoding = Stopwatch(), Stopwatch(), Stopwatch()
    with tempfile.TemporaryDirectory() as folder, ClipPool(workers, 3600) as pool:
        tracked, per_frame = PreparedData(Path(folder, "tracked")), PreparedData(Path(folder, "per_frame"))
        # Each process imports and loads what it needs: more clips than processes, so that all get some
        _prepare(config, clips, rows[: 2 * workers], tracked, pool, find_landmarks, Stopwatch())
        for _ in range(rounds):
            _prepare(config, clips, rows, tracked, pool, find_landmarks, fast)
            _prepare(config, clips, rows, per_frame, pool, find_by_usual_call, slow)
            used = list(_points(tracked).index.unique("clip_id"))
            if not used:
                raise StageError(f"--clips {clips}: none of its {len(rows)} clips can be used")
            with decoding.running():
                n_decoded = sum(n for n in pool.run(decode_resize, used) if not isinstance(n, ClipFault))
        found, usual = _points(tracked), _points(per_frame)
    return {
        "frames_per_s": len(found) / statistics.median(fast.wall_s),
        "per_frame_detection_frames_per_s": len(usual) / statistics.median(slow.wall_s),
        "decode_resize_frames_per_s": n_decoded / statistics.median(decoding.wall_s),
        "speedup": statistics.median(b / a for a, b in zip(fast.wall_s, slow.wall_s, strict=True)),
        "landmark_diff_px": _difference_px(found, usual) * 256 / config.video.size,
        "cpu_ms": 1000 * statistics.median(fast.cpu_s) / len(found),
        "per_frame_detection_cpu_ms": 1000 * statistics.median(slow.cpu_s) / len(usual),
        "n_clips": len(used),
        "n_frames": len(found),
        "workers": workers,
        "rounds": rounds,
        "load_before": load,
    }


class Stopwatch:
    """Seconds on the wall and of this process and its children, of each time that it ran."""

    def __init__(self) -> None:
        self.wall_s: list[float] = []
        self.cpu_s: list[float] = []

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run within the block."""
        wall, cpu = time.perf_counter(), _cpu_s()
        yield
        self.wall_s.append(time.perf_counter() - wall)
        self.cpu_s.append(_cpu_s() - cpu)


def _cpu_s() -> float:
    here = psutil.Process()
    return sum(sum(process.cpu_times()[:2]) for process in [here, *here.children(recursive=True)])


def _difference_px(found: pd.DataFrame, usual: pd.DataFrame) -> float:
    """Mean distance of the points in the frames that both have."""
    both = found.join(usual, lsuffix="_found", rsuffix="_usual", how="inner")
    points = [np.stack(both[f"landmarks_{name}"].to_list()).reshape(-1, 68, 2) for name in ("found", "usual")]
    return float(np.linalg.norm(points[0] - points[1], axis=-1).mean())


def find_by_usual_call(
    job: LandmarkJob, detector: str, detect_every: int, weights: Path | None
) -> tuple[np.ndarray, list[str]]:
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
    config: Any,
    root: Path,
    rows: list[dict[str, str]],
    data: PreparedData,
    pool: ClipPool,
    find: Find,
    watch: Stopwatch,
) -> None:
    """From the listing to frames, landmarks and mel of one shard, written anew."""
    table = {
        name: data.shard(name, 0)
        for name in ("listing", "frames", "audio", "media", "landmarks", "landmark_clips", "mel")
    }
    for path in table.values():
        path.unlink(missing_ok=True)
    write_table(table["listing"], "listing", rows)
    there = config.model_copy(update={"data": config.data.model_copy(update={"root": str(root)})})
    stage = {name: load_stage(name, stage_sections(there, name)) for name in ("frames", "landmarks", "mel")}
    outputs = table["landmarks"], table["landmark_clips"]
    with watch.running():
        extract_frames(stage["frames"], table["listing"], table["frames"], table["audio"], table["media"], pool)
        cache_landmarks(stage["landmarks"], table["frames"], table["media"], *outputs, pool, find)
        cache_mel(stage["mel"], table["audio"], table["mel"])


def _points(data: PreparedData) -> pd.DataFrame:
    """Landmarks by clip and frame."""
    return read_table(data.shard("landmarks", 0), "landmarks").set_index(["clip_id", "frame"])[["landmarks"]]
