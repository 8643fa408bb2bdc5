"""Rendered faces: the picture agrees with its ground truth, for our eyes' stand-ins and for dlib."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from eap.data.faces import detect_faces, predict_landmarks
from eap.data.phantom.expression import ACTIONS
from eap.data.phantom.face import Pose
from eap.data.phantom.identity import make_identity
from eap.data.phantom.render import Performance, Renderer
from eap.data.phantom.visemes import CHANNELS, TARGETS

SIZE = 256


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    return Renderer(make_identity(0, 1), SIZE)


def _performance(*visemes: str, **action: float) -> Performance:
    n = len(visemes)
    actions = np.zeros((n, len(ACTIONS)))
    for name, strength in action.items():
        actions[:, ACTIONS.index(name)] = strength
    pose = Pose(np.zeros(n), np.zeros(n), np.zeros(n), np.zeros((n, 2)), np.ones(n))
    return Performance(actions, np.array([TARGETS[v] for v in visemes]), np.zeros(n), np.zeros((n, 2)), pose)


def _gap(landmarks_TP2: np.ndarray) -> np.ndarray:
    """Distance between the inner lips' middles, px."""
    return landmarks_TP2[:, 66, 1] - landmarks_TP2[:, 62, 1]


def test_bilabials_close_vowels_open_rounding_narrows(renderer: Renderer) -> None:
    truth = renderer.landmarks(_performance("PP", "aa", "ou", "ih"))
    gap, width = _gap(truth), truth[:, 54, 0] - truth[:, 48, 0]
    assert abs(gap[0]) < 0.5
    assert gap[1] > 12
    assert width[2] < 0.8 * width[3]


def test_teeth_are_seen_in_an_open_mouth_and_not_in_a_shut_one(renderer: Renderer) -> None:
    performance = _performance("PP", "E")
    truth, frames = renderer.landmarks(performance), list(renderer.frames(performance))
    mouths = []
    for points, frame in zip(truth, frames, strict=True):
        low, high = points[48:68].min(0).astype(int), points[48:68].max(0).astype(int)
        mouths.append(frame[low[1] : high[1], low[0] : high[0]].astype(int))
    # Teeth are bright and hardly coloured, a mouth's inside is dark: neither is lip or skin
    white = [int(((m.min(-1) > 120) & (m.max(-1) - m.min(-1) < 60)).sum()) for m in mouths]
    dark = [int((m.max(-1) < 70).sum()) for m in mouths]
    assert white[1] > white[0] + 20
    assert dark[1] > dark[0] + 20


def test_pose_moves_truth_and_picture_together(renderer: Renderer) -> None:
    still = _performance("sil")
    moved = replace(still, pose=replace(still.pose, shift_T2=np.array([[0.2, 0.0]]), roll_T=np.array([0.1])))
    for performance in (still, moved):
        frame = next(renderer.frames(performance))
        boxes = detect_faces(frame)
        assert len(boxes) == 1
        error = np.linalg.norm(predict_landmarks(frame, boxes[0]) - renderer.landmarks(performance)[0], axis=1)
        assert error.mean() < 4
    shift = renderer.landmarks(moved)[0, 30] - renderer.landmarks(still)[0, 30]
    assert shift[0] > 5


def test_a_smile_lifts_the_corners_and_a_blink_shuts_the_eyes(renderer: Renderer) -> None:
    rest, smile = (renderer.landmarks(_performance("sil", **a))[0] for a in ({}, {"corner_up": 1.0}))
    assert (smile[[48, 54], 1] < rest[[48, 54], 1] - 3).all()
    blink = renderer.landmarks(replace(_performance("sil"), blink_T=np.ones(1)))[0]
    assert np.abs(blink[37] - blink[41]).max() < 1 < abs(rest[37, 1] - rest[41, 1])


def test_frames_are_the_same_to_the_byte(renderer: Renderer) -> None:
    performance = _performance("aa", "FF", lid_up=1.0)
    again = Renderer(make_identity(0, 1), SIZE)
    for a, b in zip(renderer.frames(performance), again.frames(performance), strict=True):
        assert a.shape == (SIZE, SIZE, 3)
        assert a.dtype == np.uint8
        assert np.array_equal(a, b)


def test_other_sizes_show_the_same_face(renderer: Renderer) -> None:
    performance = _performance("aa")
    small = Renderer(make_identity(0, 1), 128)
    assert np.allclose(small.landmarks(performance) * 2 + 0.5, renderer.landmarks(performance), atol=0.6)


def test_channels_and_targets_agree() -> None:
    assert {len(target) for target in TARGETS.values()} == {len(CHANNELS)}
