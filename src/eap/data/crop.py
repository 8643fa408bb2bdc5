"""One square around the face per clip: fixed, so that the head's own motion stays in the picture."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import av
import cv2
import numpy as np

from eap.data.faces import FaceBox, detect_faces, predict_landmarks
from eap.data.media import MediaError, to_image

DETECTION_SIDE_PX = 720
"""Larger pictures are reduced for detection, which is slow and has faces enough of at least 80 px (CHOSEN)."""

FOREHEAD = 0.2
"""How far the crop's centre lies above the landmarks' centre, in landmark heights (CHOSEN).

Landmarks reach from brows to chin only; the crown is about half that height above the brows.
"""


@dataclass(frozen=True)
class CropBox:
    """A square in the source picture, px; it may reach beyond the picture."""

    x: int
    y: int
    size: int


class FaceLocator:
    """Finds the square that holds a clip's face, from some key frames.

    Parameters
    ----------
    every
        Every n-th frame is a key frame.
    """

    def __init__(self, every: int) -> None:
        self._every = every
        self._counts: list[int] = []
        self._landmarks: list[np.ndarray] = []

    def visit(self, index: int, frame: av.VideoFrame, upsample: int = 0) -> None:
        """Look at the frame with this number, if it is a key frame.

        Grey pictures do: what is searched for is the median of a few boxes.
        """
        if index % self._every == 0:
            self.look(to_image(frame, "gray"), upsample)

    def look(self, image: np.ndarray, upsample: int = 0) -> None:
        """Look for faces in a picture, grey or RGB, which may be doubled first."""
        faces = find_faces(image, upsample)
        self._counts.append(len(faces))
        if faces:
            self._landmarks.append(predict_landmarks(image, faces[0]))

    def crop_box(self, again: Iterable[av.VideoFrame], crop_scale: float) -> CropBox:
        """The square.

        Parameters
        ----------
        again
            The clip's frames; iterated only if no face was found at all, to look again in doubled pictures.
        crop_scale
            Side of the square / median height of the landmarks.

        Raises
        ------
        MediaError
            If fewer than half of the key frames show a face, or at least half show several.
        """
        if not self._landmarks:
            self._counts = []
            for index, frame in enumerate(again):
                self.visit(index, frame, upsample=1)
        _check_counts(np.array(self._counts))
        return crop_box(np.stack(self._landmarks), crop_scale)


def find_faces(image: np.ndarray, upsample: int) -> list[FaceBox]:
    """Faces in a picture of any size, grey or RGB; boxes in the picture's own px, the most confident first."""
    scale = min(1.0, DETECTION_SIDE_PX / max(image.shape[:2]))
    if scale < 1:
        small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        return [_scaled(box, 1 / scale) for box in detect_faces(small, upsample)]
    return detect_faces(image, upsample)


def crop_box(landmarks_NP2: np.ndarray, crop_scale: float) -> CropBox:
    """The square for ``[N, 68, 2]`` landmarks: medians, so that single wrong detections do not move it."""
    low, high = landmarks_NP2.min(1), landmarks_NP2.max(1)
    height = float(np.median(high[:, 1] - low[:, 1]))
    centre = np.median((low + high) / 2, axis=0) - (0, FOREHEAD * height)
    size = max(round(crop_scale * height), 1)
    x, y = np.round(centre - size / 2).astype(int)
    return CropBox(int(x), int(y), size)


def crop_image(image_HWC: np.ndarray, box: CropBox, side: int) -> np.ndarray:
    """The square of an RGB uint8 picture at `side` x `side` px; the border is continued beyond the picture."""
    height, width = image_HWC.shape[:2]
    left, top = max(-box.x, 0), max(-box.y, 0)
    right, bottom = max(box.x + box.size - width, 0), max(box.y + box.size - height, 0)
    if left or top or right or bottom:
        image_HWC = cv2.copyMakeBorder(image_HWC, top, bottom, left, right, cv2.BORDER_REPLICATE)
    y, x = box.y + top, box.x + left
    square = image_HWC[y : y + box.size, x : x + box.size]
    method = cv2.INTER_AREA if box.size > side else cv2.INTER_CUBIC
    return cv2.resize(square, (side, side), interpolation=method)


def _check_counts(counts: np.ndarray) -> None:
    n, n_found, n_several = len(counts), int((counts > 0).sum()), int((counts > 1).sum())
    if 2 * n_found < n or not n_found:
        raise MediaError(f"no face: found in {n_found} of {n} key frames, needed in half of them")
    if 2 * n_several >= n:
        raise MediaError(f"two faces: {n_several} of {n} key frames show more than one (up to {counts.max()})")


def _scaled(box: FaceBox, factor: float) -> FaceBox:
    edges = {name: getattr(box, name) * factor for name in ("left", "top", "right", "bottom")}
    return replace(box, **edges)
