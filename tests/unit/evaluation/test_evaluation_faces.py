"""Judge "faces" on videos: smoothing, and the neutral face that it compares with."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_data import sections

from eap.evaluation.faces import FacesJudge, load_faces
from eap.evaluation.points import smooth

CLIP = "ann/happy-1.mp4"


@pytest.fixture
def judge(faces_file, store) -> FacesJudge:
    return load_faces(faces_file, sections("controls"), store)


def raw(judge: FacesJudge, store, clip_id: str, beside: list[str]) -> np.ndarray:
    """Readings of a clip beside neutral clips, unsmoothed."""
    with torch.no_grad():
        means = []
        for name in beside:
            at = np.unique(np.linspace(0, len(store[name]) - 1, 16).round().astype(int))
            means.append(judge._features(store[name].frames[at]).mean(0))
        features = judge._features(store[clip_id].frames_THWC)
        return judge._network.read(features, torch.stack(means).mean(0, keepdim=True))[0].numpy()


def test_each_frame_is_read_beside_the_persons_neutral_face_and_smoothed(judge, store):
    va, shown = judge(store[CLIP].frames_THWC, store[CLIP])
    assert va.shape == (len(store[CLIP]), 2)
    assert shown in ("neutral", "happy", "angry")
    expected = raw(judge, store, CLIP, [f"ann/neutral-{i}.mp4" for i in range(3)])
    np.testing.assert_allclose(va, np.clip(smooth(expected, 25), -1, 1), atol=1e-5)


def test_no_recording_is_its_own_neutral_face(judge, store):
    clip = store["ann/neutral-0.mp4"]
    expected = raw(judge, store, clip.clip_id, ["ann/neutral-1.mp4", "ann/neutral-2.mp4"])
    np.testing.assert_allclose(judge(clip.frames_THWC, clip)[0], np.clip(smooth(expected, 25), -1, 1), atol=1e-5)


def test_people_have_neutral_faces_of_their_own_and_strangers_everyones(judge, store):
    clip = store[CLIP]
    own, other, stranger = (
        judge(clip.frames_THWC, replace(clip, speaker_id=who))[0] for who in ("ann", "bob", "nobody")
    )
    assert np.abs(own - other).max() > 1e-4
    assert np.isfinite(stranger).all()
    assert np.abs(own - stranger).max() > 1e-5
