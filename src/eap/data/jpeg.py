"""JPEG, the form in which cached frames are kept."""

from __future__ import annotations

import cv2
import numpy as np


def encode_jpeg(image_HWC: np.ndarray, quality: int) -> bytes:
    """An RGB uint8 image ``[H, W, 3]`` as JPEG; `quality` 0-100."""
    done, data = cv2.imencode(".jpg", cv2.cvtColor(image_HWC, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert done
    return data.tobytes()


def decode_jpeg(data: bytes) -> np.ndarray:
    """The RGB uint8 image ``[H, W, 3]`` of a JPEG.

    Raises
    ------
    ValueError
        If the bytes are not an image.
    """
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
    if image is None:
        raise ValueError(f"{len(data)} bytes that are not a JPEG image; remove the frames table and run again")
    return image
