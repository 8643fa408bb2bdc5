"""From a face, a voice and a pose to frames."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny_data import sections

from eap.stage import StageError
from eap.synthesis import RENDER_FRAMES, Part, Synthesizer, window_starts


@pytest.fixture(scope="module")
def face(era_file):
    return Synthesizer(era_file, sections("evaluate"))


@pytest.fixture(scope="module")
def scene(store):
    """A source of one clip, voice and pose of another."""
    source, driving = store["ann/angry-0.mp4"], store["ann/happy-1.mp4"]
    return source.frames_THWC[3], source.landmarks_TP2[3], source.pose_TP2[3], driving.mel_TM, driving.pose_TP2


def test_uint8_video_of_the_voices_length(face, scene):
    frames = face.speak(*scene)
    assert frames.shape == (30, 32, 32, 3)
    assert frames.dtype == np.uint8
    assert frames.std() > 1


def test_deterministic_and_without_random_numbers(face, scene):
    state = torch.get_rng_state()
    assert np.array_equal(face.speak(*scene), face.speak(*scene))
    assert torch.equal(torch.get_rng_state(), state)


def test_gain_zero_is_the_neutral_face(face, scene):
    """e = 0, whatever W_e, H_e and the voice."""
    torch.manual_seed(0)
    doors = (face.ant.style_emotion.weight, face.ant.shape_emotion.weight)
    trained = [door.clone() for door in doors]
    assert all(door.any() for door in doors)
    try:
        for door in doors:
            door.copy_(20 * torch.randn_like(door))
        neutral, emotional = face.speak(*scene, gain=0.0), face.speak(*scene, gain=1.0)
        for door in doors:
            door.zero_()
        without = face.speak(*scene, gain=1.0)
    finally:
        for door, kept in zip(doors, trained, strict=True):
            door.copy_(kept)
    assert np.array_equal(neutral, without)
    assert not np.array_equal(neutral, emotional)


def test_emotion_is_what_the_voice_says(face, scene, store):
    e, va = face.hear(scene[3])
    assert e.shape == (30, 16)
    assert va.shape == (30, 2)
    np.testing.assert_allclose(face.theta(e), va)
    # a frame's emotion window is 3 columns to each side: what is further away is not heard
    changed = scene[3].copy()
    changed[20:] = 3
    np.testing.assert_allclose(face.hear(changed)[1][:17], va[:17], atol=1e-6)
    assert np.abs(face.hear(changed)[1][17:] - va[17:]).max() > 1e-6


def test_see_judges_frames_one_by_one(face, store):
    frames = store["ann/happy-1.mp4"].frames_THWC
    va, classes = face.see(frames)
    assert va.shape == (30, 2)
    assert classes.shape == (30,)
    assert set(classes.tolist()) <= {0, 1, 2}
    np.testing.assert_allclose(face.see(frames[20:21])[0][0], va[20], atol=1e-5)
    assert face.see(frames[20:21])[1][0] == classes[20]
    assert len(frames) > RENDER_FRAMES


def test_long_clips_are_covered_by_overlapping_windows(face, scene):
    """Windows of 4, half overlapping; what two of them say is averaged."""
    assert face.window == 4
    identity = face.ant.encode_identity(torch.randn(1, 3, 32, 32), *(torch.from_numpy(scene[i])[None] for i in (1, 2)))
    mel = face._mel(scene[3][:7], 2)
    pose = torch.from_numpy(scene[4][:7])[None]
    found = face._motion(identity, mel, pose, Part(0, 7, 7, 0))
    mask = torch.ones(1, 4, dtype=torch.bool)
    windows = {s: face.ant.motion(identity, mel[:, s : s + 4], pose[:, s : s + 4], mask) for s in (0, 2, 3)}
    expected = torch.stack(
        [
            windows[0][0, 0],
            windows[0][0, 1],
            (windows[0][0, 2] + windows[2][0, 0]) / 2,
            (windows[0][0, 3] + windows[2][0, 1] + windows[3][0, 0]) / 3,
            (windows[2][0, 2] + windows[3][0, 1]) / 2,
            (windows[2][0, 3] + windows[3][0, 2]) / 2,
            windows[3][0, 3],
        ]
    )
    torch.testing.assert_close(found[0], expected)


@pytest.mark.parametrize(
    ("part", "starts"),
    [
        (Part(0, 7, 7, 0), [0, 2, 3]),
        (Part(0, 2, 7, 0), [0]),
        (Part(2, 3, 7, 0), [0, 2]),
        (Part(3, 4, 7, 0), [0, 2, 3]),
        (Part(6, 7, 7, 0), [3]),
        (Part(0, 8, 8, 0), [0, 2, 4]),
        (Part(4, 5, 100, 0), [2, 4]),
        (Part(99, 100, 100, 0), [96]),
        (Part(97, 99, 100, 0), [94, 96]),
        (Part(0, 4, 4, 0), [0]),
    ],
)
def test_windows_of_a_part_are_those_of_the_whole_that_touch_it(part, starts):
    assert window_starts(part, 4) == starts


@pytest.mark.parametrize("bounds", [(0, 5), (5, 13), (13, 30), (29, 30), (0, 30)])
def test_a_part_is_drawn_as_within_the_whole(face, scene, bounds):
    """With nothing at hand but what lies within reach."""
    *source, mel, pose = scene
    whole = face.speak(*scene).astype(int)
    start, stop = bounds
    low, high = max(start - face.reach, 0), min(stop + face.reach, 30)
    e, _ = face.hear(mel)
    part = Part(start, stop, 30, low)
    drawn = face.draw(face.encode(*source), mel[low:high], pose[low:high], e[start:stop], part)
    assert np.abs(drawn - whole[start:stop]).max() <= 1


def test_a_curve_of_emotion_replaces_the_voices(face):
    e = face.imagine(np.array([[0, 0], [0.5, 0.3]]))
    assert e.shape == (2, 16)
    assert not e[0].any()
    torch.testing.assert_close(e[1], face.psi(torch.tensor([0.5, 0.3])))


@pytest.mark.parametrize("length", [1, 3, 4, 5, 67])
def test_clips_of_any_length(face, scene, length):
    rows = np.arange(length) % 30
    assert face.speak(*scene[:3], scene[3][rows], scene[4][rows]).shape == (length, 32, 32, 3)


def test_voice_and_pose_must_be_equally_long(face, scene):
    with pytest.raises(ValueError, match="one pose per mel column is needed, got 29 and 30"):
        face.speak(*scene[:3], scene[3], scene[4][:29])


def test_a_model_of_another_section_is_refused(era_file):
    with pytest.raises(
        StageError, match=r"was trained with audio = .*'emotion_context': 3.*train it again, or restore"
    ):
        Synthesizer(era_file, sections("evaluate", {"audio": {"emotion_context": 9}}))
