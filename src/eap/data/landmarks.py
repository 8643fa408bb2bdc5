"""The landmark cache: 68 points of every frame, and each clip's coverage."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import pyarrow as pa

from eap.data.faces import FaceBox, detect_faces, predict_landmarks
from eap.data.jpeg import decode_jpeg
from eap.data.row_groups import iterate_clips
from eap.schemas import N_POINTS, to_table, write_table
from eap.stage import StageResult

DetectorName = Literal["dlib", "fan"]


class LandmarkPredictor(Protocol):
    """Points of the face in a given box."""

    def __call__(self, image_HWC: np.ndarray, box: FaceBox) -> np.ndarray:
        """Float32 ``[68, 2]``, px of the RGB uint8 image."""
        ...


def cache_landmarks(config: Any, frames: Path, landmarks: Path, clips: Path) -> StageResult:
    """Landmarks of one shard.

    Parameters
    ----------
    config
        Sections of stage ``landmarks``.
    frames
        Table ``frames``.
    landmarks
        Table ``landmarks`` to write: the used clips, px at `video.size`, one row group per clip.
    clips
        Table ``landmark_clips`` to write: every clip with its status, reason and coverage.

    Raises
    ------
    StageError
        If the detector's weights are absent.
    """
    load_predictor(config.landmarks.detector)
    rows: list[dict[str, Any]] = []
    settings = {"sources": [frames], "config": config.model_dump(mode="json")}
    write_table(landmarks, "landmarks", _landmark_tables(config, frames, rows), **settings)
    write_table(clips, "landmark_clips", rows, **settings)
    n_used = sum(row["status"] == "used" for row in rows)
    coverage = float(np.mean([row["coverage"] for row in rows])) if rows else float("nan")
    return StageResult({"n_used": n_used, "n_set_aside": len(rows) - n_used, "coverage": coverage})


def detect_landmarks(
    frames_THWC: np.ndarray, detector: DetectorName = "dlib", detect_every: int = 1
) -> tuple[np.ndarray, list[str]]:
    """Landmarks of consecutive frames.

    Parameters
    ----------
    frames_THWC
        RGB uint8 ``[T, H, W, 3]``.
    detect_every
        Faces are detected on every n-th frame and on the last; in between the box moves linearly (a face hidden for
        fewer frames than that goes unnoticed). Where a detection fails, the frames around it are searched one by one.

    Returns
    -------
    landmarks_TP2
        Float32 ``[T, 68, 2]`` in px; NaN where no face was found.
    status
        ``detected`` or ``missing`` for each frame.
    """
    predict = load_predictor(detector)
    boxes = track_boxes(frames_THWC, detect_every)
    landmarks = np.full((len(frames_THWC), N_POINTS, 2), np.nan, np.float32)
    for i, box in enumerate(boxes):
        if box is not None:
            landmarks[i] = predict(frames_THWC[i], box)
    return landmarks, ["missing" if box is None else "detected" for box in boxes]


def track_boxes(frames_THWC: np.ndarray, detect_every: int) -> list[FaceBox | None]:
    """The most confident face of each frame, None where there is none; parameters as in `detect_landmarks`."""
    n_frames = len(frames_THWC)
    keys = sorted({*range(0, n_frames, detect_every), n_frames - 1} - {-1})
    boxes: list[FaceBox | None] = [None] * n_frames
    for key in keys:
        boxes[key] = _best_face(frames_THWC[key])
    for left, right in pairwise(keys):
        start, end = boxes[left], boxes[right]
        for i in range(left + 1, right):
            if start is None or end is None:
                boxes[i] = _best_face(frames_THWC[i])
            else:
                boxes[i] = _between(start, end, (i - left) / (right - left))
    return boxes


def fill_gaps(landmarks_TP2: np.ndarray, max_gap: int) -> tuple[np.ndarray, list[str], tuple[int, int] | None]:
    """Interpolate short runs of missing frames linearly; at a clip's ends the nearest frame is held.

    Parameters
    ----------
    landmarks_TP2
        ``[T, 68, 2]`` with NaN in missing frames.
    max_gap
        Longest run, in frames, that is filled.

    Returns
    -------
    landmarks_TP2
        The filled copy.
    status
        ``detected``, ``interpolated`` or ``missing`` for each frame.
    gap
        First frame and length of the longest run that remains, or None.
    """
    found = ~np.isnan(landmarks_TP2).any((1, 2))
    filled, status = landmarks_TP2.copy(), ["detected" if ok else "missing" for ok in found]
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


@cache
def load_predictor(detector: DetectorName) -> LandmarkPredictor:
    """The landmark model of a name, loaded once."""
    if detector == "dlib":
        return predict_landmarks
    from eap.data.fan import FanPredictor  # torch is loaded only where it is needed

    return FanPredictor()


def _landmark_tables(config: Any, frames: Path, rows: list[dict[str, Any]]) -> Iterator[pa.Table]:
    """One table per used clip; on the way, keeps the row of every clip."""
    for clip_id, table in iterate_clips(frames, "frames"):
        images = np.stack([decode_jpeg(jpeg) for jpeg in table["jpeg"].to_pylist()])
        found, status = detect_landmarks(images, config.landmarks.detector, config.video.detect_every)
        coverage = status.count("detected") / len(status)
        points, status, gap = fill_gaps(found, config.landmarks.max_gap)
        reason = _fault(coverage, gap, len(status), config.landmarks)
        rows.append({"clip_id": clip_id, "status": "set_aside" if reason else "used", "stage": "landmarks"})
        rows[-1].update(reason=reason, coverage=coverage)
        if reason is None:
            yield to_table(
                "landmarks",
                [
                    {"clip_id": clip_id, "frame": i, "landmarks": points[i].ravel(), "status": status[i]}
                    for i in range(len(status))
                ],
            )


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


def _best_face(image_HWC: np.ndarray) -> FaceBox | None:
    faces = detect_faces(image_HWC)
    return faces[0] if faces else None


def _between(a: FaceBox, b: FaceBox, weight: float) -> FaceBox:
    names = ("left", "top", "right", "bottom", "score")
    return FaceBox(**{name: (1 - weight) * getattr(a, name) + weight * getattr(b, name) for name in names})
