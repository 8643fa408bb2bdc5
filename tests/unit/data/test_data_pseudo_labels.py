"""`eap.data.pseudo_labels`: mean neutral shapes, deviations from them, and their direction."""

import numpy as np
import pandas as pd
import pytest
from emonet_weights import pictures, random_state, save_published
from media_files import sections

from eap.data.jpeg import encode_jpeg
from eap.data.layout import PreparedData
from eap.data.pose import LIPS, canonical_transform, to_canonical
from eap.data.pseudo_labels import DIRECTION_DEG, EXPRESSIVE, label_clips, mean_shape, smoothed_deviation
from eap.digest import file_sha256
from eap.schemas import read_table, to_table, write_table
from eap.stage import StageError

BROWS = slice(17, 27)
UNSMOOTHED = 5
"""A frame rate at which the smoothing window is one frame."""


@pytest.fixture(scope="module")
def face():
    """A face-like arrangement of 68 points, px."""
    rng = np.random.default_rng(3)
    points = rng.uniform(60, 200, (68, 2))
    points[36], points[45] = (90, 110), (170, 112)
    return points


def _posed(face: np.ndarray, n: int, seed: int = 0, jitter: float = 0.0) -> np.ndarray:
    """The face in n random head poses, ``[n, 68, 2]``."""
    rng = np.random.default_rng(seed)
    turn, size = rng.uniform(-0.3, 0.3, n), rng.uniform(0.8, 1.2, n)
    z = (face[:, 0] + 1j * face[:, 1])[None] * (size * np.exp(1j * turn))[:, None] + rng.uniform(-9, 9, (n, 1))
    return np.stack([z.real, z.imag], -1) + rng.normal(0, jitter, (n, 68, 2)) * (jitter > 0)


def _raised(face: np.ndarray, px: float) -> np.ndarray:
    moved = face.copy()
    moved[BROWS, 1] -= px
    return moved


def test_mean_shape_is_the_face_without_its_poses(face):
    shape = mean_shape(_posed(face, 50))
    np.testing.assert_allclose(shape, to_canonical(face[None])[0], atol=1e-9)
    np.testing.assert_allclose(to_canonical(shape[None])[0], shape, atol=1e-12)


def test_deviation_ignores_pose_lips_and_lower_jaw(face):
    shape = mean_shape(face[None])
    speaking = face.copy()
    speaking[LIPS] += 15
    speaking[3:14] += 15
    assert smoothed_deviation(_posed(speaking, 20), shape, UNSMOOTHED).max() < 1e-9
    assert not set(EXPRESSIVE) & {*range(3, 14), *range(48, 68)}


def test_deviation_is_the_rms_distance_in_canonical_units(face):
    shape = mean_shape(face[None])
    scale = np.linalg.norm(canonical_transform(face[None])[0, :, 0])  # canonical units per px
    values = smoothed_deviation(_posed(_raised(face, 6), 9), shape, UNSMOOTHED)
    np.testing.assert_allclose(values, 6 * scale * np.sqrt(10 / len(EXPRESSIVE)), rtol=1e-6)


def test_smoothing_takes_out_jitter_but_not_expression(face):
    shape = mean_shape(face[None])
    still = _posed(face, 60, jitter=1.0)
    assert smoothed_deviation(still, shape, 25).mean() < 0.6 * smoothed_deviation(still, shape, UNSMOOTHED).mean()
    smile = _posed(_raised(face, 8), 60)
    np.testing.assert_allclose(
        smoothed_deviation(smile, shape, 25), smoothed_deviation(smile, shape, UNSMOOTHED), rtol=1e-6
    )


def test_a_missing_frame_touches_its_own_window_only(face):
    points = _posed(_raised(face, 8), 20)
    points[10] = np.nan
    values = smoothed_deviation(points, mean_shape(face[None]), 25)
    assert list(np.flatnonzero(np.isnan(values))) == [8, 9, 10, 11, 12]


def _prepare(tmp_path, clips: dict[str, tuple[str, str, np.ndarray]]):
    """Clip id -> (speaker, emotion, landmarks)."""
    data = PreparedData(tmp_path)
    rows = [
        {"clip_id": c, "path": c, "speaker_id": s, "emotion": e, "status": "used", "shard": shard}
        for shard, (c, (s, e, _)) in enumerate(clips.items())
    ]
    rows.append({"clip_id": "zz", "path": "zz", "speaker_id": "nobody", "emotion": "sad", "status": "set_aside"})
    write_table(data.clips, "clips", rows)
    for shard, (clip_id, (_, _, points)) in enumerate(clips.items()):
        frames = [
            {"clip_id": clip_id, "frame": i, "landmarks": p.ravel(), "status": "detected"} for i, p in enumerate(points)
        ]
        write_table(data.shard("landmarks", shard), "landmarks", [to_table("landmarks", frames)])
    result = label_clips(sections("labels", tmp_path), data, data.labels, data.shapes)
    labels = read_table(data.labels, "labels")
    return labels, read_table(data.shapes, "shapes").set_index("speaker_id"), result


