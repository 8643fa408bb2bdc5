"""JPEG of cached frames."""

from __future__ import annotations

import numpy as np
import pytest
from tiny_data import draw, landmarks

from eap.data.jpeg import decode_jpeg, encode_jpeg


def test_round_trip_keeps_colours_and_their_order():
    face = draw(landmarks("ann/neutral-0.mp4")[0], "ann")
    back = decode_jpeg(encode_jpeg(face, 95))
    assert back.dtype == np.uint8
    assert back.shape == face.shape
    assert np.abs(back.astype(int) - face).mean() < 3
    red = np.zeros((16, 16, 3), np.uint8)
    red[..., 0] = 255
    assert decode_jpeg(encode_jpeg(red, 95)).mean((0, 1)) == pytest.approx([254, 0, 0], abs=2)


def test_lower_quality_is_smaller():
    face = draw(landmarks("ann/neutral-0.mp4")[0], "ann")
    assert len(encode_jpeg(face, 50)) < len(encode_jpeg(face, 95))


def test_other_bytes_are_refused():
    with pytest.raises(ValueError, match="13 bytes that are not a JPEG"):
        decode_jpeg(b"not a picture")
