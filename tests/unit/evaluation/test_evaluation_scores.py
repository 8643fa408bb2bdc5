"""Rows of the scores and curves tables."""

from __future__ import annotations

import numpy as np
import pytest

from eap.evaluation.scores import Judged, clip_rows, pooled_rows
from eap.schemas import to_table

CLIP = "ann/happy-0.mp4"


def by_metric(rows):
    return {row["metric"]: row for row in rows}


@pytest.fixture
def clip(store):
    return store[CLIP]


@pytest.fixture
def embeddings():
    rng = np.random.default_rng(0)
    sound = rng.normal(size=(26, 8))
    return sound + 0.01 * rng.normal(size=(26, 8)), sound


def test_real_landmarks_are_perfect(clip, embeddings):
    rows = by_metric(clip_rows(clip, "real", clip.landmarks_TP2.copy(), *embeddings, 3))
    assert rows["lmd"]["value"] == rows["lmd_center"]["value"] == rows["lmd_interocular"]["value"] == 0
    assert rows["opening_correlation"]["value"] == pytest.approx(1)
    assert rows["coverage"]["value"] == 1
    assert rows["offset_expert"]["value"] == 0
    assert rows["lse_d_expert"]["value"] < 0.1
    assert rows["lse_c_expert"]["value"] > 1
    assert {row["scope"] for row in rows.values()} == {"clip"}
    assert {row["clip_id"] for row in rows.values()} == {CLIP}
    # The drawn mouths open and close, but all have one width.
    assert [metric for metric, row in rows.items() if row["reason"]] == ["width_correlation"]
    assert rows["opening_amplitude"]["value"] == pytest.approx(1)
    assert rows["lse_at_zero_expert"]["value"] == rows["lse_d_expert"]["value"]
    to_table("scores", [{"seed": 0, **row} for row in rows.values()])


def test_known_displacements(clip, embeddings):
    shifted = clip.landmarks_TP2 + np.float32([3, 4])
    rows = by_metric(clip_rows(clip, "generated", shifted, *embeddings, 3))
    assert rows["lmd"]["value"] == pytest.approx(5, abs=1e-4)
    assert rows["lmd_center"]["value"] == pytest.approx(0, abs=1e-4)
    eyes = np.linalg.norm(clip.landmarks_TP2[:, 45] - clip.landmarks_TP2[:, 36], axis=-1)
    assert rows["lmd_interocular"]["value"] == pytest.approx((5 / eyes).mean(), rel=1e-4)


def test_sound_that_comes_late_is_found(clip, embeddings):
    video, sound = embeddings
    late = np.concatenate([np.zeros((2, 8)), sound[:-2]])
    assert by_metric(clip_rows(clip, "x", clip.landmarks_TP2, video, late, 3))["offset_expert"]["value"] == 2
    early = np.concatenate([sound[1:], np.zeros((1, 8))])
    assert by_metric(clip_rows(clip, "x", clip.landmarks_TP2, video, early, 3))["offset_expert"]["value"] == 1


def test_frames_without_a_face_are_left_out_and_counted(clip, embeddings):
    points = clip.landmarks_TP2 + np.float32([3, 4])
    points[10:] = np.nan
    rows = by_metric(clip_rows(clip, "generated", points, *embeddings, 3))
    assert rows["lmd"]["value"] == pytest.approx(5, abs=1e-4)
    assert (rows["lmd"]["n"], rows["coverage"]["n"]) == (10, 30)
    assert rows["coverage"]["value"] == pytest.approx(1 / 3)


def test_no_face_at_all_has_a_reason(clip, embeddings):
    rows = by_metric(clip_rows(clip, "generated", np.full((30, 68, 2), np.nan), *embeddings, 3))
    for metric in ("lmd", "lmd_center", "lmd_interocular", "opening_correlation"):
        assert rows[metric]["value"] is None
        assert rows[metric]["reason"] == "no face was found in any frame"
    assert rows["coverage"]["value"] == 0
    assert rows["coverage"]["reason"] is None


