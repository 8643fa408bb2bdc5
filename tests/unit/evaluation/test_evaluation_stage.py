"""The controls and the evaluation of one seed, from tables to tables, videos and pictures."""

from __future__ import annotations

import shutil
from itertools import product

import av
import numpy as np
import pandas as pd
import pytest
from tiny_data import SPLIT_OF, sections

from eap.data.cached_frames import resize_frame
from eap.data.clip_store import ClipStore
from eap.data.encode import PROVENANCE
from eap.data.layout import PreparedData
from eap.evaluation import variants
from eap.evaluation.controls import score_controls
from eap.evaluation.image import psnr
from eap.evaluation.stage import TABLES, evaluate
from eap.evaluation.variants import CONTROLS, GENERATED, SHIFT_FRAMES
from eap.schemas import read_table, write_table
from eap.stage import StageError

TEST_CLIPS = ["ann/happy-1.mp4", "bob/angry-1.mp4"]
EVALUATION = {"evaluation": {"max_clips": 2, "bias_clips": 2, "level_groups": 1, "grid_clips": 1}}


class KnownLandmarks:
    """Stands in for dlib: true landmarks of frames it knows, 3 px right and 4 px down of the truth for all others.

    `per_clip` videos of each clip, in the order in which they are scored, are not known. The probes' videos (faces are
    looked for in some frames only) get the first clip's landmarks.
    """

    def __init__(self, store, per_clip):
        self.known = {
            np.stack([resize_frame(frame, 256)]).tobytes(): points
            for clip_id in SPLIT_OF
            for frame, points in zip(store[clip_id].frames_THWC, store[clip_id].landmarks_TP2, strict=True)
        }
        self.first = store[TEST_CLIPS[0]].landmarks_TP2
        self.others = [store[c].landmarks_TP2 + np.float32([3, 4]) for c in TEST_CLIPS for _ in range(per_clip)]

    def __call__(self, frames_THWC, detector, detect_every):
        assert detector == "dlib"
        assert frames_THWC.shape[1:] == (256, 256, 3)
        found = [self.known.get(frame[None].tobytes()) for frame in frames_THWC]
        if detect_every > 1:
            points = self.first[: len(frames_THWC)]
        else:
            points = np.stack(found) if all(f is not None for f in found) else self.others.pop(0)
        return points.astype(np.float32), ["detected"] * len(points)


def run(tiny_data, era_file, sync_file, faces_file, folder):
    """Controls and evaluation into one folder of results."""
    controls = score_controls(sections("controls"), tiny_data, sync_file, faces_file, folder / "controls")
    judge = folder / "controls" / "judge.parquet"
    config = sections("evaluate", EVALUATION)
    return controls, evaluate(config, 3, tiny_data, era_file, sync_file, judge, faces_file, folder / "v")


@pytest.fixture(scope="module")
def known(tiny_data, era_file, sync_file, faces_file, store, tmp_path_factory):
    """A run whose landmarks are known: folder and result."""
    folder = tmp_path_factory.mktemp("known")
    with pytest.MonkeyPatch.context() as patch:
        controls, made = KnownLandmarks(store, 1), KnownLandmarks(store, 4)
        patch.setattr(
            variants, "detect_landmarks", lambda *a, **k: (controls if controls.others else made)(*a, **k)
        )  # fmt: skip
        return folder, run(tiny_data, era_file, sync_file, faces_file, folder)[1]


@pytest.fixture(scope="module")
def scores(known):
    """Of the seed and of the controls."""
    return read_table([known[0] / "v/scores.parquet", known[0] / "controls/scores.parquet"], "scores")


def table(known, name):
    return read_table(known[0] / "v" / f"{name}.parquet", name)


def value(scores, variant, metric, clip_id=None):
    rows = scores[(scores.variant == variant) & (scores.metric == metric)]
    if clip_id:
        rows = rows[rows.clip_id == clip_id]
    assert len(rows) == 1
    return rows.iloc[0]


def test_every_test_clip_in_every_variant(scores):
    clips = scores[scores.scope == "clip"]
    assert set(clips.clip_id) == set(TEST_CLIPS)
    assert set(clips.variant) == {*GENERATED, *CONTROLS}
    assert (clips.groupby(["clip_id", "variant", "metric"]).size() == 1).all()
    # The model's own judge reads controls too, once for each seed.
    unseeded = clips.variant.isin(CONTROLS) & ~clips.metric.str.endswith("/era")
    assert (clips.seed.isna() == unseeded).all()
    assert set(scores.seed.dropna()) == {3}


