"""`eap.data.face_track`: tracking says where the face is as detection would, or gives way to detection."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from media_files import CLIPS

from eap.data.face_search import find_face
from eap.data.face_track import track_landmarks
from eap.data.faces import FaceBox, predict_landmarks

assert CLIPS  # these tests need the real clips


def _track(frames, every, detect=find_face):
    found = list(track_landmarks(frames, predict_landmarks, every, detect))
    return [points for points, _ in found], [status for _, status in found]


class Counted:
    """`find_face`, and how often it was asked."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, image: np.ndarray) -> FaceBox | None:
        self.calls += 1
        return find_face(image)


@pytest.fixture(scope="module")
def moving(crops):
    """The same speaker, the camera swaying by 20 px, 8 % and 6 degrees."""
    frames = []
    for t, image in enumerate(crops):
        matrix = cv2.getRotationMatrix2D((128, 128), 6 * np.sin(0.2 * t), 1 + 0.08 * np.sin(0.15 * t))
        matrix[:, 2] += 20 * np.sin(0.18 * t), 14 * np.sin(0.12 * t)
        frames.append(cv2.warpAffine(image, matrix, (256, 256), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE))
    return np.stack(frames)


@pytest.mark.parametrize(("name", "limit_px"), [("crops", 0.3), ("moving", 0.9)])
def test_tracked_points_agree_with_detection_in_every_frame(request, name, limit_px):
    frames, detect = request.getfixturevalue(name), Counted()
    each, how = _track(frames, 1)
    assert set(how) == {"detected"}
    tracked, status = _track(frames, 10, detect)
    assert [i for i, s in enumerate(status) if s == "detected"] == [0, 10, 20, 30]
    assert detect.calls == 4
    assert np.linalg.norm(np.stack(each) - np.stack(tracked), axis=-1).mean() < limit_px


def test_frames_without_a_face_are_missing_and_only_those(crops):
    broken = crops.copy()
    broken[8:13] = 0  # key frame 10 is among them
    points, status = _track(broken, 10)
    assert [i for i, how in enumerate(status) if how == "missing"] == [8, 9, 10, 11, 12]
    assert [i for i, found in enumerate(points) if found is None] == [8, 9, 10, 11, 12]
    assert status[13] == "detected"  # found again at once


def test_a_face_hidden_between_key_frames_is_noticed(crops):
    broken = crops.copy()
    broken[3:6] = 90
    assert _track(broken, 10)[1][2:7] == ["tracked", "missing", "missing", "missing", "detected"]


def test_a_cut_to_another_place_is_detected(crops):
    cut = np.concatenate([crops[:5], np.roll(crops[5:9], 60, 2)])
    points, status = _track(cut, 10)
    assert status[4:7] == ["tracked", "detected", "tracked"]
    assert (points[5] - points[4])[:, 0].mean() == pytest.approx(60, abs=4)


def test_where_the_next_detection_disagrees_the_stretch_is_searched_frame_by_frame(crops):
    strayed = []

    def detect(image):
        box = find_face(image)
        strayed.append(len(strayed))
        return replace(box, left=box.left - 50, right=box.right - 50) if len(strayed) == 2 else box

    assert _track(crops[:6], 5, detect)[1] == ["detected"] * 6
    assert len(strayed) == 2 + 4
    assert _track(crops[:6], 5)[1] == ["detected"] + ["tracked"] * 4 + ["detected"]


def test_no_frames_one_frame_and_no_face_at_all(crops):
    assert _track(crops[:0], 5) == ([], [])
    assert _track(crops[:1], 5)[1] == ["detected"]
    assert _track(np.zeros_like(crops[:7]), 3) == ([None] * 7, ["missing"] * 7)
