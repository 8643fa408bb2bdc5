"""The face that dlib finds in a crop when it doubles the picture first, at a tenth of the price.

dlib slides one window over a pyramid of pictures. Doubling a crop of 256 px adds levels in which a face of the crop's
size is far larger than the window; most of the time goes there, for nothing. `find_face` makes only the level from
which on such a face fits. Where the window stops is a grid, so each box is a point of a lattice: from a box in the
reduced picture follows, to the pixel, the box that the whole pyramid would have given. That matters: the landmarks move
by 0.7 px (at 256) if the box moves by one.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from eap.data.faces import FaceBox, detect_faces

STEP = 1.2
"""Ratio of neighbouring levels (dlib's ``pyramid_down<6>``)."""
STEP_SHIFT_PX = 0.3
"""What a level's coordinates are shifted by when they are mapped one level down (the same)."""
DOUBLED_SHIFT_PX = np.array([1.25, 0.75])
"""x and y shift between the doubled picture and the picture (``pyramid_down<2>``)."""
WINDOW_PX = 72
"""Side of a box in the level in which it was found."""
EXPECTED_FACE = 0.85
"""Boxes of at least this share of the reduced level's reach are looked for; smaller ones take the whole pyramid.

Share of the crop's side; CHOSEN: the window then fits faces from 0.42 of the side on, and crops hold faces of 0.6-0.75.
"""


def find_face(image_HWC: np.ndarray) -> FaceBox | None:
    """The most confident face of a crop, as ``detect_faces(image, upsample=1)`` would give it; None without one.

    Parameters
    ----------
    image_HWC
        RGB uint8, square, filled by the face. Where the reduced picture shows none, the whole pyramid is searched.
    """
    level = reduced_level(image_HWC.shape[0])
    if level > 0:
        side = round(2 * image_HWC.shape[0] / STEP**level)
        faces = detect_faces(cv2.resize(image_HWC, (side, side), interpolation=cv2.INTER_AREA))
        if faces:
            return lattice_box(faces[0], level)
    faces = detect_faces(image_HWC, 1)
    return faces[0] if faces else None


def reduced_level(side: int) -> int:
    """The level of the doubled picture's pyramid at which the search may begin; 0: the doubled picture itself."""
    return max(math.floor(math.log(EXPECTED_FACE * side / WINDOW_PX, STEP)), 0)


def lattice_box(found: FaceBox, level: int) -> FaceBox:
    """The box in px of the picture, from the box that was found in its level.

    Parameters
    ----------
    found
        Box in px of the reduced picture, rounded.
    level
        Of the doubled picture's pyramid; the reduced picture's.
    """
    edges = np.array([[found.left, found.top], [found.right, found.bottom]])
    deeper = max(round(math.log((found.right - found.left) / WINDOW_PX, STEP)), 0)
    window = np.round((edges - _shift(deeper)) / STEP**deeper)
    doubled = np.round(window * STEP ** (deeper + level) + _shift(deeper + level))
    (left, top), (right, bottom) = np.round(doubled / 2 - DOUBLED_SHIFT_PX)
    return FaceBox(float(left), float(top), float(right), float(bottom), found.score)


def _shift(levels: int) -> float:
    """The sum of the shifts of so many levels."""
    return STEP_SHIFT_PX * (STEP**levels - 1) / (STEP - 1)
