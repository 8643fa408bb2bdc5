"""Is it the same person? By dlib's face embedding (King 2017; trained on faces of 7,485 people).

The published talking-head papers use ArcFace's cosine (CSIM), whose weights no package carries: the two are not
comparable. dlib's own rule counts two faces below a distance of 0.6 as one person.
"""

from __future__ import annotations

from functools import cache

import dlib
import numpy as np

from eap.data.faces import model_path

MODEL_FILE = "dlib_face_recognition_resnet_model_v1.dat"
EVERY = 5
"""Frames between two that are compared (CHOSEN: identity does not change within 0.2 s, and each costs 30 ms)."""


def embed_faces(frames_THWC: np.ndarray, landmarks_TP2: np.ndarray) -> np.ndarray:
    """The embedding of the face in each frame, float64 ``[T, 128]``; NaN where the landmarks are.

    Parameters
    ----------
    frames_THWC
        RGB uint8.
    landmarks_TP2
        ``[T, 68, 2]``, px of the frames.
    """
    embeddings = np.full((len(frames_THWC), 128), np.nan)
    for i, points in enumerate(landmarks_TP2):
        if np.isfinite(points).all():
            shape = dlib.full_object_detection(
                dlib.rectangle(*(int(v) for v in (*points.min(0), *points.max(0)))),
                [dlib.point(round(x), round(y)) for x, y in points.tolist()],
            )
            image = np.ascontiguousarray(frames_THWC[i])
            embeddings[i] = np.asarray(_network().compute_face_descriptor(image, shape))
    return embeddings


def compare_faces(generated_TD: np.ndarray, reference_TD: np.ndarray) -> tuple[float, float, int]:
    """Mean cosine, mean distance, and the number of frames in which both faces are there (NaN, NaN, 0 if none)."""
    both = np.isfinite(generated_TD).all(1) & np.isfinite(reference_TD).all(1)
    g, r = generated_TD[both], reference_TD[both]
    if not both.any():
        return float("nan"), float("nan"), 0
    cosine = (g * r).sum(1) / (np.linalg.norm(g, axis=1) * np.linalg.norm(r, axis=1))
    return float(cosine.mean()), float(np.linalg.norm(g - r, axis=1).mean()), int(both.sum())


@cache
def _network() -> dlib.face_recognition_model_v1:
    return dlib.face_recognition_model_v1(str(model_path(MODEL_FILE)))