@pytest.mark.parametrize("clip_id", TEST_CLIPS)
def test_lip_distances_of_known_landmarks(scores, clip_id):
    assert value(scores, "real", "lmd", clip_id).value == pytest.approx(0, abs=1e-3)
    for variant in ("generated", "neutral", "shuffled", "rolled", "reencoded"):
        assert value(scores, variant, "lmd", clip_id).value == pytest.approx(5, abs=1e-3)
        assert value(scores, variant, "lmd_center", clip_id).value == pytest.approx(0, abs=1e-3)
        for metric in ("opening_correlation", "opening_amplitude"):
            assert value(scores, variant, metric, clip_id).value == pytest.approx(1)
    assert value(scores, "still", "lmd", clip_id).value > 1
    assert value(scores, "still", "coverage", clip_id).value == 1
    assert value(scores, "still", "opening_amplitude", clip_id).value == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("clip_id", TEST_CLIPS)
def test_the_late_recording_is_the_recording_later(scores, store, clip_id):
    points = store[clip_id].landmarks_TP2[:, 48:]
    late = points[np.maximum(np.arange(len(points)) - SHIFT_FRAMES, 0)]
    expected = np.linalg.norm(late - points, axis=-1).mean()
    assert value(scores, "shifted", "lmd", clip_id).value == pytest.approx(expected, rel=1e-4)
    assert not scores[(scores.variant == "shifted") & (scores.scope == "pooled")].size


@pytest.mark.parametrize("clip_id", TEST_CLIPS)
def test_pictures_are_compared_with_the_recording(scores, store, clip_id):
    real = store[clip_id].frames_THWC
    assert value(scores, "real", "psnr", clip_id).reason == "every frame equals the recording's: infinite"
    assert value(scores, "real", "ssim", clip_id).value == pytest.approx(1)
    for variant in ("generated", "still", "shifted"):
        assert value(scores, variant, "psnr", clip_id).value < value(scores, "reencoded", "psnr", clip_id).value
        assert value(scores, variant, "ssim", clip_id).value < value(scores, "reencoded", "ssim", clip_id).value
    late = psnr(real[np.maximum(np.arange(len(real)) - SHIFT_FRAMES, 0)], real)
    shifted = value(scores, "shifted", "psnr", clip_id)
    assert np.isinf(late[0])  # the first frame is held, so it equals the recording's and is left out
    assert shifted.value == pytest.approx(late[np.isfinite(late)].mean())
    assert shifted.n == np.isfinite(late).sum()


@pytest.mark.parametrize("clip_id", TEST_CLIPS)
def test_identity_is_the_recording_s(scores, clip_id):
    assert value(scores, "real", "identity_cosine", clip_id).value == pytest.approx(1, abs=1e-6)
    assert value(scores, "real", "identity_distance", clip_id).value == pytest.approx(0, abs=1e-6)
    assert value(scores, "real", "identity_distance", clip_id).n == 2  # the first of every 25 of 30 frames
    assert value(scores, "generated", "identity_distance", clip_id).value > 0


def test_classes_are_named_by_who_names_classes(scores):
    rows = scores[scores.metric.str.startswith("emotion_accuracy/")]
    assert set(zip(rows.variant, rows.metric.str.partition("/")[2], strict=True)) == {
        *product((*GENERATED, "real", "reencoded", "still"), ("era", "points", "faces")),
        ("generated", "audio"),
    }
    assert set(rows.value) <= {0.0, 1.0}


def test_what_has_no_weights_has_no_rows(scores):
    assert not set(scores.metric) & {"lse_d", "lse_c", "offset", "lse_at_zero", "lpips", "fid"}
    assert not scores.metric.str.endswith("/emonet").any()


def test_what_is_undefined_has_a_reason_and_nothing_else_has(scores):
    assert (scores.value.isna() == scores.reason.notna()).all()
    for clip_id in TEST_CLIPS:
        assert "does not move" in value(scores, "still", "opening_correlation", clip_id).reason


def test_no_metric_is_both_per_clip_and_pooled(scores):
    assert (scores.groupby("metric").scope.nunique() == 1).all()
    pooled = scores[scores.scope == "pooled"]
    assert pooled.clip_id.isna().all()
    judges = set(pooled.metric.str.partition("/")[2])
    assert judges == {"era", "points", "faces", "landmarks", "audio"}
    assert set(pooled.variant[pooled.metric.str.endswith("/audio")]) == {"generated"}


