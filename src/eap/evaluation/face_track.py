"""The face track and crop of the published in-the-wild SyncNet protocol (run_pipeline.py of syncnet_python).

KNOWN: tracks by overlap, boxes interpolated and median-filtered, the crop. **Deviation:** dlib's detector instead of
S3FD, whose weights are not at hand; one shot per clip (no scene cuts); the longest track only; lossless frames.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from scipy.interpolate import interp1d
from scipy.signal import medfilt

from eap.data.faces import FaceBox
from eap.models.syncnet_v2 import SIDE

MIN_OVERLAP = 0.5
"""Intersection over union with the track's last box (KNOWN)."""
MAX_MISSED = 25
"""Frames without the face after which a track ends (KNOWN)."""
CROP_SCALE = 0.4
MEDIAN_FRAMES = 13
BORDER = 110
"""Grey level beyond the picture (KNOWN)."""
PUBLISHED_MIN_TRACK = 100
"""Frames that the published pipeline asks for: more than any clip of CREMA-D has."""


@dataclass(frozen=True)
class FaceTrack:
    """One face over consecutive frames."""

    start: int
    """First frame."""
    boxes_T4: np.ndarray
    """left, top, right, bottom, px; interpolated where the face was missed."""

    def __len__(self) -> int:
        return len(self.boxes_T4)


def longest_track(boxes: list[list[FaceBox]], min_track: int) -> FaceTrack | None:
    """The longest face track of a clip, or None if none has at least `min_track` frames.

    Parameters
    ----------
    boxes
        The faces found in each frame, the most confident first.
    """
    left = [list(faces) for faces in boxes]
    best: FaceTrack | None = None
    while any(left):
        track = _next_track(left)
        if best is None or len(track) > len(best):
            best = track
    return best if best is not None and len(best) >= min_track else None


def _next_track(left: list[list[FaceBox]]) -> FaceTrack:
    """Take one track's faces out of `left`, from the first face on."""
    frames: list[int] = []
    members: list[FaceBox] = []
    for i, faces in enumerate(left):
        if members and i - frames[-1] > MAX_MISSED:
            break
        for face in faces:
            if not members or _overlap(face, members[-1]) > MIN_OVERLAP:
                frames.append(i)
                members.append(face)
                faces.remove(face)
                break  # one face a frame; the published loop may take two that overlap
    edges = np.array([(box.left, box.top, box.right, box.bottom) for box in members], np.float64)
    between = np.arange(frames[0], frames[-1] + 1)
    return FaceTrack(frames[0], edges if len(frames) == 1 else interp1d(frames, edges, axis=0)(between))


def smooth_track(track: FaceTrack) -> np.ndarray:
    """Centre x, centre y and half side of each frame's box, median-filtered over 13 frames: ``[T, 3]``."""
    left, top, right, bottom = track.boxes_T4.T
    half = np.maximum(bottom - top, right - left) / 2
    # As published, with zeros beyond the ends: there the filter gives the smallest value nearby
    return np.stack([medfilt(v, MEDIAN_FRAMES) for v in ((left + right) / 2, (top + bottom) / 2, half)], -1)


def crop_face(image_HWC: np.ndarray, place_3: np.ndarray) -> np.ndarray:
    """The published crop, uint8 BGR ``[224, 224, 3]``: rows y - s .. y + 1.8 s, columns x -+ 1.4 s.

    Parameters
    ----------
    image_HWC
        RGB uint8.
    place_3
        Centre x, centre y, half side s; px. Beyond the picture everything is grey (110).
    """
    x, y, half = (float(value) for value in place_3)
    pad = int(half * (1 + 2 * CROP_SCALE))
    padded = cv2.copyMakeBorder(image_HWC, pad, pad, pad, pad, cv2.BORDER_CONSTANT, value=(BORDER,) * 3)
    y, x = y + pad, x + pad
    top, bottom = int(y - half), int(y + half * (1 + 2 * CROP_SCALE))
    left, right = int(x - half * (1 + CROP_SCALE)), int(x + half * (1 + CROP_SCALE))
    return cv2.resize(padded[max(top, 0) : bottom, max(left, 0) : right, ::-1], (SIDE, SIDE))


def _overlap(a: FaceBox, b: FaceBox) -> float:
    """Intersection over union."""
    width = max(min(a.right, b.right) - max(a.left, b.left), 0)
    height = max(min(a.bottom, b.bottom) - max(a.top, b.top), 0)
    shared = width * height
    total = (a.right - a.left) * (a.bottom - a.top) + (b.right - b.left) * (b.bottom - b.top)
    return shared / (total - shared)
