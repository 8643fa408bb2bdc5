"""The judge that reads emotion from landmarks."""

from __future__ import annotations

import numpy as np
import pytest

from eap.evaluation.points import Fitted, PointsJudge, features, fit, fit_judge, read_judge
from eap.stage import StageError


def test_a_quadratic_map_and_classes_are_found_again():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4000, 6))
    va = np.stack([0.5 * x[:, 0] * x[:, 1] + 0.2, x @ rng.normal(size=6)], -1)
    emotion = np.where(x[:, 2] > 0, "happy", "sad")
    found = fit(x, va, emotion)
    assert found.classes == ("happy", "sad")
    read = found(x)
    for k in (0, 1):
        assert np.corrcoef(read[:, k], va[:, k])[0, 1] > 0.99
    assert ((read[:, 2] > read[:, 3]) == (emotion == "happy")).mean() > 0.97


def test_features_that_never_move_do_not_break_the_fit():
    found = fit(np.zeros((5, 3)), np.full((5, 2), 0.4), np.array(["sad"] * 5))
    np.testing.assert_allclose(found(np.zeros((2, 3))), [[0.4, 0.4, 1]] * 2)


@pytest.mark.parametrize("n", [0, 3])
def test_labels_must_fit_the_frames(n):
    with pytest.raises(ValueError, match="as many labels as frames"):
        fit(np.zeros((n, 2)), np.zeros((0, 2)), np.zeros(0, str))


def test_features_are_the_deviation_of_all_points(store):
    clip, shape = store["ann/angry-0.mp4"], store.shape("ann")
    x = features(clip.landmarks_TP2, shape, 25)
    assert x.shape == (30, 2 * 68)
    # Head pose is no emotion.
    turned = clip.landmarks_TP2 @ np.array([[0.8, 0.6], [-0.6, 0.8]]) * 1.3 + [20, -7]
    np.testing.assert_allclose(features(turned, shape, 25), x, atol=1e-5)
    # One frame's mouth counts for less than a quarter of what it shows.
    moved = clip.landmarks_TP2.copy()
    moved[15, 48:] += 9
    once = np.abs(features(moved, shape, 25) - x).max()
    moved[:, 48:] = clip.landmarks_TP2[:, 48:] + 9
    assert 0 < once < 0.25 * np.abs(features(moved, shape, 25) - x).max()


def test_a_missing_face_reaches_no_further_than_the_smoothing(store):
    points = store["ann/angry-0.mp4"].landmarks_TP2.copy()
    points[10] = np.nan
    lost = np.isnan(features(points, store.shape("ann"), 25)).all(1)
    assert np.flatnonzero(lost).tolist() == list(range(21))


def test_the_judge_is_written_and_reads_what_it_was_fitted_on(store, tmp_path):
    made = fit_judge(store, 25, [], tmp_path / "judge.parquet", {})
    read = read_judge(tmp_path / "judge.parquet", 25)
    clip, shape = store["bob/happy-0.mp4"], store.shape("bob")
    (va, shown), (va_made, shown_made) = (j(clip.landmarks_TP2, shape) for j in (read, made))
    np.testing.assert_allclose(va, va_made, atol=1e-9)  # sums of other memory layouts round otherwise
    assert shown == shown_made
    clips = [store[clip_id] for clip_id in store.ids("train")]  # validation lacks some of their emotions
    found = [read(c.landmarks_TP2, store.shape(c.speaker_id)) for c in clips]
    seen, true = np.concatenate([va for va, _ in found]), np.concatenate([c.va_T2 for c in clips])
    assert np.corrcoef(seen[:, 0], true[:, 0])[0, 1] > 0.8
    assert np.abs(seen).max() <= 1
    assert np.mean([name == c.emotion for (_, name), c in zip(found, clips, strict=True)]) > 0.8


def test_readings_stay_among_labels_and_no_face_has_no_class():
    fitted = Fitted(np.zeros(136), np.zeros((136, 0)), np.array([[5.0, -5.0, 0.1, 0.9]]), ("happy", "sad"))
    face = np.random.default_rng(0).normal(size=(3, 68, 2))
    va, shown = PointsJudge(fitted, 25)(face, face[0])
    np.testing.assert_array_equal(va, [[1, -1]] * 3)
    assert shown == "sad"
    assert PointsJudge(fitted, 25)(np.full((3, 68, 2), np.nan), face[0])[1] is None


def test_no_clip_to_fit_on(store, tmp_path, monkeypatch):
    monkeypatch.setattr(store, "ids", lambda split: [])
    with pytest.raises(StageError, match="no validation or training clip: judges learn from them"):
        fit_judge(store, 25, [], tmp_path / "judge.parquet", {})
