"""Landmarks of consecutive frames: faces are detected on key frames and tracked in between.

The landmarks' predictor is cheap (1,400 frames/s), the detector is not; but the points depend on the box, by 0.7 px
(at 256) for each px that it moves, so a tracked box must be the one that the detector would have given. The detector's
boxes stand on a grid of a tenth of the face (`eap.data.face_search`): a box is held as long as the landmarks say that
the face has not moved by half a step, and follows the face by its landmarks from there on (docs/adr/0010).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

import cv2
import numpy as np

from eap.data.face_search import find_face
from eap.data.faces import FaceBox

Status = Literal["detected", "tracked", "missing"]

STEADY = np.r_[0:17, 27:48]
"""Points that move with the head, not with speech or brows: jaw line, nose, eyes (indices, ``[38]``)."""
HALF_STEP = 0.05
"""A box is moved when the face has moved by more, in box widths (half a step of the detector's grid; CHOSEN)."""
MAX_JUMP = 0.1
"""Steps from frame to frame beyond this, in box widths or as change of scale, are no motion of a head (CHOSEN).

Of real speakers the largest is 0.015 and 0.035.
"""
MAX_STRAY = 0.2
"""A tracked box may differ from the next detected one by this, in box widths: two steps of the grid (CHOSEN)."""
MAX_CHANGE = 12.0
"""Mean change of a 16-px thumbnail from frame to frame, grey levels, beyond which nothing is tracked (CHOSEN).

Talking heads stay below 3, fast moving ones below 9; a hand over the mouth makes 20, a cut 40 and more.
"""
THUMBNAIL_PX = 16


class LandmarkPredictor(Protocol):
    """Points of the face in a given box."""

    def __call__(self, image_HWC: np.ndarray, box: FaceBox) -> np.ndarray:
        """Float32 ``[68, 2]``, px of the RGB uint8 image."""
        ...


class Place(NamedTuple):
    """Where a head is: centre of the steady points and the root of their summed squared distances from it, px."""

    x: float
    y: float
    size: float


@dataclass(frozen=True)
class Sighting:
    """A face in a frame."""

    points_P2: np.ndarray
    box: FaceBox
    place: Place
    thumbnail: np.ndarray
    status: Status
    anchor: Sighting | None
    """The detection that a tracked box started from."""


def track_landmarks(
    frames: Iterable[np.ndarray],
    predict: LandmarkPredictor,
    detect_every: int,
    detect: Callable[[np.ndarray], FaceBox | None] = find_face,
) -> Iterator[tuple[np.ndarray | None, Status]]:
    """Landmarks and status of each frame; at most `detect_every` frames are held.

    Faces are detected on every n-th frame and on the last. In between they are tracked; a frame in which that is unsure
    (a jump, a changed picture, a face lost before) is searched by itself. Where the next detection finds the face
    elsewhere than tracking, or not at all, each frame of the stretch before is searched by itself.

    Parameters
    ----------
    frames
        RGB uint8 ``[H, W, 3]``.

    Returns
    -------
    Iterator
        Float32 ``[68, 2]`` in px, or None where no face was found, and ``detected``, ``tracked`` or ``missing``.
    """
    stretch: list[tuple[np.ndarray, Sighting | None]] = []
    for image, is_last in _with_last(frames):
        before = stretch[-1][1] if stretch else None
        is_key = is_last or not stretch or len(stretch) >= detect_every
        seen = _detected(image, predict, detect) if is_key else _followed(image, before, predict, detect)
        if is_key and not _agrees(before, seen):
            stretch[1:] = [
                (old, sighting if sighting and sighting.status == "detected" else _detected(old, predict, detect))
                for old, sighting in stretch[1:]
            ]
        if is_key:
            yield from (_told(sighting) for _, sighting in stretch)
            stretch = []
        stretch.append((image, seen))
    yield from (_told(sighting) for _, sighting in stretch)


def _with_last(frames: Iterable[np.ndarray]) -> Iterator[tuple[np.ndarray, bool]]:
    """Each frame, and whether it is the last."""
    held: list[np.ndarray] = []
    for frame in frames:
        if held:
            yield held.pop(), False
        held.append(frame)
    yield from ((frame, True) for frame in held)


def _told(sighting: Sighting | None) -> tuple[np.ndarray | None, Status]:
    return (sighting.points_P2, sighting.status) if sighting else (None, "missing")


def _detected(
    image: np.ndarray, predict: LandmarkPredictor, detect: Callable[[np.ndarray], FaceBox | None]
) -> Sighting | None:
    box = detect(image)
    if box is None:
        return None
    points = predict(image, box)
    return Sighting(points, box, _place(points), _thumbnail(image), "detected", None)


def _followed(
    image: np.ndarray,
    before: Sighting | None,
    predict: LandmarkPredictor,
    detect: Callable[[np.ndarray], FaceBox | None],
) -> Sighting | None:
    """The face in the frame after `before`: tracked, or detected where that is unsure."""
    if before is None:
        return _detected(image, predict, detect)
    thumbnail = _thumbnail(image)
    if np.abs(thumbnail - before.thumbnail).mean() <= MAX_CHANGE:
        anchor = before.anchor or before
        box = _moved_box(before, anchor)
        points = predict(image, box)
        place = _place(points)
        shift = max(abs(place.x - before.place.x), abs(place.y - before.place.y))
        if shift <= MAX_JUMP * _width(box) and abs(place.size / before.place.size - 1) <= MAX_JUMP:
            return Sighting(points, box, place, thumbnail, "tracked", anchor)
    return _detected(image, predict, detect)


def _moved_box(before: Sighting, anchor: Sighting) -> FaceBox:
    """The box for the frame after `before`: that of `before`, unless the face has left it by half a step."""
    if before is anchor:
        return anchor.box
    old, start, now = anchor.box, anchor.place, before.place
    scale = now.size / start.size
    box = FaceBox(
        left=(old.left - start.x) * scale + now.x,
        top=(old.top - start.y) * scale + now.y,
        right=(old.right - start.x) * scale + now.x,
        bottom=(old.bottom - start.y) * scale + now.y,
        score=old.score,
    )
    return box if _distance(box, before.box) > HALF_STEP * _width(old) else before.box


def _agrees(before: Sighting | None, seen: Sighting | None) -> bool:
    """Whether a detection confirms what was tracked up to the frame before."""
    if before is None or before.status == "detected":
        return True
    return seen is not None and _distance(before.box, seen.box) <= MAX_STRAY * _width(seen.box)


def _place(points_P2: np.ndarray) -> Place:
    steady = points_P2[STEADY].astype(np.float64)
    x, y = steady.sum(0) / len(steady)
    return Place(float(x), float(y), math.sqrt(np.vdot(steady, steady) - len(steady) * (x * x + y * y)))


def _thumbnail(image: np.ndarray) -> np.ndarray:
    return cv2.resize(image, (THUMBNAIL_PX, THUMBNAIL_PX), interpolation=cv2.INTER_AREA).astype(np.int16)


def _width(box: FaceBox) -> float:
    return box.right - box.left


def _distance(a: FaceBox, b: FaceBox) -> float:
    """The largest distance of two edges, px."""
    return max(abs(a.left - b.left), abs(a.top - b.top), abs(a.right - b.right), abs(a.bottom - b.bottom))
