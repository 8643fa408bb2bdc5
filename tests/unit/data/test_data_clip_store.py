"""Random access to prepared clips."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d
from tiny_data import FRAMES, SPLIT_OF, draw, emotion_of, feeling, landmarks, loudness

from eap.data.clip_store import ClipStore
from eap.data.layout import PreparedData
from eap.data.pose import apply_transform, mean_shape, pose_transform
from eap.evaluation.lip_distance import lmd
from eap.schemas import read_table, to_table, write_table
from eap.stage import StageError

CLIP = "ann/happy-0.mp4"


@pytest.fixture
def copied(tiny_data, tmp_path):
    """The prepared data, free to be spoilt."""
    shutil.copytree(tiny_data.root, tmp_path / "data")
    return PreparedData(tmp_path / "data")


def test_splits(store):
    for split in ("train", "validation", "test"):
        assert store.ids(split) == sorted(c for c, s in SPLIT_OF.items() if s == split)
    assert store.ids("elsewhere") == []


def test_a_clip_is_what_was_prepared(tiny_data):
    clip = ClipStore(tiny_data, 64)[CLIP]
    assert (clip.clip_id, clip.speaker_id, clip.emotion, len(clip)) == (CLIP, "ann", "happy", FRAMES)
    drawn = np.stack([draw(points, "ann") for points in landmarks(CLIP)])
    assert np.abs(clip.frames_THWC.astype(int) - drawn).mean() < 3
    assert clip.mel_TM.shape == (FRAMES, 16)
    assert np.corrcoef(clip.mel_TM.max(1), np.log(0.02 + 0.9 * loudness(CLIP)))[0, 1] > 0.9
    assert clip.va_T2.shape == (FRAMES, 2)
    assert np.corrcoef(np.linalg.norm(clip.va_T2, axis=1), feeling(CLIP))[0, 1] > 0.9
    types = {a.dtype for a in (clip.landmarks_TP2, clip.pose_TP2, clip.mel_TM, clip.va_T2)}
    assert types == {np.dtype(np.float32)}


def test_points_are_the_detected_landmarks_where_no_others_are_known(store):
    np.testing.assert_array_equal(store[CLIP].points_TP2, store[CLIP].landmarks_TP2)
    np.testing.assert_array_equal(store.shape("ann"), store.detected_shape("ann"))


def test_points_of_a_rendered_corpus_move_ant_and_the_detected_ones_are_scored(copied):
    labels, shapes = read_table(copied.labels, "labels"), read_table(copied.shapes, "shapes")
    plain = ClipStore(copied, 32)[CLIP]
    aside = np.array([2, 0])
    points = {c: list((landmarks(c) + aside).reshape(FRAMES, -1)) for c in SPLIT_OF}
    rows = [to_table("labels", own.assign(points=points[c])) for c, own in labels.groupby("clip_id")]
    write_table(copied.labels, "labels", rows)
    write_table(copied.shapes, "shapes", shapes.assign(shape=[0.9 * s for s in shapes["shape"]]))
    store = ClipStore(copied, 32)
    clip = store[CLIP]
    np.testing.assert_array_equal(clip.landmarks_TP2, plain.landmarks_TP2)
    np.testing.assert_allclose(clip.points_TP2, plain.landmarks_TP2 + 4 * aside, atol=1e-3)  # 2 of 64 px are 8 of 256
    np.testing.assert_allclose(clip.pose_TP2.mean((0, 1)), plain.pose_TP2.mean((0, 1)) + 4 * aside, atol=0.5)
    np.testing.assert_allclose(store.shape("ann"), 0.9 * store.detected_shape("ann"), rtol=1e-6)


def test_landmarks_are_at_a_256_scale_whatever_the_cached_size(tiny_data, store):
    # Frames are cached at 64 px, networks and scores count in px of 256.
    for size in (32, 64):
        clip = ClipStore(tiny_data, size)[CLIP]
        np.testing.assert_allclose(clip.landmarks_TP2, landmarks(CLIP) * 4, atol=1e-3)
        assert clip.frames_THWC.shape == (FRAMES, size, size, 3)
    inside = (store[CLIP].pose_TP2 > 0) & (store[CLIP].pose_TP2 < 256)
    assert inside.all()


def test_pose_only_landmarks_are_the_speakers_neutral_shape_in_each_pose(store):
    clip = store[CLIP]
    shape = store.shape("ann")
    # One rigid shape: the pose that is fitted to it leaves nothing over.
    fitted = pose_transform(clip.pose_TP2, shape)
    rebuilt = np.einsum("nij,pj->npi", fitted[..., :2], shape) + fitted[:, None, :, 2]
    np.testing.assert_allclose(rebuilt, clip.pose_TP2, atol=1e-2)
    nose = [27, 28, 29, 30]
    assert np.abs(clip.pose_TP2[:, nose] - clip.landmarks_TP2[:, nose]).mean() < 5


def test_lips_are_free_of_pose_and_open_with_the_voice(store):
    """The drawn mouth's inner height is 0.02 + 0.16 loudness, twice, in units of half a face."""
    for clip_id in ("ann/neutral-0.mp4", "ann/happy-0.mp4"):
        lips = store[clip_id].shape_TP2[:, 48:]
        assert lips.shape == (FRAMES, 20, 2)
        opening = lips[:, 18, 1] - lips[:, 14, 1]
        assert np.corrcoef(opening, loudness(clip_id))[0, 1] > 0.99
    neutral = [store[c].shape_TP2[:, 48:] for c in SPLIT_OF if c.startswith("ann/neutral")]
    np.testing.assert_allclose(np.concatenate(neutral).mean(0), 0, atol=0.01)