def test_the_landmark_judge_agrees_with_its_own_labels_on_real_video(scores):
    """The labels were made by the same deviation: what remains is rounding."""
    assert value(scores, "real", "rmse_intensity/landmarks").value < 0.01
    assert value(scores, "real", "ccc_intensity/landmarks").value > 0.999
    assert value(scores, "still", "rmse_intensity/landmarks").value > 0.05
    # Displaced by a shift, and a shift is pose: generated faces deviate as the real ones do.
    assert value(scores, "generated", "ccc_intensity/landmarks").value > 0.99


def test_judge_points_was_fitted_on_real_clips_and_reads_them(known, scores):
    assert value(scores, "real", "ccc_intensity/points").value > 0.5
    judge = read_table(known[0] / "controls/judge.parquet", "judge")
    assert judge.name.tolist()[0] == "mean"
    assert judge.name.tolist()[-3:] == ["class angry", "class happy", "class neutral"]
    assert set(judge.split) == {"train"}  # validation holds neutral clips alone
    assert set(judge.n_frames) == {10 * 10}  # ten clips of 30 frames, every third


def test_metrics_are_means_of_the_table(known, scores):
    metrics = known[1].metrics
    assert metrics["generated/lmd"] == pytest.approx(5, abs=1e-3)
    own = scores[scores.seed == 3].dropna(subset="value")
    defined = own.groupby(["variant", "metric"]).value.mean()
    assert metrics == pytest.approx({f"{v}/{m}": mean for (v, m), mean in defined.items()})
    assert all(np.isfinite(list(metrics.values())))


def test_curves(known, store):
    curves = read_table([known[0] / "v/curves.parquet", known[0] / "controls/curves.parquet"], "curves")
    sizes = curves.groupby(["clip_id", "variant", "judge"]).size()
    assert (sizes == 30).all()
    # What the model made: era, points, faces, landmarks; its own reading of three controls; the others'; the voice.
    assert len(sizes) == 2 * (len(GENERATED) * 4 + 3 + 3 * 3 + 1)
    one = curves[(curves.clip_id == TEST_CLIPS[0]) & (curves.variant == "real") & (curves.judge == "landmarks")]
    np.testing.assert_allclose(one.intensity, one.true_intensity, atol=0.02)
    np.testing.assert_allclose(one.true_valence, store[TEST_CLIPS[0]].va_T2[:, 0], atol=1e-6)
    assert one.valence.isna().all()


def test_videos_play_and_say_what_they_are(known, store):
    folder = known[0] / "v"
    videos = table(known, "videos")
    assert sorted(videos.groupby("variant").size().items()) == [
        ("emotional", 2), ("neutral", 2), ("real", 2), ("source", 2),
    ]  # fmt: skip
    for row in videos.itertuples():
        path = folder / row.path
        if row.variant == "source":
            assert path.read_bytes().startswith(b"\x89PNG")
            continue
        with av.open(str(path)) as container:
            assert container.metadata["comment"] == ("real video" if row.variant == "real" else PROVENANCE)
            assert container.streams.video[0].average_rate == 25
            assert sum(1 for _ in container.decode(video=0)) == 30
        with av.open(str(path)) as container:
            samples = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])
        assert len(samples) / 16000 == pytest.approx(1.2, abs=0.2)
        assert np.abs(samples).max() > 0.1
        assert row.source_clip_id != row.clip_id
        assert row.source_clip_id.split("/")[0] == row.speaker_id
        assert row.source_emotion not in ("neutral", row.emotion)
    assert all(path.is_file() for path in known[1].artifacts)


def test_bias_rows_hold_every_source_gain_and_judge(known):
    rows = table(known, "bias")
    made = rows[rows.variant == "generated"]
    sizes = made.groupby(["clip_id", "source_emotion", "gain", "judge"]).size()
    assert (sizes == 1).all()
    assert len(sizes) == 2 * 3 * 2 * 4  # clips, sources, gains, judges
    assert (made.source_clip_id.str.split("/").str[0] == made.speaker_id).all()
    assert (made.source_clip_id != made.clip_id).all()
    assert set(made.predicted[made.judge == "era"]) <= {"neutral", "happy", "angry"}
    assert set(made.predicted[made.judge == "points"]) <= {"neutral", "happy", "angry"}
    assert made.predicted[made.judge == "landmarks"].isna().all()
    assert made.valence[made.judge == "landmarks"].isna().all()
    assert rows[rows.variant == "real"].empty  # no neutral test clip