def test_a_still_mouth_has_no_correlation(clip, embeddings):
    still = np.repeat(clip.landmarks_TP2[:1], 30, axis=0)
    rows = by_metric(clip_rows(clip, "still", still, *embeddings, 3))
    assert rows["lmd"]["value"] > 0
    assert rows["opening_correlation"]["value"] is None
    assert "does not move" in rows["opening_correlation"]["reason"]


def test_agreement_is_pooled_over_clips(store):
    """Of two clips whose means differ, only the pooled moments see the difference."""
    first, second = store[CLIP], store["ann/angry-0.mp4"]
    judged = [Judged(first, "real", "era", first.va_T2), Judged(second, "real", "era", second.va_T2 + 0.1)]
    rows = by_metric(pooled_rows(judged))
    assert len(rows) == 9
    predicted = np.concatenate([first.va_T2, second.va_T2 + 0.1])[:, 0]
    true = np.concatenate([first.va_T2, second.va_T2])[:, 0]
    assert rows["pcc_valence/era"]["value"] == pytest.approx(np.corrcoef(predicted, true)[0, 1], rel=1e-5)
    assert rows["rmse_valence/era"]["value"] == pytest.approx(0.1 * np.sqrt(0.5), rel=1e-4)
    mse = ((predicted - true) ** 2).mean()
    ccc = 1 - mse / (predicted.var() + true.var() + (predicted.mean() - true.mean()) ** 2)
    assert rows["ccc_valence/era"]["value"] == pytest.approx(ccc, rel=1e-4)
    assert {row["scope"] for row in rows.values()} == {"pooled"}
    assert {row["n"] for row in rows.values()} == {60}
    assert all("clip_id" not in row for row in rows.values())


def test_intensity_is_the_norm_of_valence_and_arousal(clip):
    judged = Judged(clip, "real", "era", np.tile([0.3, -0.4], (30, 1)))
    np.testing.assert_allclose(judged.read("intensity"), 0.5)
    np.testing.assert_allclose(judged.read("arousal"), -0.4)
    np.testing.assert_allclose(judged.true("intensity"), np.linalg.norm(clip.va_T2, axis=1))


def test_each_variant_and_judge_stands_alone(clip):
    judged = [
        Judged(clip, "real", "era", clip.va_T2),
        Judged(clip, "still", "era", -clip.va_T2),
        Judged(clip, "real", "landmarks", None, np.linalg.norm(clip.va_T2, axis=1)),
    ]
    rows = {(row["variant"], row["metric"]): row for row in pooled_rows(judged)}
    assert len(rows) == 9 + 9 + 3
    assert rows["real", "pcc_valence/era"]["value"] == pytest.approx(1)
    assert rows["still", "pcc_valence/era"]["value"] == pytest.approx(-1)
    assert rows["real", "ccc_intensity/landmarks"]["value"] == pytest.approx(1)
    assert ("real", "pcc_valence/landmarks") not in rows


def test_undefined_agreement_has_a_reason(clip):
    constant = Judged(clip, "neutral", "era", np.zeros((30, 2)))
    rows = by_metric(pooled_rows([constant]))
    assert rows["rmse_valence/era"]["value"] == pytest.approx(np.sqrt((clip.va_T2[:, 0] ** 2).mean()))
    for metric in ("pcc_valence/era", "ccc_intensity/era"):
        assert (rows[metric]["value"], rows[metric]["reason"]) == (None, "prediction or label is constant")
    lost = by_metric(pooled_rows([Judged(clip, "still", "landmarks", None, np.full(30, np.nan))]))
    assert lost["rmse_intensity/landmarks"]["n"] == 0
    assert lost["rmse_intensity/landmarks"]["reason"] == "no face was found in any frame"


def test_curves_hold_what_was_read_and_what_was_true(clip):
    rows = Judged(clip, "real", "landmarks", None, np.linspace(0, 1, 30)).frame_rows(4)
    assert rows.frame.tolist() == list(range(30))
    assert rows.seed.unique().tolist() == [4]
    np.testing.assert_allclose(rows.intensity, np.linspace(0, 1, 30))
    assert rows.valence.isna().all()
    np.testing.assert_allclose(rows.true_valence, clip.va_T2[:, 0])
    assert to_table("curves", rows).num_rows == 30