def test_the_mean_shape_is_that_of_trainings_people(store, copied):
    np.testing.assert_allclose(store.mean_shape, (store.shape("ann") + store.shape("bob")) / 2, atol=1e-6)
    splits = read_table(copied.splits, "splits")
    away = splits.assign(split=splits["split"].where(splits["speaker_id"] == "ann", "test"))
    write_table(copied.splits, "splits", away)
    np.testing.assert_array_equal(ClipStore(copied, 32).mean_shape, store.shape("ann"))


def test_interpolated_landmarks_are_known_and_not_scored(copied):
    path = copied.shard("landmarks", 0)
    rows = read_table(path, "landmarks")
    rows.loc[(rows.clip_id == CLIP) & rows.frame.between(5, 8), "status"] = "interpolated"
    write_table(path, "landmarks", [to_table("landmarks", own) for _, own in rows.groupby("clip_id")])
    clip = ClipStore(copied, 32)[CLIP]
    assert np.isfinite(clip.landmarks_TP2).all()
    assert np.flatnonzero(np.isnan(clip.seen_landmarks_TP2).all((1, 2))).tolist() == [5, 6, 7, 8]
    coverage = lmd(clip.landmarks_TP2 + 1, clip.seen_landmarks_TP2)
    assert (coverage.value, coverage.coverage) == (pytest.approx(2**0.5, rel=1e-4), 1 - 4 / FRAMES)