def test_labels_of_every_class_point_along_its_angle(tmp_path, face):
    clips = {"n": ("p", "neutral", _posed(face, 20))}
    for i, emotion in enumerate(DIRECTION_DEG):
        clips[emotion] = ("p", emotion, _posed(_raised(face, 2 + i), 20, seed=i))
    labels, _, result = _prepare(tmp_path, clips)
    by_clip = labels.groupby("clip_id")[["valence", "arousal"]].mean()
    np.testing.assert_array_equal(labels[labels.clip_id == "n"][["valence", "arousal"]], 0)
    for emotion, degrees in DIRECTION_DEG.items():
        angle = np.rad2deg(np.arctan2(by_clip.arousal[emotion], by_clip.valence[emotion])) % 360
        assert angle == pytest.approx(degrees, abs=0.01)
    intensity = np.hypot(by_clip.valence, by_clip.arousal)[list(DIRECTION_DEG)]
    assert (np.diff(intensity) > -1e-6).all()
    assert intensity.iloc[0] == pytest.approx(2 / 9, rel=0.02)  # raised by 2 px where the 95th percentile is at 9 px
    assert intensity.max() == pytest.approx(1, abs=1e-5)
    assert set(labels.source) == {"landmarks"}
    assert result.metrics["n_emotional_clips"] == 8
    assert "zz" not in set(labels.clip_id)


def test_intensity_varies_frame_by_frame(tmp_path, face):
    ramp = np.concatenate([_posed(_raised(face, px), 1, seed=i) for i, px in enumerate(np.linspace(0, 10, 40))])
    labels, _, _ = _prepare(tmp_path, {"n": ("p", "neutral", _posed(face, 9)), "h": ("p", "happy", ramp)})
    rising = np.hypot(*labels[labels.clip_id == "h"][["valence", "arousal"]].to_numpy().T)
    assert (np.diff(rising) > -1e-6).all()
    assert rising[0] < 0.1
    assert rising[-1] == 1


def test_shapes_come_from_neutral_clips_or_say_that_they_do_not(tmp_path, face):
    other = _raised(face, 12)
    labels, shapes, _ = _prepare(
        tmp_path,
        {
            "a": ("p", "neutral", _posed(face, 10)),
            "b": ("p", "happy", _posed(other, 10)),
            "c": ("q", "sad", _posed(other, 10)),
        },
    )
    assert dict(shapes.made_from) == {"p": "neutral clips", "q": "all clips"}
    assert dict(shapes.n_frames) == {"p": 10, "q": 10}
    own = {name: np.array(shapes["shape"][name]).reshape(68, 2) for name in shapes.index}
    np.testing.assert_allclose(own["p"], to_canonical(face[None])[0], atol=1e-6)
    assert len(labels) == 30
    assert shapes.deviation_scale.nunique() == 1
    assert shapes.deviation_scale.iloc[0] > 0


def test_without_emotional_clips_every_label_is_zero(tmp_path, face):
    labels, _, result = _prepare(tmp_path, {"a": ("p", "neutral", _posed(face, 5, jitter=1))})
    assert not labels[["valence", "arousal"]].to_numpy().any()
    assert result.metrics["deviation_scale"] == 0


def test_no_used_clip_and_lost_landmarks_are_errors(tmp_path):
    data = PreparedData(tmp_path)
    config = sections("labels", tmp_path)
    row = {"clip_id": "a", "path": "a", "speaker_id": "p", "emotion": "sad"}
    write_table(data.clips, "clips", [row | {"status": "set_aside"}])
    with pytest.raises(StageError, match="no clip is used"):
        label_clips(config, data, data.labels, data.shapes)
    write_table(data.clips, "clips", [row | {"status": "used", "shard": 0}])
    write_table(data.shard("landmarks", 0), "landmarks", iter([]))
    with pytest.raises(StageError, match="no landmarks of 'a'"):
        label_clips(config, data, data.labels, data.shapes)


