"""Drawn in blocks as drawn at once; no more of the voice is read than is needed."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny_data import tiny_config

from eap.data.pose import apply_transform
from eap.inference.bench import write_random_model
from eap.inference.checkpoint import load_checkpoint
from eap.inference.pose import driven_pose, still_pose
from eap.inference.stream import given_emotion, hear_voice, heard_emotion, stream_frames

SHAPE = np.random.default_rng(1).normal(0, 0.7, (68, 2))
POSE = np.array([[60.0, 0, 128], [0, 60.0, 128]])
POINTS = (apply_transform(POSE[None], SHAPE)[0] + np.random.default_rng(2).normal(0, 3, (68, 2))).astype(np.float32)
"""The source's own landmarks: not those of the mean shape."""


@pytest.fixture(scope="module")
def scene(model):
    rng = np.random.default_rng(0)
    mel = rng.normal(0, 1.5, (67, 16)).astype(np.float32)
    swaying = POSE + np.stack([np.array([[0, 0, 8 * np.sin(i / 5)], [0, 0, 0]]) for i in range(20)])
    poses = driven_pose(POSE, SHAPE, swaying)
    crop = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
    identity = model.face.encode(crop, POINTS, still_pose(POSE, SHAPE)(0, 1)[0])
    return identity, mel, poses


def pieces(mel, size):
    return (mel[i : i + size] for i in range(0, len(mel), size))


@pytest.mark.parametrize(("block", "piece"), [(16, 50), (5, 7), (1, 1), (16, 67)])
def test_blocks_are_the_whole_but_for_rounding(model, scene, block, piece):
    identity, mel, poses = scene
    face = model.face
    emotion = heard_emotion(face, 1.3, None)
    at_once = list(stream_frames(face, identity, [mel], 67, poses, emotion, block=67))
    assert len(at_once) == 1
    parts = list(stream_frames(face, identity, pieces(mel, piece), 67, poses, emotion, block=block))
    assert {len(part) for part in parts[:-1]} <= {block}
    drawn = np.concatenate(parts).astype(int)
    assert drawn.shape == (67, 32, 32, 3)
    assert np.abs(drawn - at_once[0]).max() <= 1
    assert np.ptp(drawn, axis=0).max() > 1


def test_as_speak_says(model, scene):
    """One home: the evaluation's videos are those that a user gets."""
    _, mel, poses = scene
    crop = np.random.default_rng(5).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    still = still_pose(POSE, SHAPE)(0, 1)[0]
    spoken = model.face.speak(crop, POINTS, still, mel, poses(0, 67), 1.0)
    identity, emotion = model.face.encode(crop, POINTS, still), heard_emotion(model.face, 1, None)
    streamed = np.concatenate(list(stream_frames(model.face, identity, [mel], 67, poses, emotion)))
    assert np.abs(spoken.astype(int) - streamed).max() <= 1


@pytest.fixture(scope="module")
def pooled(tmp_path_factory):
    """A model that hears a frame against its voice; its doors for emotion are open."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("pooled") / "model.safetensors"
    model = load_checkpoint(write_random_model(tiny_config({"model": {"emotion_pooled": True}}), path), "cpu", 1)
    for door in (model.face.ant.style_emotion, model.face.ant.shape_emotion):
        door.weight.normal_(0, 2)
    return model


@pytest.mark.parametrize(("block", "piece"), [(16, 50), (5, 7), (1, 1), (67, 67)])
def test_the_voices_mean_is_heard_in_a_pass_of_its_own(pooled, scene, block, piece):
    """Streamed as in one piece, where every frame depends on the whole voice."""
    _, mel, poses = scene
    face = pooled.face
    whole, _ = face.hear(mel)
    mean = hear_voice(face, pieces(mel, piece), 67, block)
    torch.testing.assert_close(mean, face.hear_alone(mel, slice(None)).mean(0))
    part, _ = face.hear(mel[10:40], slice(5, 20), mean)
    torch.testing.assert_close(part, whole[15:30], atol=1e-5, rtol=1e-5)
    assert (face.hear(mel[10:40], slice(5, 20))[0] - whole[15:30]).abs().max() > 1e-4

    crop = np.random.default_rng(5).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    still = still_pose(POSE, SHAPE)(0, 1)[0]
    spoken = face.speak(crop, POINTS, still, mel, poses(0, 67), 1.5).astype(int)
    identity, emotion = face.encode(crop, POINTS, still), heard_emotion(face, 1.5, mean)
    frames = stream_frames(face, identity, pieces(mel, piece), 67, poses, emotion, block)
    assert np.abs(spoken - np.concatenate(list(frames))).max() <= 1
    assert np.abs(spoken - face.speak(crop, POINTS, still, mel, poses(0, 67), 0.0)).max() > 1


def test_the_mean_is_asked_for_only_where_it_is_heard(model, pooled):
    assert hear_voice(model.face, iter([]), 67) is None
    with pytest.raises(ValueError, match="give the voice's mean"):
        heard_emotion(pooled.face, 1.0, None)


def test_no_more_of_the_voice_is_read_than_needed(model, scene):
    identity, mel, poses = scene
    read = []
    source = (read.append(1) or mel[:10] for _ in range(100_000))
    frames = stream_frames(model.face, identity, source, 1_000_000, poses, heard_emotion(model.face, 1.0, None))
    for _ in range(3):
        assert next(frames).shape == (16, 32, 32, 3)
    assert 10 * len(read) < 48 + model.face.reach + 10


def test_gain_zero_needs_no_voice_to_be_neutral(model, scene):
    identity, mel, poses = scene
    zero = heard_emotion(model.face, 0.0, None)
    curve = given_emotion(model.face, 1.0, lambda start, stop: np.zeros((stop - start, 2), np.float32))
    first = np.concatenate(list(stream_frames(model.face, identity, [mel], 67, poses, zero)))
    second = np.concatenate(list(stream_frames(model.face, identity, [mel], 67, poses, curve)))
    np.testing.assert_array_equal(first, second)


def test_a_curve_goes_through_psi_and_is_scaled(model):
    from eap.synthesis import Part

    seen = []

    def curve(start, stop):
        seen.append((start, stop))
        return np.full((stop - start, 2), 0.4, np.float32)

    e = given_emotion(model.face, 2.0, curve)(np.zeros((9, 16), np.float32), Part(4, 7, 30, 0))
    assert seen == [(4, 7)]
    torch.testing.assert_close(e, 2 * model.face.psi(torch.full((3, 2), 0.4)))