def test_what_is_scored_is_seen_by_dlib_whoever_prepared_it(copied, monkeypatch):
    path = copied.shard("landmarks", 0)
    tables = [to_table("landmarks", own) for _, own in read_table(path, "landmarks").groupby("clip_id")]
    dlib_sees = {c: landmarks(c).astype(np.float32) * 4 + 7 for c in SPLIT_OF}
    looked_at = []

    def detect(frames_THWC, detector):
        assert frames_THWC.shape == (FRAMES, 256, 256, 3)
        assert detector == "dlib"
        looked_at.append(len(frames_THWC))
        found = dlib_sees[CLIP].copy()
        found[3] = np.nan
        return found, []

    monkeypatch.setattr("eap.data.clip_store.detect_landmarks", detect)
    write_table(path, "landmarks", tables)
    plain = ClipStore(copied, 32, scored=True)
    assert plain[CLIP].detected_T.all()
    assert looked_at == []
    write_table(path, "landmarks", tables, metadata={"eap.detector": "fan"})
    learnt = ClipStore(copied, 32)
    np.testing.assert_array_equal(learnt[CLIP].landmarks_TP2, plain[CLIP].landmarks_TP2)
    assert looked_at == []
    scored = ClipStore(copied, 32, scored=True)
    clip = scored[CLIP]
    np.testing.assert_array_equal(clip.landmarks_TP2[4:], dlib_sees[CLIP][4:])
    assert np.flatnonzero(~clip.detected_T).tolist() == [3]
    np.testing.assert_array_equal(clip.points_TP2, plain[CLIP].points_TP2)  # what ANT moves stays
    expected = mean_shape(np.delete(np.concatenate(3 * [dlib_sees[CLIP]]), [3, FRAMES + 3, 2 * FRAMES + 3], axis=0))
    np.testing.assert_allclose(scored.detected_shape("ann"), expected, atol=1e-5)
    assert np.isnan(scored.deviation_scale)


def test_neutral_clips_have_no_emotion(store):
    for clip_id in SPLIT_OF:
        assert store[clip_id].va_T2.any() == (emotion_of(clip_id) != "neutral")


def test_clips_are_kept_while_memory_allows(tiny_data):
    one = ClipStore(tiny_data, 32)[CLIP].n_bytes
    store = ClipStore(tiny_data, 32, clip_cache_bytes=2 * one)
    first, second, third = sorted(SPLIT_OF)[:3]
    kept = store[first]
    store[second]
    assert store[first] is kept  # and now the most recent
    store[third]
    assert store[first] is kept
    assert store._cache.keys() == {first, third}
    np.testing.assert_array_equal(store[second].mel_TM, ClipStore(tiny_data, 32)[second].mel_TM)


def test_tables_that_disagree_in_length_are_refused(copied):
    labels = read_table(copied.labels, "labels")
    fewer = labels[~((labels.clip_id == CLIP) & (labels.frame == 29))]
    write_table(copied.labels, "labels", [to_table("labels", rows) for _, rows in fewer.groupby("clip_id")])
    store = ClipStore(copied, 32)
    with pytest.raises(StageError, match=r"ann/happy-0\.mp4.*'labels': 29.*prepare it again"):
        store[CLIP]
    assert len(store["ann/happy-1.mp4"]) == FRAMES


@pytest.mark.parametrize("table", ["labels", "mel"])
def test_a_table_that_lacks_the_clip_is_named(copied, table):
    path = copied.labels if table == "labels" else copied.shard("mel", 0)
    rows = read_table(path, table)
    groups = [to_table(table, rows[rows.clip_id == c]) for c in sorted(SPLIT_OF) if c != CLIP]
    write_table(path, table, groups)
    with pytest.raises(StageError, match=rf"ann/happy-0\.mp4.*not in table {table}"):
        ClipStore(copied, 32)[CLIP]


def test_the_mean_shape_can_drive_instead_of_the_persons_own(tiny_data):
    own, mean = (ClipStore(tiny_data, 32, pose_shape=name) for name in ("own", "mean"))
    clip, other = own[CLIP], mean[CLIP]
    everyone = own.mean_shape
    expected = pose_transform(gaussian_filter1d(clip.landmarks_TP2, 1, axis=0, mode="nearest"), everyone)
    np.testing.assert_allclose(other.pose_TP2, apply_transform(expected, everyone), atol=1e-3)
    assert np.abs(other.pose_TP2 - clip.pose_TP2).max() > 0.05
    # Whatever the pose stands on, pose and deviation give the landmarks back.
    assert np.abs(other.shape_TP2 + everyone - clip.shape_TP2 - own.shape(clip.speaker_id)).max() < 0.1
    np.testing.assert_array_equal(mean.shape(clip.speaker_id), own.shape(clip.speaker_id))  # judges keep the own one
