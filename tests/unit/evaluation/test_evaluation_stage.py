"""The evaluation stage from tables to tables and videos."""

from __future__ import annotations

import shutil
from types import SimpleNamespace

import av
import numpy as np
import pandas as pd
import pytest
from tiny_data import SPLIT_OF, sections

from eap.data.cached_frames import resize_frame
from eap.data.clip_store import ClipStore
from eap.data.encode import PROVENANCE
from eap.data.layout import PreparedData
from eap.evaluation import stage
from eap.evaluation.stage import VARIANTS, choose_clips, choose_source, evaluate
from eap.schemas import read_table, write_table
from eap.stage import StageError

TEST_CLIPS = ["ann/happy-1.mp4", "bob/angry-1.mp4"]


class KnownLandmarks:
    """Stands in for dlib: true landmarks of frames it knows, 3 px right and 4 px down of the truth for all others.

    `others` are the landmarks of the clips in the order in which they are scored, one per generated variant.
    """

    def __init__(self, store):
        self.known = {
            np.stack([resize_frame(frame, 256)]).tobytes(): points
            for clip_id in SPLIT_OF
            for frame, points in zip(store[clip_id].frames_THWC, store[clip_id].landmarks_TP2, strict=True)
        }
        self.others = [store[clip_id].landmarks_TP2 + np.float32([3, 4]) for clip_id in TEST_CLIPS for _ in range(2)]

    def __call__(self, frames_THWC, detector, detect_every):
        assert (detector, detect_every) == ("dlib", 1)
        assert frames_THWC.shape[1:] == (256, 256, 3)
        found = [self.known.get(frame[None].tobytes()) for frame in frames_THWC]
        points = np.stack(found) if all(f is not None for f in found) else self.others.pop(0)
        return points.astype(np.float32), ["detected"] * len(points)


def run(tiny_data, era_file, sync_file, folder):
    config = sections("evaluate")
    return evaluate(
        config,
        3,
        tiny_data,
        era_file,
        sync_file,
        folder / "s.parquet",
        folder / "c.parquet",
        folder / "v" / "v.parquet",
    )


@pytest.fixture(scope="module")
def known(tiny_data, era_file, sync_file, store, tmp_path_factory):
    """A run whose landmarks are known: folder and result."""
    folder = tmp_path_factory.mktemp("known")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stage, "detect_landmarks", KnownLandmarks(store))
        return folder, run(tiny_data, era_file, sync_file, folder)


@pytest.fixture(scope="module")
def scores(known):
    return read_table(known[0] / "s.parquet", "scores")


def value(scores, variant, metric, clip_id=None):
    rows = scores[(scores.variant == variant) & (scores.metric == metric)]
    if clip_id:
        rows = rows[rows.clip_id == clip_id]
    assert len(rows) == 1
    return rows.iloc[0]


def test_every_test_clip_in_every_variant(scores):
    clips = scores[scores.scope == "clip"]
    assert set(clips.clip_id) == set(TEST_CLIPS)
    assert set(clips.variant) == set(VARIANTS)
    assert (clips.groupby(["clip_id", "variant", "metric"]).size() == 1).all()
    assert scores.seed.unique().tolist() == [3]


@pytest.mark.parametrize("clip_id", TEST_CLIPS)
def test_lip_distances_of_known_landmarks(scores, clip_id):
    assert value(scores, "real", "lmd", clip_id).value == pytest.approx(0, abs=1e-3)
    for variant in ("generated", "neutral"):
        assert value(scores, variant, "lmd", clip_id).value == pytest.approx(5, abs=1e-3)
        assert value(scores, variant, "lmd_center", clip_id).value == pytest.approx(0, abs=1e-3)
        assert value(scores, variant, "opening_correlation", clip_id).value == pytest.approx(1)
    assert value(scores, "still", "lmd", clip_id).value > 1
    assert value(scores, "still", "coverage", clip_id).value == 1


def test_what_is_undefined_has_a_reason_and_nothing_else_has(scores):
    assert (scores.value.isna() == scores.reason.notna()).all()
    for clip_id in TEST_CLIPS:
        assert "does not move" in value(scores, "still", "opening_correlation", clip_id).reason


