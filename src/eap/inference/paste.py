"""The generated face back into the whole picture: a soft mask, and no colour step at its edge."""

from __future__ import annotations

import cv2
import numpy as np

from eap.data.cached_frames import resize_frame
from eap.data.crop import CropBox

FEATHER = 0.15
"""Width of the mask's soft edge, as a share of the square's side (CHOSEN)."""


class Paster:
    """Lays generated squares over one picture.

    Parameters
    ----------
    picture_HWC
        uint8 RGB. Outside the square it stays as it is, to the bit.
    box
        The square in it, which may reach beyond its edges.
    """

    def __init__(self, picture_HWC: np.ndarray, box: CropBox) -> None:
        height, width = picture_HWC.shape[:2]
        left, top = max(box.x, 0), max(box.y, 0)
        right, bottom = min(box.x + box.size, width), min(box.y + box.size, height)
        self._picture, self._size = picture_HWC, box.size
        self._place = slice(top, bottom), slice(left, right)
        self._part = slice(top - box.y, bottom - box.y), slice(left - box.x, right - box.x)
        self._mask = soft_mask(box.size)[self._part][..., None]
        self._under = picture_HWC[self._place].astype(np.float32)
        self._shift: np.ndarray | None = None

    def __call__(self, face_HWC: np.ndarray) -> np.ndarray:
        """The picture with this face, uint8 RGB.

        The first face decides by how much all are shifted in colour: by what differs, on average, where the mask is
        soft. There both show the same surroundings.
        """
        face = resize_frame(face_HWC, self._size)[self._part].astype(np.float32)
        if self._shift is None:
            weight = self._mask * (1 - self._mask)
            self._shift = ((self._under - face) * weight).sum((0, 1)) / max(float(weight.sum()), 1e-6)
        blended = self._under + self._mask * (face + self._shift - self._under)
        out = self._picture.copy()
        out[self._place] = blended.round().clip(0, 255).astype(np.uint8)
        return out


def soft_mask(side: int) -> np.ndarray:
    """1 inside, 0 at the edges of a square, float32 ``[side, side]``: a rounded square whose edge is a smooth step."""
    ramp = np.minimum((np.arange(side) + 0.5), (side - np.arange(side) - 0.5)) / (FEATHER * side)
    edge = np.clip(ramp, 0, 1)
    step = edge * edge * (3 - 2 * edge)
    return np.outer(step, step).astype(np.float32)


def limit_side(picture_HWC: np.ndarray, most: int) -> np.ndarray:
    """The picture, reduced if its longer side has more than `most` px."""
    scale = most / max(picture_HWC.shape[:2])
    if scale >= 1:
        return picture_HWC
    return cv2.resize(picture_HWC, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


def even_sides(picture_HWC: np.ndarray) -> np.ndarray:
    """The picture with even sides, as H.264 needs them: an odd one gets its last row or column twice."""
    height, width = picture_HWC.shape[:2]
    return np.pad(picture_HWC, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
