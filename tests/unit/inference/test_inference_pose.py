"""Poses that drive: held, or moved as another head moves."""

from __future__ import annotations

import numpy as np
import pytest
from media_files import write_media
from tiny_data import tiny_config

from eap.data.pose import RIGID, apply_transform, compose_transforms, invert_transform
from eap.inference.pose import back_and_forth, driven_pose, read_driving, still_pose
from eap.stage import StageError

CONFIG = tiny_config({"video": {"size": 256}})
SHAPE = np.random.default_rng(0).normal(0, 0.7, (68, 2))


def similarity(angle: float, scale: float, x: float, y: float) -> np.ndarray:
    c, s = scale * np.cos(angle), scale * np.sin(angle)
    return np.array([[c, -s, x], [s, c, y]])


SOURCE = similarity(0.1, 60, 120, 130)


def test_transforms_compose():
    a, b = similarity(0.3, 2, 5, 6)[None], similarity(-1, 0.5, -3, 1)[None]
    points = SHAPE[None]
    np.testing.assert_allclose(
        apply_transform(compose_transforms(a, b), points), apply_transform(a, apply_transform(b, points))
    )
    np.testing.assert_allclose(compose_transforms(a, invert_transform(a))[0], np.eye(2, 3), atol=1e-12)


def test_the_sources_pose_is_held():
    poses = still_pose(SOURCE, SHAPE)(3, 7)
    assert poses.shape == (4, 68, 2)
    assert poses.dtype == np.float32
    np.testing.assert_allclose(poses, np.repeat(apply_transform(SOURCE[None], SHAPE), 4, 0), rtol=1e-5)


def test_a_driving_head_that_rests_changes_nothing():
    """Wherever it is in its picture, and however large."""
    resting = np.repeat(similarity(-0.4, 17, 200, 30)[None], 5, 0)
    poses = driven_pose(SOURCE, SHAPE, resting)
    np.testing.assert_allclose(poses(0, 5), still_pose(SOURCE, SHAPE)(0, 5), atol=1e-3)


def test_movement_is_taken_in_units_of_the_face():
    """A head of half the size that moves by a tenth of it moves the source by a tenth of its own."""
    driving = np.stack([similarity(0, 30, 50 - 3, 70), similarity(0, 30, 50 + 3, 70)])
    poses = driven_pose(similarity(0, 60, 120, 130), SHAPE, driving)(0, 2)
    np.testing.assert_allclose(poses[1] - poses[0], np.tile([12.0, 0.0], (68, 1)), atol=1e-3)
    np.testing.assert_allclose(poses.mean(0), apply_transform(similarity(0, 60, 120, 130)[None], SHAPE)[0], atol=1e-3)


def test_a_turn_turns_the_face_about_itself():
    driving = np.stack([similarity(a, 30, 50, 70) for a in (-0.2, 0.2)])
    poses = driven_pose(similarity(0.1, 60, 120, 130), SHAPE, driving)(0, 2)
    edge = (poses[:, 1] - poses[:, 0]).astype(float)
    angle = np.arctan2(edge[:, 1], edge[:, 0])
    assert angle[1] - angle[0] == pytest.approx(0.4, abs=1e-3)


def test_short_movements_run_back_and_forth():
    assert back_and_forth(np.arange(9), 4).tolist() == [0, 1, 2, 3, 2, 1, 0, 1, 2]
    assert back_and_forth(np.arange(7, 9), 4).tolist() == [1, 2]
    assert back_and_forth(np.arange(3), 1).tolist() == [0, 0, 0]
    assert back_and_forth(np.arange(4), 2).tolist() == [0, 1, 0, 1]
    driving = np.stack([similarity(0, 30, x, 70) for x in (50.0, 52.0, 54.0)])
    poses = driven_pose(SOURCE, SHAPE, driving)
    np.testing.assert_allclose(poses(0, 8)[4:], poses(4, 8))
    np.testing.assert_allclose(poses(0, 8)[4], poses(0, 8)[0])


def test_pose_of_a_video_is_the_true_one(clip, model):
    transforms, notes = read_driving(clip.path, 25, CONFIG, model.shape_P2)
    assert transforms.shape == (25, 2, 3)
    assert notes == ()
    # The shape of other people is fitted, so compare movement: of the rigid points' centre, in px of the picture
    truth = clip.truth_TP2[:, list(RIGID)].mean(1)
    found = apply_transform(transforms, model.shape_P2)[:, list(RIGID)].mean(1)
    for axis in (0, 1):
        assert np.corrcoef(truth[:, axis], found[:, axis])[0, 1] > 0.9


@pytest.mark.parametrize(
    ("n_frames", "length", "note"),
    [
        (10, 10, "the driving video is longer than the voice: its first 0.40 s are used"),
        (50, 25, "the driving video lasts 1.00 s, the voice 2.00 s: its movement runs back and forth"),
    ],
)
def test_what_happens_to_other_lengths_is_told(clip, model, n_frames, length, note):
    transforms, notes = read_driving(clip.path, n_frames, CONFIG, model.shape_P2)
    assert len(transforms) == length
    assert notes == (note,)


def test_another_frame_rate_is_resampled(clip, model, tmp_path):
    path = write_media(tmp_path / "v.mp4", clip.frames_THWC[::2][:10], fps=12)
    transforms, _ = read_driving(path, 50, CONFIG, model.shape_P2)
    assert len(transforms) == 21  # 10 / 12 s at 25 frames per second


def test_a_driving_video_without_a_face_is_refused(tmp_path, clip, model, portrait):
    grey = np.full((128, 128, 3), 90, np.uint8)
    with pytest.raises(StageError, match=r"--pose: .*v\.mp4: no face was found"):
        read_driving(write_media(tmp_path / "v.mp4", [grey] * 10), 10, CONFIG, model.shape_P2)
    half = [*clip.frames_THWC[:10], *([np.full((256, 256, 3), 90, np.uint8)] * 10)]
    with pytest.raises(StageError, match=r"no face in 10 of 20 frames, 10 in a row from frame 10 on; at most 5 in"):
        read_driving(write_media(tmp_path / "w.mp4", half), 20, CONFIG, model.shape_P2)
    with pytest.raises(StageError, match="1 video frames: not a video"):
        read_driving(portrait, 10, CONFIG, model.shape_P2)
    with pytest.raises(StageError, match="is not a file"):
        read_driving(tmp_path / "absent.mp4", 10, CONFIG, model.shape_P2)
