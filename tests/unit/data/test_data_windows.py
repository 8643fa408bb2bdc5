"""Training windows and how batches are drawn."""

from __future__ import annotations

from collections import Counter
from dataclasses import fields

import numpy as np
import pytest
import torch
from tiny_data import EMOTIONS, SPLIT_OF, emotion_of, tiny_config

from eap.data.windows import WindowSampler, mel_windows, to_image
from eap.stage import StageError

AUDIO = tiny_config().audio


def make(store, split="train", frames=4, p=0.75, emotions=EMOTIONS, **options):
    return WindowSampler(store, split, emotions, frames, AUDIO, p, **options)


@pytest.fixture
def recorded(store, monkeypatch):
    """Every clip that is opened, in order: of each sample first the target, then the source."""
    opened = []
    original = type(store).__getitem__
    monkeypatch.setattr(type(store), "__getitem__", lambda self, c: (opened.append(c), original(self, c))[1])
    return opened


def pairs(opened):
    return list(zip(opened[::2], opened[1::2], strict=True))


def test_centre_column_is_the_frames_own():
    mel = np.arange(12, dtype=np.float32)[:, None] + np.zeros(3, np.float32)
    windows = mel_windows(mel, 2, 5, 3, -4.0)
    assert windows.shape == (5, 3, 7)
    np.testing.assert_array_equal(windows[:, 0, 3], [2, 3, 4, 5, 6])
    np.testing.assert_array_equal(windows[2, 1], [1, 2, 3, 4, 5, 6, 7])


def test_beyond_the_clip_there_is_silence():
    mel = np.ones((4, 2), np.float32)
    windows = mel_windows(mel, 0, 4, 2, -4.0)
    np.testing.assert_array_equal(windows[0, 0], [-4, -4, 1, 1, 1])
    np.testing.assert_array_equal(windows[3, 1], [1, 1, 1, -4, -4])
    np.testing.assert_array_equal(mel_windows(mel, 1, 2, 0, -4.0), np.ones((2, 2, 1)))


def test_to_image():
    pixels = np.zeros((2, 4, 5, 3), np.uint8)
    pixels[..., 0] = 255
    image = to_image(pixels)
    assert image.shape == (2, 3, 4, 5)
    assert image.dtype == torch.float32
    assert image[:, 0].unique().tolist() == [1]
    assert image[:, 1:].unique().tolist() == [-1]


def test_a_batch_is_a_window_of_its_clips(store):
    batch = make(store).any_batch(0, 0, 6)
    assert batch.source_BCHW.shape == (6, 3, 32, 32)
    assert batch.target_BRCHW.shape == (6, 4, 3, 32, 32)
    assert batch.content_mel_BTMW.shape == (6, 4, 16, 5)
    assert batch.emotion_mel_BTMW.shape == (6, 4, 16, 7)
    assert batch.mask_BT.all()
    for b, clip_id in enumerate(batch.clip_ids):
        clip = store[clip_id]
        starts = [s for s in range(27) if torch.equal(to_image(clip.frames_THWC[s : s + 4]), batch.target_BRCHW[b])]
        assert len(starts) == 1
        window = slice(starts[0], starts[0] + 4)
        np.testing.assert_array_equal(batch.pose_BTP2[b], clip.pose_TP2[window])
        np.testing.assert_array_equal(batch.shape_BTP2[b], clip.shape_TP2[window])
        np.testing.assert_array_equal(batch.va_BT2[b], clip.va_T2[window])
        np.testing.assert_array_equal(batch.content_mel_BTMW[b, :, :, 2], clip.mel_TM[window])
        np.testing.assert_array_equal(batch.emotion_mel_BTMW[b, :, :, 3], clip.mel_TM[window])
        assert EMOTIONS[batch.emotion_B[b]] == clip.emotion
        assert batch.neutral_B[b] == (clip.emotion == "neutral")


def test_the_sources_landmarks_are_the_source_frames(store):
    batch = make(store).neutral_batch(0, 0, 4)
    sources = zip(batch.source_BCHW, batch.source_pose_BP2, batch.source_points_BP2, strict=True)
    for image, pose, points in sources:
        found = [
            (clip_id, t)
            for clip_id in store.ids("train")
            for t in range(30)
            if torch.equal(to_image(store[clip_id].frames_THWC[t]), image)
        ]
        assert len(found) == 1
        np.testing.assert_array_equal(pose, store[found[0][0]].pose_TP2[found[0][1]])
        np.testing.assert_array_equal(points, store[found[0][0]].landmarks_TP2[found[0][1]])


