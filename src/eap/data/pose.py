"""Head pose as a similarity transform, and shapes with the pose taken out.

The canonical frame: the mean position of the rigid points is the origin, their root-mean-square distance from it is 1,
and the line between the outer eye corners is horizontal. Coordinates in it have no unit (about 1 = half a face).
Landmarks are dlib's / iBUG's 68 points.
"""

from __future__ import annotations

import numpy as np

N_POINTS = 68
LANDMARK_SCALE_PX = 256.0
"""Networks and scores take landmarks in px of a 256-px image, whatever the image's own size."""
LIPS = slice(48, 68)
"""Lip points (48-67), the points of L_lip and LMD."""
MOUTH_CORNERS = (48, 54)
INNER_LIP_PAIRS = ((61, 67), (62, 66), (63, 65))
"""Upper and lower points of the inner lip that face each other."""

RIGID = (0, 1, 2, 14, 15, 16, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 39, 42, 45)
"""Points that speech and expression hardly move: upper jaw, nose, eye corners.

CHOSEN (ADR 7): the chin would leak the mouth, and eye corners steady the rotation.
"""


def fit_similarity(points_NP2: np.ndarray, reference_NP2: np.ndarray) -> np.ndarray:
    """Least-squares similarity transforms that carry each set of points onto its reference (Umeyama 1991).

    Parameters
    ----------
    points_NP2, reference_NP2
        ``[N, P, 2]`` point sets; a reference of ``[P, 2]`` serves all.

    Returns
    -------
    np.ndarray
        ``[N, 2, 3]`` matrices ``A`` with ``A[:, :2] @ p + A[:, 2]`` close to the reference.
    """
    reference_NP2 = np.broadcast_to(reference_NP2, points_NP2.shape)
    mean_p = points_NP2.mean(1, keepdims=True)
    mean_r = reference_NP2.mean(1, keepdims=True)
    p = points_NP2 - mean_p
    r = reference_NP2 - mean_r
    # In the plane a similarity without reflection is z -> c z, c complex; least squares gives c = <p, r> / <p, p>.
    z_p, z_r = p[..., 0] + 1j * p[..., 1], r[..., 0] + 1j * r[..., 1]
    with np.errstate(invalid="ignore"):  # NaN points (no face) give NaN transforms
        c = (z_p.conj() * z_r).sum(1) / np.maximum((np.abs(z_p) ** 2).sum(1), 1e-12)
    linear = np.stack([np.stack([c.real, -c.imag], -1), np.stack([c.imag, c.real], -1)], -2)
    shift = mean_r[:, 0] - np.einsum("nij,nj->ni", linear, mean_p[:, 0])
    return np.concatenate([linear, shift[..., None]], -1)


def apply_transform(transform_N23: np.ndarray, points_NP2: np.ndarray) -> np.ndarray:
    """Apply ``[N, 2, 3]`` transforms to ``[N, P, 2]`` points (or to one ``[P, 2]`` set)."""
    points_NP2 = np.broadcast_to(points_NP2, (len(transform_N23), *points_NP2.shape[-2:]))
    return np.einsum("nij,npj->npi", transform_N23[..., :2], points_NP2) + transform_N23[:, None, :, 2]


def invert_transform(transform_N23: np.ndarray) -> np.ndarray:
    """Inverses of ``[N, 2, 3]`` transforms."""
    linear = np.linalg.inv(transform_N23[..., :2])
    shift = -np.einsum("nij,nj->ni", linear, transform_N23[..., 2])
    return np.concatenate([linear, shift[..., None]], -1)


def compose_transforms(second_N23: np.ndarray, first_N23: np.ndarray) -> np.ndarray:
    """``[N, 2, 3]`` transforms that do what `first_N23` and then `second_N23` do; either may be ``[1, 2, 3]``."""
    linear = second_N23[..., :2] @ first_N23[..., :2]
    shift = second_N23[..., :2] @ first_N23[..., 2:] + second_N23[..., 2:]
    return np.concatenate([linear, shift], -1)


def canonical_transform(landmarks_NP2: np.ndarray) -> np.ndarray:
    """``[N, 2, 3]`` transforms that carry each face, by its own rigid points, into the canonical frame."""
    rigid = landmarks_NP2[:, RIGID]
    eyes = landmarks_NP2[:, 45] - landmarks_NP2[:, 36]
    centre = rigid.mean(1)
    spread = np.sqrt(((rigid - centre[:, None]) ** 2).sum(-1).mean(1))
    c = np.exp(-1j * np.arctan2(eyes[:, 1], eyes[:, 0])) / np.maximum(spread, 1e-6)
    linear = np.stack([np.stack([c.real, -c.imag], -1), np.stack([c.imag, c.real], -1)], -2)
    return np.concatenate([linear, -np.einsum("nij,nj->ni", linear, centre)[..., None]], -1)


def to_canonical(landmarks_NP2: np.ndarray, shape_P2: np.ndarray | None = None) -> np.ndarray:
    """Shapes without pose, ``[N, P, 2]``: aligned by their rigid points to `shape_P2`, or to the canonical frame."""
    if shape_P2 is None:
        return apply_transform(canonical_transform(landmarks_NP2), landmarks_NP2)
    transform = fit_similarity(landmarks_NP2[:, RIGID], np.asarray(shape_P2)[list(RIGID)])
    return apply_transform(transform, landmarks_NP2)


def pose_transform(landmarks_NP2: np.ndarray, shape_P2: np.ndarray) -> np.ndarray:
    """``[N, 2, 3]`` transforms from the canonical frame to the image: the head pose of each frame."""
    return fit_similarity(np.broadcast_to(shape_P2, landmarks_NP2.shape)[:, RIGID], landmarks_NP2[:, RIGID])


def pose_only_landmarks(landmarks_NP2: np.ndarray, shape_P2: np.ndarray) -> np.ndarray:
    """The person's mean neutral shape, moved to each frame's pose: pose is visible, expression is not.

    Parameters
    ----------
    landmarks_NP2
        ``[N, 68, 2]`` landmarks of the driving frames, px.
    shape_P2
        ``[68, 2]`` mean neutral shape in the canonical frame.
    """
    return apply_transform(pose_transform(landmarks_NP2, shape_P2), shape_P2)


def mean_shape(landmarks_NP2: np.ndarray) -> np.ndarray:
    """Mean of ``[N, 68, 2]`` landmarks in the canonical frame, ``[68, 2]``.

    Each face is first normalised by itself, then aligned once more to the mean, which takes out what a single frame's
    own rotation and size got wrong.
    """
    first = to_canonical(landmarks_NP2).mean(0)
    aligned = to_canonical(landmarks_NP2, first).mean(0)
    return to_canonical(aligned[None])[0]