def test_no_metric_is_both_per_clip_and_pooled(scores):
    assert (scores.groupby("metric").scope.nunique() == 1).all()
    pooled = scores[scores.scope == "pooled"]
    assert pooled.clip_id.isna().all()
    judges = set(pooled.metric.str.partition("/")[2])
    assert judges == {"era", "landmarks", "audio"}
    assert set(pooled.variant[pooled.metric.str.endswith("/audio")]) == {"generated"}


def test_the_landmark_judge_agrees_with_its_own_labels_on_real_video(scores):
    """The labels were made by the same deviation: what remains is rounding."""
    assert value(scores, "real", "rmse_intensity/landmarks").value < 0.01
    assert value(scores, "real", "ccc_intensity/landmarks").value > 0.999
    assert value(scores, "still", "rmse_intensity/landmarks").value > 0.05
    # Displaced by a shift, and a shift is pose: generated faces deviate as the real ones do.
    assert value(scores, "generated", "ccc_intensity/landmarks").value > 0.99


def test_metrics_are_means_of_the_table(known, scores):
    metrics = known[1].metrics
    assert metrics["generated/lmd"] == pytest.approx(5, abs=1e-3)
    defined = scores.dropna(subset="value").groupby(["variant", "metric"]).value.mean()
    assert metrics == pytest.approx({f"{v}/{m}": mean for (v, m), mean in defined.items()})
    assert all(np.isfinite(list(metrics.values())))


def test_curves(known, store):
    curves = read_table(known[0] / "c.parquet", "curves")
    sizes = curves.groupby(["clip_id", "variant", "judge"]).size()
    assert (sizes == 30).all()
    assert len(sizes) == 2 * (4 * 2 + 1)
    one = curves[(curves.clip_id == TEST_CLIPS[0]) & (curves.variant == "real") & (curves.judge == "landmarks")]
    np.testing.assert_allclose(one.intensity, one.true_intensity, atol=0.02)
    np.testing.assert_allclose(one.true_valence, store[TEST_CLIPS[0]].va_T2[:, 0], atol=1e-6)
    assert one.valence.isna().all()


def test_videos_play_and_say_what_they_are(known, store):
    folder = known[0] / "v"
    videos = read_table(folder / "v.parquet", "videos")
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


def test_faces_that_dlib_does_not_find_do_not_crash(tiny_data, era_file, sync_file, tmp_path, monkeypatch):
    def nothing(frames_THWC, detector, detect_every):
        return np.full((len(frames_THWC), 68, 2), np.nan, np.float32), ["missing"] * len(frames_THWC)

    monkeypatch.setattr(stage, "detect_landmarks", nothing)
    metrics = run(tiny_data, era_file, sync_file, tmp_path).metrics
    scores = read_table(tmp_path / "s.parquet", "scores")
    lost = scores[scores.metric.str.startswith("lmd") | scores.metric.str.endswith("/landmarks")]
    assert lost.value.isna().all()
    assert set(lost.reason) == {"no face was found in any frame"}
    assert metrics["real/coverage"] == 0
    assert "real/lmd" not in metrics


def test_dlib_itself_is_asked(store):
    """Drawn faces are found or not; what is found lies where the face is."""
    clip = store[TEST_CLIPS[0]]
    points = stage.find_landmarks(np.broadcast_to(clip.frames_THWC[0], (4, 32, 32, 3)))
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


def test_no_test_clip(tiny_data, era_file, sync_file, tmp_path):
    shutil.copytree(tiny_data.root, tmp_path / "data")
    data = PreparedData(tmp_path / "data")
    splits = read_table(data.splits, "splits")
    write_table(data.splits, "splits", splits[splits.split != "test"])
    assert ClipStore(data, 32).ids("test") == []
    with pytest.raises(StageError, match=r"no test clip: change split\.test"):
        run(data, era_file, sync_file, tmp_path)
    assert not (tmp_path / "s.parquet").exists()
