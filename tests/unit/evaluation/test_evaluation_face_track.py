"""The published face track and crop."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from eap.data.faces import FaceBox
from eap.evaluation.face_track import crop_face, longest_track, smooth_track


def _box(x: float, y: float, side: float = 100) -> FaceBox:
    return FaceBox(x, y, x + side, y + side, 1.0)


def test_a_track_follows_one_face_and_fills_its_gaps() -> None:
    boxes = [[_box(10 + 2 * i, 20)] for i in range(30)]
    boxes[12], boxes[13] = [], []
    track = longest_track(boxes, 30)
    assert (track.start, len(track)) == (0, 30)
    np.testing.assert_allclose(track.boxes_T4[:, 0], 10 + 2 * np.arange(30))


def test_another_face_is_another_track_and_the_longest_counts() -> None:
    boxes = [[_box(10, 20)] if i < 10 else [_box(300, 20)] for i in range(40)]
    track = longest_track(boxes, 13)
    assert (track.start, len(track), track.boxes_T4[0, 0]) == (10, 30, 300)


def test_two_faces_in_every_frame_do_not_mix() -> None:
    boxes = [[_box(300, 20), _box(10, 20)] if i % 2 else [_box(10, 20), _box(300, 20)] for i in range(20)]
    track = longest_track(boxes, 13)
    assert len(track) == 20
    assert np.ptp(track.boxes_T4[:, 0]) == 0


@pytest.mark.parametrize("missed", [25, 26])
def test_a_track_ends_after_25_missed_frames(missed: int) -> None:
    boxes = [[_box(10, 20)] for _ in range(15)]
    track = longest_track([*boxes, *[[] for _ in range(missed - 1)], *boxes], 13)
    assert len(track) == (15 if missed == 26 else 15 + 24 + 15)


def test_too_short_a_track_is_none() -> None:
    boxes = [[_box(10, 20)] for _ in range(20)]
    assert len(longest_track(boxes, 20)) == 20
    assert longest_track(boxes, 21) is None
    assert longest_track([[], []], 1) is None


def test_smoothing_takes_a_wrong_box_out() -> None:
    boxes = [[_box(10, 20)] for _ in range(30)]
    boxes[15] = [FaceBox(30, 20, 170, 160, 1.0)]  # overlaps, but is larger
    place = smooth_track(longest_track(boxes, 30))
    np.testing.assert_allclose(place[15], (60, 70, 50))


def test_the_crop_is_the_published_rectangle() -> None:
    # s = 50 at (150, 130): rows 80 .. 220, columns 80 .. 220
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (300, 320, 3), dtype=np.uint8)
    expected = cv2.resize(image[80:220, 80:220, ::-1], (224, 224))
    np.testing.assert_array_equal(crop_face(image, np.array([150, 130, 50])), expected)


def test_beyond_the_picture_is_grey() -> None:
    crop = crop_face(np.full((100, 100, 3), 255, np.uint8), np.array([50, 90, 50]))
    assert (crop[-20:] == 110).all()
    assert (crop[:60, 112] == 255).all()
    assert (crop[60, :10] == 110).all()
