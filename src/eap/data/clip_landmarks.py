"""The landmarks of one prepared clip."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np

from eap.data.face_track import LandmarkPredictor, Status, track_landmarks
from eap.data.faces import predict_landmarks
from eap.data.jpeg import decode_jpeg
from eap.data.row_groups import Group, iterate_groups
from eap.schemas import N_POINTS

DetectorName = Literal["dlib", "fan"]
DETECTOR = "eap.detector"
"""What table ``landmarks`` says of the detector that found them (`table_note`); dlib's say nothing."""


@dataclass(frozen=True)
class LandmarkJob:
    """Where a clip's frames are."""

    clip_id: str
    frames: Path
    groups: list[Group]


def find_landmarks(
    job: LandmarkJob, detector: DetectorName, detect_every: int, weights: Path | None = None
) -> tuple[np.ndarray, list[Status]]:
    """As `detect_landmarks`, for cached frames; one row group of them is held."""
    images = (
        decode_jpeg(jpeg)
        for table in iterate_groups(job.frames, job.groups)
        for jpeg in table["jpeg"].to_pylist()
    )  # fmt: skip
    return detect_landmarks(images, detector, detect_every, weights)


def detect_landmarks(
    frames_THWC: Iterable[np.ndarray],
    detector: DetectorName = "dlib",
    detect_every: int = 1,
    weights: Path | None = None,
) -> tuple[np.ndarray, list[Status]]:
    """Landmarks of consecutive frames.

    Parameters
    ----------
    frames_THWC
        RGB uint8 ``[T, H, W, 3]``, or an iterable of such frames; square, filled by the face.
    detect_every
        See `track_landmarks`.
    weights
        Of detector "fan" (`detector_weights`).

    Returns
    -------
    landmarks_TP2
        Float32 ``[T, 68, 2]`` in px; NaN where no face was found.
    status
        ``detected``, ``tracked`` or ``missing`` for each frame.
    """
    points, status = [], []
    for found, how in track_landmarks(frames_THWC, load_predictor(detector, weights), detect_every):
        points.append(np.full((N_POINTS, 2), np.nan, np.float32) if found is None else found)
        status.append(how)
    return np.stack(points) if points else np.zeros((0, N_POINTS, 2), np.float32), status


def detector_weights(section: Any) -> Path | None:
    """The file that the detector of section ``landmarks`` needs; None: it comes with a package.

    Raises
    ------
    StageError
        If it cannot be had: with the file, the URL and the config key.
    """
    if section.detector == "dlib":
        return None
    from eap.data.weights import FAN, find_weights  # torch is loaded only where it is needed

    return find_weights(section.fan, FAN)


@cache
def load_predictor(detector: DetectorName, weights: Path | None = None) -> LandmarkPredictor:
    """The landmark model of a name, loaded once; `weights` from `detector_weights`."""
    if detector == "dlib":
        return predict_landmarks
    from eap.data.fan import FanPredictor

    if weights is None:
        raise ValueError("detector 'fan' needs a file of weights (detector_weights)")
    return FanPredictor(weights)
