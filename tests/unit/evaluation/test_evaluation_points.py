"""The judge that reads emotion from landmarks."""

from __future__ import annotations

import numpy as np
import pytest

from eap.data.pseudo_labels import EXPRESSIVE
from eap.evaluation.points import PointsJudge, features, fit, fit_judge, read_judge
from eap.stage import StageError


def test_a_linear_map_is_found_again():
    rng = np.random.default_rng(0)
    x, w, c = rng.normal(size=(4000, 6)), rng.normal(size=(6, 2)), np.array([0.3, -0.2])
    found = fit(x, x @ w + c)
    np.testing.assert_allclose(found[1:], w, atol=0.05)  # the penalty shrinks by about 1 %
    np.testing.assert_allclose(found[0], c, atol=0.05)
    assert (np.abs(found[1:]) < np.abs(w)).all()


def test_features_that_never_move_do_not_break_the_fit():
    found = fit(np.zeros((5, 3)), np.full((5, 2), 0.4))
    np.testing.assert_allclose(found, [[0.4, 0.4], [0, 0], [0, 0], [0, 0]])


@pytest.mark.parametrize("n", [0, 3])
def test_labels_must_fit_the_frames(n):
    with pytest.raises(ValueError, match="as many labels as frames"):
        fit(np.zeros((n, 2)), np.zeros((0, 2)))


def test_features_are_the_deviation_of_expressive_points(store):
    clip, shape = store["ann/angry-0.mp4"], store.shape("ann")
    x = features(clip.landmarks_TP2, shape, 25)
    assert x.shape == (30, 2 * len(EXPRESSIVE))
    # Head pose is no emotion.
    turned = clip.landmarks_TP2 @ np.array([[0.8, 0.6], [-0.6, 0.8]]) * 1.3 + [20, -7]
    np.testing.assert_allclose(features(turned, shape, 25), x, atol=1e-5)
    moved = clip.landmarks_TP2.copy()
    moved[:, 48:] += 9  # lips speak
    np.testing.assert_allclose(features(moved, shape, 25), x, atol=1e-6)


def test_a_missing_face_reaches_no_further_than_the_smoothing(store):
    points = store["ann/angry-0.mp4"].landmarks_TP2.copy()
    points[10] = np.nan
    lost = np.isnan(features(points, store.shape("ann"), 25)).all(1)
    assert np.flatnonzero(lost).tolist() == [8, 9, 10, 11, 12]


def test_the_judge_is_written_and_reads_what_it_was_fitted_on(store, tmp_path):
    made = fit_judge(store, 25, [], tmp_path / "judge.parquet", {})
    read = read_judge(tmp_path / "judge.parquet", 25)
    clip, shape = store["bob/happy-0.mp4"], store.shape("bob")
    np.testing.assert_array_equal(read(clip.landmarks_TP2, shape), made(clip.landmarks_TP2, shape))
    seen, true = (np.concatenate([part(store[c]) for c in store.ids("train")]) for part in (
        lambda clip: read(clip.landmarks_TP2, store.shape(clip.speaker_id)), lambda clip: clip.va_T2))  # fmt: skip
    assert np.corrcoef(seen[:, 0], true[:, 0])[0, 1] > 0.8
    assert np.abs(seen).max() <= 1


def test_readings_stay_among_labels():
    judge = PointsJudge(np.concatenate([[[5.0, -5.0]], np.zeros((2 * len(EXPRESSIVE), 2))]), 25)
    face = np.random.default_rng(0).normal(size=(3, 68, 2))
    np.testing.assert_array_equal(judge(face, face[0]), [[1, -1]] * 3)


def test_no_training_clip(store, tmp_path, monkeypatch):
    monkeypatch.setattr(store, "ids", lambda split: [])
    with pytest.raises(StageError, match="no training clip: judge 'points'"):
        fit_judge(store, 25, [], tmp_path / "judge.parquet", {})
