"""Which clips, sources, voices and controls an evaluation takes."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
from tiny_data import SPLIT_OF

from eap.data.encode import write_video
from eap.evaluation.controls import reencode
from eap.evaluation.variants import (
    choose_clips,
    choose_source,
    choose_source_of,
    choose_voice,
    delay,
    find_landmarks,
    fit_length,
    read_levels,
    read_video,
    roll_voice,
)

TEST_CLIPS = ["ann/happy-1.mp4", "bob/angry-1.mp4"]


def test_dlib_itself_is_asked(store):
    """Drawn faces are found or not; a still is looked at once."""
    clip = store[TEST_CLIPS[0]]
    points = find_landmarks(np.broadcast_to(clip.frames_THWC[0], (4, 32, 32, 3)))
    assert points.shape == (4, 68, 2)
    np.testing.assert_array_equal(points[0], points[3])


def table_store(rows):
    clips = pd.DataFrame(rows, columns=["clip_id", "speaker_id", "emotion"]).set_index("clip_id")

    class Rows(SimpleNamespace):
        def ids(self, split):
            return sorted(self.clips.index)

        def __getitem__(self, clip_id):
            row = self.clips.loc[clip_id]
            return SimpleNamespace(clip_id=clip_id, speaker_id=row.speaker_id, emotion=row.emotion, __len__=None)

    return Rows(clips=clips)


def test_chosen_clips_spread_over_speakers_and_emotions():
    rows = [
        (f"{who}/{emotion}/{i}", who, emotion)
        for who in "abc"
        for emotion in ("angry", "happy", "sad")
        for i in range(4)
    ]
    store = table_store(rows)
    assert len(choose_clips(store, 1000)) == len(rows)
    for most, speakers, emotions in ((3, 3, 1), (9, 3, 3)):
        chosen = choose_clips(store, most)
        assert len(chosen) == len(set(chosen)) == most
        assert len({c.split("/")[0] for c in chosen}) >= speakers
        assert len({c.split("/")[1] for c in chosen}) >= emotions
    assert choose_clips(store, 5) == choose_clips(store, 5)


def test_one_clip_of_each_speaker_shows_every_emotion_and_level():
    """Three people, three emotions, three levels: whoever is asked for one clip of each gets no angry crowd."""
    rows = [(f"{w}/{e}/level_{n}", w, e) for w in "abc" for e in ("angry", "happy", "sad") for n in (1, 2, 3)]
    chosen = choose_clips(table_store(rows), 3)
    assert chosen == ["a/angry/level_3", "b/happy/level_2", "c/sad/level_1"]
    all_of_them = pd.DataFrame([c.split("/") for c in choose_clips(table_store(rows), 9)])
    assert all_of_them.groupby([0, 1]).size().tolist() == [1] * 9
    assert (all_of_them.groupby(1)[2].nunique() > 1).all()


def test_source_is_another_clip_of_another_emotion(store):
    for clip_id in SPLIT_OF:
        source = choose_source(store, store[clip_id])
        assert source.clip.clip_id != clip_id
        assert source.clip.speaker_id == store[clip_id].speaker_id
        assert source.clip.emotion not in ("neutral", store[clip_id].emotion)
        assert 0 < source.at < 30


def test_an_only_clip_lends_its_own_first_frame(store):
    alone = SimpleNamespace(clips=store.clips.loc[[TEST_CLIPS[0]]])
    source = choose_source(alone, store[TEST_CLIPS[0]])
    assert (source.clip.clip_id, source.at) == (TEST_CLIPS[0], 0)


def test_source_of_an_emotion_is_its_strongest_frame_of_the_highest_level(store):
    clip = store["ann/happy-1.mp4"]
    levels = pd.Series({"ann/angry-0.mp4": "high", "ann/angry-1.mp4": "low"})
    source = choose_source_of(store, clip, "angry", levels)
    assert source.clip.clip_id == "ann/angry-0.mp4"
    strength = np.linalg.norm(source.clip.va_T2, axis=1)
    assert strength[source.at] == strength.max()
    assert choose_source_of(store, clip, "angry", levels[::-1].map({"high": "low", "low": "high"})).clip.clip_id == (
        "ann/angry-1.mp4"
    )
    neutral = choose_source_of(store, clip, "neutral", pd.Series(dtype=object))
    assert neutral.at == 15  # nothing is strongest in a neutral clip
    assert choose_source_of(store, clip, "happy", levels).clip.clip_id == "ann/happy-0.mp4"  # never the clip itself
    assert choose_source_of(store, clip, "sad", levels) is None


def test_the_other_voice_is_the_same_persons_in_another_emotion(store):
    clip = store["ann/happy-1.mp4"]
    same = ["ann/happy-0.mp4", "ann/happy-1.mp4", "ann/angry-0.mp4", "bob/angry-1.mp4"]
    assert choose_voice(store, same, clip).clip_id == "ann/angry-0.mp4"
    assert choose_voice(store, TEST_CLIPS, clip).clip_id == "bob/angry-1.mp4"
    # The only test clip takes any other clip; an only clip has none.
    assert choose_voice(store, TEST_CLIPS[:1], clip).clip_id == "ann/neutral-0.mp4"
    alone = SimpleNamespace(clips=store.clips.loc[TEST_CLIPS[:1]])
    assert choose_voice(alone, TEST_CLIPS[:1], clip) is None


def test_delay_holds_the_first():
    assert delay(np.arange(8), 3).tolist() == [0, 0, 0, 0, 1, 2, 3, 4]
    assert delay(np.arange(3), 5).tolist() == [0, 0, 0]


def test_a_voice_is_cut_or_repeated():
    mel = np.arange(6).reshape(3, 2)
    assert fit_length(mel, 2).tolist() == [[0, 1], [2, 3]]
    assert fit_length(mel, 5).tolist() == [[0, 1], [2, 3], [4, 5], [0, 1], [2, 3]]


def test_reencoding_loses_little_and_no_frame(store, tmp_path):
    frames = store[TEST_CLIPS[0]].frames_THWC
    coded = reencode(frames, 25, 18)
    assert (coded.shape, coded.dtype) == (frames.shape, np.uint8)
    error = np.abs(coded.astype(float) - frames).mean()
    assert 0 < error < 12
    assert error < np.abs(reencode(frames, 25, 45).astype(float) - frames).mean()
    write_video(tmp_path / "v.mp4", frames, 25, 18, None, 16000, "", repeatable=True)
    np.testing.assert_array_equal(read_video(tmp_path / "v.mp4"), coded)


def test_levels_come_from_the_catalog(tiny_data):
    found = read_levels(tiny_data)
    assert sorted(found.index) == sorted(SPLIT_OF)
    assert found.columns.tolist() == ["level", "sentence", "labelled"]
    assert found["level"].get("ann/happy-1.mp4") is None


def test_a_rolled_voice_says_the_same_at_other_times():
    mel = np.arange(8.0).reshape(4, 2)
    np.testing.assert_array_equal(roll_voice(mel), [[4, 5], [6, 7], [0, 1], [2, 3]])  # too short for 37 frames
    longer = np.arange(75)[:, None]
    np.testing.assert_array_equal(roll_voice(longer), np.roll(longer, 37, axis=0))
