"""LMD, and how the mouth's opening follows the reference.

LMD is Eq. (1) with another landmark estimator: dlib's 68 points (KNOWN, suppl. B.1). Points 48-67, px at a 256 scale
(INFERRED). Raw LMD mixes head pose with lips, so two variants stand beside it (CHOSEN). A frame in which
either face was not found is left out, and the coverage says how many were.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from eap.data.pose import INNER_LIP_PAIRS, LIPS, MOUTH_CORNERS, N_POINTS
from eap.evaluation.intensity import pcc

Alignment = Literal["none", "center", "interocular"]
EYE_CORNERS = (36, 45)
"""Outer corners of the eyes."""


@dataclass(frozen=True)
class LipDistance:
    """LMD of one clip."""

    value: float
    """px at a 256 scale; a ratio for "interocular"; NaN if no frame counted."""
    coverage: float
    """Frames in which both faces were found / frames."""
    n: int
    """Frames that counted."""


def lmd(generated_TP2: np.ndarray, reference_TP2: np.ndarray, alignment: Alignment = "none") -> LipDistance:
    """Mean distance of lip points over frames and points.

    Parameters
    ----------
    generated_TP2, reference_TP2
        ``[T, 68, 2]`` landmarks, px at a 256 scale; a frame with NaN is one in which no face was found.
    alignment
        "none": as they are; "center": each frame's mean lip point is taken from both first, so head translation does
        not count; "interocular": divided by the reference frame's distance of outer eye corners, so face size does not
        count.

    Raises
    ------
    ValueError
        If shapes differ or are not ``[T > 0, 68, 2]``, the alignment is unknown, or a reference's eye corners coincide.
    """
    if alignment not in get_args(Alignment):
        raise ValueError(f"alignment: {alignment!r} is unknown; allowed: {', '.join(get_args(Alignment))}")
    found_T = _both_found(generated_TP2, reference_TP2)
    coverage, n = float(found_T.mean()), int(found_T.sum())
    if n == 0:
        return LipDistance(float("nan"), coverage, n)
    generated_nP2, reference_nP2 = generated_TP2[found_T, LIPS], reference_TP2[found_T, LIPS]
    if alignment == "center":
        generated_nP2 = generated_nP2 - generated_nP2.mean(1, keepdims=True)
        reference_nP2 = reference_nP2 - reference_nP2.mean(1, keepdims=True)
    distance_nP = np.linalg.norm(generated_nP2 - reference_nP2, axis=-1)
    if alignment == "interocular":
        left, right = EYE_CORNERS
        eyes_n = np.linalg.norm(reference_TP2[found_T, right] - reference_TP2[found_T, left], axis=-1)
        if (eyes_n == 0).any():
            raise ValueError(f"reference: the outer eye corners coincide in {int((eyes_n == 0).sum())} frames")
        distance_nP = distance_nP / eyes_n[:, None]
    return LipDistance(float(distance_nP.mean()), coverage, n)


def mouth_opening(landmarks_TP2: np.ndarray) -> np.ndarray:
    """Height of the inner lip: lower minus upper y, averaged over three pairs of points.

    Parameters
    ----------
    landmarks_TP2
        ``[T, 68, 2]``, px, y downwards.

    Returns
    -------
    np.ndarray
        ``[T]``, px; about 0 when closed (slightly negative where estimated contours cross); NaN where the face is.
    """
    upper, lower = np.transpose(INNER_LIP_PAIRS)
    return (landmarks_TP2[:, lower, 1] - landmarks_TP2[:, upper, 1]).mean(1)


def mouth_width(landmarks_TP2: np.ndarray) -> np.ndarray:
    """Distance of the outer mouth corners, ``[T]``, px; NaN where the face is. ``landmarks_TP2``: ``[T, 68, 2]`` px."""
    left, right = MOUTH_CORNERS
    return np.linalg.norm(landmarks_TP2[:, right] - landmarks_TP2[:, left], axis=-1)


def opening_correlation(generated_TP2: np.ndarray, reference_TP2: np.ndarray) -> float:
    """Pearson correlation of the two mouth openings over the frames in which both faces were found.

    Parameters
    ----------
    generated_TP2, reference_TP2
        As in `lmd`.

    Returns
    -------
    float
        -1 .. 1; NaN if a mouth does not move or no frame counts.
    """
    found_T = _both_found(generated_TP2, reference_TP2)
    return pcc(mouth_opening(generated_TP2)[found_T], mouth_opening(reference_TP2)[found_T])


def width_correlation(generated_TP2: np.ndarray, reference_TP2: np.ndarray) -> float:
    """Pearson correlation of the two mouth widths; as `opening_correlation`, which rounded and spread lips escape."""
    found_T = _both_found(generated_TP2, reference_TP2)
    return pcc(mouth_width(generated_TP2)[found_T], mouth_width(reference_TP2)[found_T])


def opening_amplitude(generated_TP2: np.ndarray, reference_TP2: np.ndarray) -> float:
    """Standard deviation of the mouth opening over that of the reference: 1 where the mouth moves as much.

    Parameters
    ----------
    generated_TP2, reference_TP2
        As in `lmd`.

    Returns
    -------
    float
        0 for a still mouth; NaN if the reference's mouth does not move or no frame counts.
    """
    found_T = _both_found(generated_TP2, reference_TP2)
    generated_n, reference_n = mouth_opening(generated_TP2)[found_T], mouth_opening(reference_TP2)[found_T]
    moves = reference_n.size and np.ptp(reference_n) > 0
    return float(generated_n.std() / reference_n.std()) if moves else float("nan")


def _both_found(generated_TP2: np.ndarray, reference_TP2: np.ndarray) -> np.ndarray:
    shape = reference_TP2.shape
    if generated_TP2.shape != shape or len(shape) != 3 or shape[0] == 0 or shape[1:] != (N_POINTS, 2):
        raise ValueError(f"landmarks: need [T, {N_POINTS}, 2] of the same T > 0, got {generated_TP2.shape} and {shape}")
    return np.isfinite(generated_TP2).all((1, 2)) & np.isfinite(reference_TP2).all((1, 2))
