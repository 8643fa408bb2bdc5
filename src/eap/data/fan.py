"""face-alignment's FAN as a landmark predictor, with weights from a checked file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from face_alignment import FaceAlignment, LandmarksType
from face_alignment.models import FAN
from torch import nn

from eap.data.faces import FaceBox
from eap.data.weights import FAN as WANTED
from eap.data.weights import load_state

MODULES = 4
"""Hourglasses of 2DFAN-4 (KNOWN)."""


def load_fan(path: Path) -> nn.Module:
    """2DFAN-4 with the weights of a file, frozen.

    Raises
    ------
    StageError
        If the file holds other weights.
    """
    return load_state(FAN(MODULES), path, f"wanted: {WANTED.who} ({WANTED.key})")


class _Local(FaceAlignment):
    """face-alignment, which would fetch its weights unchecked, with those of a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        # The "folder" detector has no weights of its own: boxes are ours
        super().__init__(LandmarksType.TWO_D, device="cpu", face_detector="folder", compile=False)

    def _load_native(self, *_: Any) -> nn.Module:
        return load_fan(self._path)


class FanPredictor:
    """face-alignment's 2-D FAN (Bulat & Tzimiropoulos 2017), given our own boxes.

    Parameters
    ----------
    weights
        The published file (config key ``landmarks.fan``).
    """

    def __init__(self, weights: Path) -> None:
        self._model = _Local(weights)

    def __call__(self, image_HWC: np.ndarray, box: FaceBox) -> np.ndarray:
        """Float32 ``[68, 2]``, px."""
        edges = np.array([box.left, box.top, box.right, box.bottom])
        return self._model.get_landmarks_from_image(image_HWC, detected_faces=[edges])[0].astype(np.float32)
