"""face-alignment's FAN as a landmark predictor; its weights must be downloaded."""

from __future__ import annotations

from pathlib import Path
from urllib.error import URLError

import face_alignment
import numpy as np
import torch
from face_alignment.api import models_urls

from eap.data.faces import FaceBox
from eap.stage import StageError


class FanPredictor:
    """face-alignment's 2-D FAN (Bulat & Tzimiropoulos 2017), given our own boxes.

    Raises
    ------
    StageError
        If its weights are neither in the cache folder nor can be downloaded.
    """

    def __init__(self) -> None:
        try:
            # The "folder" detector has no weights of its own: boxes are ours
            self._model = face_alignment.FaceAlignment(
                face_alignment.LandmarksType.TWO_D, device="cpu", face_detector="folder", compile=False
            )
        except (URLError, OSError, RuntimeError) as error:
            url = models_urls["2DFAN-4"]
            folder = Path(torch.hub.get_dir(), "checkpoints")
            raise StageError(
                f"landmarks.detector 'fan' needs face-alignment's weights {url.rpartition('/')[2]} from {url}; they "
                f"are not in {folder} and could not be loaded ({error}). Put the file there, or set "
                "landmarks.detector: dlib"
            ) from error

    def __call__(self, image_HWC: np.ndarray, box: FaceBox) -> np.ndarray:
        """Float32 ``[68, 2]``, px."""
        edges = np.array([box.left, box.top, box.right, box.bottom])
        return self._model.get_landmarks_from_image(image_HWC, detected_faces=[edges])[0].astype(np.float32)