def test_pairing_counts_clips_whose_source_cannot_be_as_asked(store, monkeypatch):
    clips = store.ids("train")
    assert make(store).pairing() == {"clips": len(clips), "without_emotional_source": 0, "with_own_source": 0}
    people = ["alone", "calm", "calm"] + (len(clips) - 3) * ["moved"]
    rows = {
        clip_id: {"speaker_id": person, "emotion": "happy" if person == "moved" else "neutral"}
        for clip_id, person in zip(clips, people, strict=True)
    }
    monkeypatch.setattr(type(store), "rows", lambda self, clip_id: rows[clip_id])
    assert make(store).pairing() == {"clips": len(clips), "without_emotional_source": 3, "with_own_source": 1}
    assert make(store, neutralization=False).pairing() == {"clips": len(clips)}


def test_rendered_frames_are_those_of_their_times(store):
    seen = Counter()
    for step in range(40):
        batch = make(store, rendered=2).any_batch(0, step, 3)
        assert batch.rendered_BR.shape == (3, 2)
        assert (batch.rendered_BR.diff(dim=1) > 0).all()
        seen.update(batch.rendered_BR.flatten().tolist())
    assert set(seen) == set(range(4))
    for b, clip_id in enumerate(batch.clip_ids):
        clip = store[clip_id]
        (start,) = (s for s in range(27) if np.array_equal(batch.pose_BTP2[b], clip.pose_TP2[s : s + 4]))
        wanted = to_image(clip.frames_THWC[start + batch.rendered_BR[b].numpy()])
        assert torch.equal(batch.target_BRCHW[b], wanted)


def test_no_other_frame_is_decoded(store, monkeypatch):
    decoded = []
    monkeypatch.setattr(
        "eap.data.cached_frames.decode_jpeg", lambda jpeg: decoded.append(jpeg) or np.zeros((32, 32, 3), np.uint8)
    )
    make(store, rendered=0).any_batch(0, 0, 5)
    assert len(decoded) == 5  # the sources alone
    batch = make(store, rendered=3).any_batch(0, 0, 5)
    assert len(decoded) == 5 + 5 * 4
    assert batch.pose_BTP2.shape[:2] == (5, 4)  # motion is of all times


@pytest.mark.parametrize("draw", ["neutral_batch", "emotional_batch", "any_batch"])
def test_batches_are_pure_functions_of_seed_and_step(store, draw):
    def batch(seed, step):
        return getattr(make(store), draw)(seed, step, 4)

    sampler = make(store)
    getattr(sampler, draw)(0, 1, 4)  # what was drawn before does not matter
    again, plain = getattr(sampler, draw)(0, 5, 4), batch(0, 5)
    for field in fields(plain):
        a, b = getattr(plain, field.name), getattr(again, field.name)
        assert torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b
    for other in (batch(1, 5), batch(0, 6)):
        assert not torch.equal(plain.target_BRCHW, other.target_BRCHW)


def test_ant_targets_are_neutral_and_each_is_drawn_once_per_pass(store):
    sampler = make(store)
    ids = [c for step in range(5) for c in sampler.neutral_batch(0, step, 4).clip_ids]
    neutral = {c for c, split in SPLIT_OF.items() if split == "train" and emotion_of(c) == "neutral"}
    assert len(neutral) == 4
    for start in range(0, 20, 4):
        assert set(ids[start : start + 4]) == neutral


def test_any_batch_covers_the_split(store):
    sampler = make(store)
    ids = [c for step in range(5) for c in sampler.any_batch(0, step, 2).clip_ids]
    assert sorted(ids) == store.ids("train")