def test_saturation_rows_hold_every_gain(known):
    rows = table(known, "saturation")
    assert rows.clip_id.unique().tolist() == TEST_CLIPS[:1]  # one group of one, since the drawn clips have no level
    counts = rows.groupby(["variant", "judge"]).size().to_dict()
    assert counts == {
        ("generated", "audio"): 1, ("generated", "era"): 4, ("generated", "landmarks"): 4, ("generated", "points"): 4,
        ("generated", "faces"): 4, ("real", "era"): 1, ("real", "landmarks"): 1, ("real", "points"): 1,
        ("real", "faces"): 1,
    }  # fmt: skip
    assert sorted(rows.gain[rows.judge == "era"].dropna()) == [0, 0.5, 1, 1.5]


def test_grid_files_are_there_and_marked(known):
    rows, folder = table(known, "grid"), known[0] / "v"
    assert rows.clip_id.unique().tolist() == TEST_CLIPS[:1]
    cells = rows.dropna(subset=["gain"])
    assert len(cells) == 3 * 4 * 2  # sources, gains, kinds
    assert rows[rows.source_clip_id.isna()].kind.tolist() == ["picture", "video"]  # the recording
    assert len(rows[rows.source_clip_id.notna() & rows.gain.isna()]) == 3  # the sources
    for row in rows.itertuples():
        path = folder / row.path
        if row.kind == "picture":
            assert path.read_bytes().startswith(b"\xff\xd8")
            continue
        with av.open(str(path)) as container:
            assert container.metadata["comment"] == ("real video" if pd.isna(row.source_clip_id) else PROVENANCE)
            assert sum(1 for _ in container.decode(video=0)) == 30


def test_every_test_clip_is_on_the_map(known):
    rows = table(known, "embeddings")
    assert rows.clip_id.tolist() == TEST_CLIPS
    assert {len(z) for z in rows.z} == {16}
    # Two points: all of their difference lies on the first axis.
    np.testing.assert_allclose(rows.y, 0, atol=1e-6)
    assert rows.x.abs().iloc[0] == pytest.approx(np.linalg.norm(rows.z[0] - rows.z[1]) / 2, rel=1e-4)
    assert rows.explained.tolist() == pytest.approx([1, 1])


def test_every_table_carries_the_seed(known):
    for name in TABLES:
        assert set(table(known, name).seed) == {3}, name


def test_faces_that_dlib_does_not_find_do_not_crash(tiny_data, era_file, sync_file, faces_file, tmp_path, monkeypatch):
    def nothing(frames_THWC, detector, detect_every):
        return np.full((len(frames_THWC), 68, 2), np.nan, np.float32), ["missing"] * len(frames_THWC)

    monkeypatch.setattr(variants, "detect_landmarks", nothing)
    controls, made = (result.metrics for result in run(tiny_data, era_file, sync_file, faces_file, tmp_path))
    scores = read_table([tmp_path / "v/scores.parquet", tmp_path / "controls/scores.parquet"], "scores")
    lost = scores[scores.metric.str.startswith("lmd") | scores.metric.str.endswith("/landmarks")]
    assert lost.value.isna().all()
    assert set(lost.reason) == {"no face was found in any frame"}
    assert controls["real/coverage"] == made["generated/coverage"] == 0
    assert "real/lmd" not in controls
    bias = read_table(tmp_path / "v/bias.parquet", "bias")
    assert bias.intensity[bias.judge == "points"].isna().all()


def test_no_test_clip(tiny_data, era_file, sync_file, faces_file, known, tmp_path):
    shutil.copytree(tiny_data.root, tmp_path / "data")
    data = PreparedData(tmp_path / "data")
    splits = read_table(data.splits, "splits")
    write_table(data.splits, "splits", splits[splits.split != "test"])
    assert ClipStore(data, 32).ids("test") == []
    with pytest.raises(StageError, match=r"no test clip: change split\.test"):
        score_controls(sections("controls"), data, sync_file, faces_file, tmp_path / "controls")
    judge = known[0] / "controls" / "judge.parquet"
    with pytest.raises(StageError, match=r"no test clip: change split\.test"):
        evaluate(sections("evaluate"), 0, data, era_file, sync_file, judge, faces_file, tmp_path / "v")
    assert not (tmp_path / "v").exists()