def test_source_emonet_reads_the_cached_frames_and_names_its_weights(tmp_path, face):
    weights = save_published(random_state(), tmp_path / "emonet_8.pth")
    data = PreparedData(tmp_path)
    config = sections(
        "labels", tmp_path, {"labels": {"source": "emonet", "emonet": {"path": str(weights), "sha256": None}}}
    )
    clips = {"a": ("p", "neutral", _posed(face, 1)), "b": ("p", "happy", _posed(face, 2))}
    _prepare(tmp_path, clips)
    shown = {"a": [0], "b": [1, 0]}
    for shard, (clip_id, chosen) in enumerate(shown.items()):
        jpegs = [encode_jpeg(pictures()[i], 100) for i in chosen]
        rows = [{"clip_id": clip_id, "frame": i, "jpeg": jpeg} for i, jpeg in enumerate(jpegs)]
        write_table(data.shard("frames", shard), "frames", [to_table("frames", rows[::-1])])  # order is in `frame`
    result = label_clips(config, data, data.labels, data.shapes)
    labels = read_table(data.labels, "labels")
    assert list(labels.clip_id) == ["a", "b", "b"]
    np.testing.assert_allclose(labels.valence, [0.396, 0.381, 0.396], atol=0.02)  # EmoNet's own test, after JPEG
    np.testing.assert_allclose(labels.arousal, [0.598, 0.478, 0.598], atol=0.02)
    assert set(labels.source) == {"emonet"}
    assert set(labels.source_version) == {f"1+{file_sha256(weights)[:12]}"}
    assert result.metrics["mean_arousal"] == pytest.approx(labels.arousal.mean(), abs=1e-5)
    assert read_table(data.shapes, "shapes").deviation_scale.isna().all()
    write_table(data.shard("frames", 1), "frames", [to_table("frames", rows[:1])])
    with pytest.raises(StageError, match=r"'b': 1 cached frames, but landmarks of 2"):
        label_clips(config, data, data.labels, data.shapes)


def test_a_second_run_gives_the_same_table(tmp_path, face):
    clips = {"n": ("p", "neutral", _posed(face, 9)), "h": ("p", "happy", _posed(_raised(face, 5), 9, jitter=1))}
    first, second = _prepare(tmp_path / "1", clips)[0], _prepare(tmp_path / "2", clips)[0]
    pd.testing.assert_frame_equal(first, second)


def _prepare_phantom(tmp_path, face, n_prepared: int, drawn=None, **labels):
    """One clip of which four frames were rendered, from the points `drawn`, and `n_prepared` are in the cache."""
    data, root = PreparedData(tmp_path / "data"), tmp_path / "corpus"
    clip_id = "P000/happy_1_n00.mp4"
    truth = [{"clip_id": clip_id, "frame": i, "valence": 0.1 * i, "arousal": -0.2 * i} for i in range(4)]
    write_table(
        root / "P000" / "truth.parquet",
        "truth",
        [row | {"landmarks": (face if drawn is None else drawn).ravel()} for row in truth],
    )
    row = {"clip_id": clip_id, "path": clip_id, "speaker_id": "P000", "emotion": "happy", "status": "used", "shard": 0}
    row |= {"crop_x_px": 10.0, "crop_y_px": -4.0, "crop_size_px": 128.0}
    write_table(data.clips, "clips", [row])
    frames = [{"clip_id": clip_id, "frame": i, "landmarks": face.ravel()} for i in range(n_prepared)]
    write_table(data.shard("landmarks", 0), "landmarks", [to_table("landmarks", frames)])
    config = sections(
        "labels", root, {"preset": "demo", "data": {"dataset": "phantom"}, "labels": {"points": "landmarks", **labels}}
    )
    label_clips(config, data, data.labels, data.shapes)
    return read_table(data.labels, "labels"), read_table(data.shapes, "shapes")


def test_phantom_labels_are_the_truth_that_was_rendered(tmp_path, face):
    labels, shapes = _prepare_phantom(tmp_path, face, 4)
    np.testing.assert_allclose(labels.valence, [0, 0.1, 0.2, 0.3], atol=1e-6)
    np.testing.assert_allclose(labels.arousal, [0, -0.2, -0.4, -0.6], atol=1e-6)
    assert set(labels.source) == {"phantom"}
    assert shapes.deviation_scale.isna().all()


def test_points_are_the_detected_ones_unless_asked_for(tmp_path, face):
    labels, shapes = _prepare_phantom(tmp_path, face, 4)
    assert labels.points.isna().all()
    np.testing.assert_array_equal(np.stack(shapes["shape"]), np.stack(shapes.detected_shape))


def test_points_that_the_corpus_was_drawn_from_lie_in_the_crop(tmp_path, face):
    size = sections("labels", tmp_path).video.size
    # Backwards by hand: the crop's pixel i has its centre at (i + 0.5) * 128 / size - 0.5 + the crop's corner
    crop_px = to_canonical(_posed(_raised(face, 5), 1))[0] * 20 + size / 2
    drawn = (crop_px + 0.5) * 128 / size - 0.5 + (10, -4)
    labels, shapes = _prepare_phantom(tmp_path, face, 4, drawn, points="phantom")
    np.testing.assert_allclose(np.stack(labels.points).reshape(4, 68, 2), [crop_px] * 4, atol=1e-3)
    np.testing.assert_allclose(shapes["shape"][0].reshape(68, 2), to_canonical(crop_px[None])[0], atol=1e-4)
    np.testing.assert_allclose(shapes.detected_shape[0].reshape(68, 2), to_canonical(face[None])[0], atol=1e-4)


def test_truth_of_another_length_is_refused(tmp_path, face):
    with pytest.raises(StageError, match="4 frames were rendered, 3 are prepared"):
        _prepare_phantom(tmp_path, face, 3)