@pytest.mark.parametrize("p", [0.0, 0.3, 1.0])
def test_sources_are_of_the_person_another_clip_and_emotional_with_probability_p(store, recorded, p):
    sampler = make(store, p=p)
    for step in range(100):
        sampler.neutral_batch(0, step, 4)
    drawn = pairs(recorded)
    assert len(drawn) == 400
    assert all(target != source for target, source in drawn)
    assert all(target.split("/")[0] == source.split("/")[0] for target, source in drawn)
    share = np.mean([emotion_of(source) != "neutral" for _, source in drawn])
    assert share == pytest.approx(p, abs=4 * np.sqrt(p * (1 - p) / 400))


def test_without_neutralization_the_source_is_the_clip_itself(store):
    batch = make(store, neutralization=False).neutral_batch(0, 0, 10)
    for source, clip_id in zip(batch.source_BCHW, batch.clip_ids, strict=True):
        assert (to_image(store[clip_id].frames_THWC) == source).all((1, 2, 3)).any()
    assert {emotion_of(clip_id) for clip_id in batch.clip_ids} == set(EMOTIONS)


def test_an_only_neutral_clip_takes_an_emotional_source_even_where_a_neutral_one_was_drawn(
    store, recorded, monkeypatch
):
    ids = [c for c in store.ids("train") if c.startswith("ann/")]
    own = [next(c for c in ids if emotion_of(c) == "neutral"), *(c for c in ids if emotion_of(c) != "neutral")]
    monkeypatch.setattr(type(store), "ids", lambda self, split: own)
    sampler = make(store, p=0.0)
    for step in range(20):
        sampler.neutral_batch(0, step, 1)
    assert {source for _, source in pairs(recorded)} <= set(own[1:])
    assert sampler.pairing() == {"clips": len(own), "without_emotional_source": 0, "with_own_source": 0}


def test_an_only_clip_is_its_own_source(store, recorded):
    sampler = make(store, split="validation")  # one neutral clip of each speaker
    sampler.neutral_batch(0, 0, 2)
    assert all(target == source for target, source in pairs(recorded))


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_no_clip_of_another_split_is_ever_opened(store, recorded, split):
    sampler = make(store, split=split)
    for step in range(30):
        sampler.any_batch(0, step, 4)
    assert set(recorded) == set(store.ids(split))


def test_era_batches_have_two_classes_and_a_fair_share_of_neutral(store):
    sampler = make(store)
    batches = [sampler.emotional_batch(0, step, 4) for step in range(150)]
    assert all(len(set(batch.emotion_B.tolist())) >= 2 for batch in batches)
    counts = Counter(EMOTIONS[e] for batch in batches for e in batch.emotion_B.tolist())
    # 600 samples, 1/K neutral; the rule of two classes moves a batch in about 5 % of cases
    assert counts["neutral"] / 600 == pytest.approx(1 / 3, abs=0.07)
    assert counts["happy"] / 600 == pytest.approx(1 / 3, abs=0.07)


def test_two_samples_are_always_of_two_classes(store):
    sampler = make(store)
    assert all(len(set(sampler.emotional_batch(0, step, 2).emotion_B.tolist())) == 2 for step in range(50))


def test_era_needs_two_emotions(store):
    with pytest.raises(StageError, match=r"at least two emotions, found neutral; add emotional clips"):
        make(store, split="validation").emotional_batch(0, 0, 4)


def test_ant_needs_a_neutral_clip(store):
    with pytest.raises(StageError, match=r"no neutral training clip.*ant\.neutralization: false"):
        make(store, split="test").neutral_batch(0, 0, 4)


def test_other_frames_are_real_ones_of_their_class_and_leave_the_rest_as_it_is(store):
    plain, others = (
        WindowSampler(store, "train", EMOTIONS, 4, tiny_config().audio, 0.75, others=others) for others in (False, True)
    )
    before, batch = plain.neutral_batch(3, 5, 4), others.neutral_batch(3, 5, 4)
    assert before.other_BCHW is None
    assert torch.equal(before.target_BRCHW, batch.target_BRCHW)
    known = {
        (emotion, to_image(frame).numpy().tobytes())
        for clip_id in others.ids
        for emotion in [EMOTIONS.index(store[clip_id].emotion)]
        for frame in store[clip_id].frames_THWC
    }
    found = zip(batch.other_emotion_B.tolist(), batch.other_BCHW, strict=True)
    assert all((emotion, frame.numpy().tobytes()) in known for emotion, frame in found)
