"""The landmarks of one prepared clip."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np

from eap.data.face_track import LandmarkPredictor, Status, track_landmarks
from eap.data.faces import predict_landmarks
from eap.data.jpeg import decode_jpeg
from eap.data.row_groups import Group, iterate_groups
from eap.schemas import N_POINTS

DetectorName = Literal["dlib", "fan"]


@dataclass(frozen=True)
class LandmarkJob:
    """Where a clip's frames are."""

    clip_id: str
    frames: Path
    groups: list[Group]


def find_landmarks(job: LandmarkJob, detector: DetectorName, detect_every: int) -> tuple[np.ndarray, list[Status]]:
    """As `detect_landmarks`, for cached frames; one row group of them is held."""
    images = (
        decode_jpeg(jpeg)
        for table in iterate_groups(job.frames, job.groups)
        for jpeg in table["jpeg"].to_pylist()
    )  # fmt: skip
    return detect_landmarks(images, detector, detect_every)


def detect_landmarks(
    frames_THWC: Iterable[np.ndarray], detector: DetectorName = "dlib", detect_every: int = 1
) -> tuple[np.ndarray, list[Status]]:
    """Landmarks of consecutive frames.

    Parameters
    ----------
    frames_THWC
        RGB uint8 ``[T, H, W, 3]``, or an iterable of such frames; square, filled by the face.
    detect_every
        See `track_landmarks`.

    Returns
    -------
    landmarks_TP2
        Float32 ``[T, 68, 2]`` in px; NaN where no face was found.
    status
        ``detected``, ``tracked`` or ``missing`` for each frame.
    """
    points, status = [], []
    for found, how in track_landmarks(frames_THWC, load_predictor(detector), detect_every):
        points.append(np.full((N_POINTS, 2), np.nan, np.float32) if found is None else found)
        status.append(how)
    return np.stack(points) if points else np.zeros((0, N_POINTS, 2), np.float32), status


@cache
def load_predictor(detector: DetectorName) -> LandmarkPredictor:
    """The landmark model of a name, loaded once."""
    if detector == "dlib":
        return predict_landmarks
    from eap.data.fan import FanPredictor  # torch is loaded only where it is needed

    return FanPredictor()
