"""Judge "faces" on videos: smoothing, and the neutral face that it compares with."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny_data import sections

from eap.evaluation.faces import FacesJudge, load_faces
from eap.evaluation.points import smooth


@pytest.fixture
def judge(faces_file, store) -> FacesJudge:
    return load_faces(faces_file, sections("controls"), store)


def test_each_frame_is_read_beside_the_persons_neutral_face_and_smoothed(judge, store):
    clip = store["ann/happy-1.mp4"]
    va, shown = judge(clip.frames_THWC, "ann")
    assert va.shape == (len(clip), 2)
    assert shown in ("neutral", "happy", "angry")
    network = judge._network
    with torch.no_grad():
        clips = [store[f"ann/neutral-{i}.mp4"] for i in range(3)]
        own = torch.stack([judge._features(neutral.frames[_spread(len(neutral))]).mean(0) for neutral in clips])
        raw, logits = network.read(judge._features(clip.frames_THWC), own.mean(0, keepdim=True))
    np.testing.assert_allclose(va, np.clip(smooth(raw.numpy(), 25), -1, 1), atol=1e-5)
    assert shown == judge.classes[int(logits.softmax(-1).mean(0).argmax())]


def _spread(length: int) -> np.ndarray:
    return np.unique(np.linspace(0, length - 1, 21).round().astype(int))


def test_people_have_neutral_faces_of_their_own_and_strangers_everyones(judge, store):
    frames = store["ann/happy-1.mp4"].frames_THWC
    own, other, stranger = (judge(frames, who)[0] for who in ("ann", "bob", "nobody"))
    assert np.abs(own - other).max() > 1e-4
    assert np.isfinite(stranger).all()
    assert np.abs(own - stranger).max() > 1e-5
