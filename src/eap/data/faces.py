"""dlib's frontal face detector and 68-point predictor.

The models' files come from the distribution `face_recognition_models`; the predictor was trained on iBUG 300-W, whose
licence excludes commercial use.
"""

from __future__ import annotations

import importlib.metadata
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import dlib
import numpy as np

from eap.stage import StageError

PREDICTOR_FILE = "shape_predictor_68_face_landmarks.dat"
_CHANNEL_MEAN = np.array([[1 / 3, 1 / 3, 1 / 3, -1 / 3]])
"""Rounded to the nearest, this is the mean of three integers rounded down."""


@dataclass(frozen=True)
class FaceBox:
    """A detected face; edges in px, `score` is the detector's confidence."""

    left: float
    top: float
    right: float
    bottom: float
    score: float


def predictor_path() -> Path:
    """Where the 68-point model lies; errors as `model_path`."""
    return model_path(PREDICTOR_FILE)


def model_path(name: str) -> Path:
    """Where one of dlib's models lies.

    The distribution's files are looked up without importing it: its package imports `pkg_resources`, which current
    setuptools no longer has.

    Raises
    ------
    StageError
        If the distribution is not installed.
    """
    try:
        files = importlib.metadata.files("face_recognition_models") or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.name == name and Path(file.locate()).is_file():
            return Path(file.locate())
    raise StageError(f"{name} is absent; install the package face_recognition_models (envs/)")


@cache
def _detector() -> dlib.fhog_object_detector:
    return dlib.get_frontal_face_detector()


@cache
def _predictor() -> dlib.shape_predictor:
    return dlib.shape_predictor(str(predictor_path()))


def load_models() -> None:
    """Load both models now: processes that are forked later share their memory.

    Raises
    ------
    StageError
        If the predictor is not installed.
    """
    _detector()
    _predictor()


def detect_faces(image_HWC: np.ndarray, upsample: int = 0) -> list[FaceBox]:
    """Frontal faces in an RGB or grey uint8 image, the most confident first.

    Parameters
    ----------
    upsample
        How often the image is doubled first. Faces below about 80 px are not found without, below 40 px with 1.
    """
    boxes, scores, _ = _detector().run(np.ascontiguousarray(image_HWC), upsample, 0.0)
    found = [FaceBox(b.left(), b.top(), b.right(), b.bottom(), score) for b, score in zip(boxes, scores, strict=True)]
    return sorted(found, key=lambda box: -box.score)


def predict_landmarks(image: np.ndarray, box: FaceBox) -> np.ndarray:
    """The 68 landmarks, float32 ``[68, 2]`` in px, of the face in `box`; the picture is RGB or grey."""
    rectangle = dlib.rectangle(*(round(edge) for edge in (box.left, box.top, box.right, box.bottom)))
    # The predictor sees (R + G + B) // 3; made here, for all pixels at once, that is faster and the same to the bit
    grey = cv2.transform(np.ascontiguousarray(image), _CHANNEL_MEAN) if image.ndim == 3 else image
    return np.array([(point.x, point.y) for point in _predictor()(grey, rectangle).parts()], np.float32)
