"""`eap.data.landmarks`: points of every frame, short gaps interpolated, long ones a reason."""

import numpy as np
import pytest
from media_files import CLIPS, CREMA, real_images, sections

from eap.data.crop import crop_image, locate_face
from eap.data.jpeg import encode_jpeg
from eap.data.landmarks import cache_landmarks, detect_landmarks, fill_gaps, load_predictor
from eap.schemas import read_table, to_table, write_table
from eap.stage import StageError


@pytest.fixture(scope="module")
def crops():
    images = real_images(CREMA, 31)
    box = locate_face(lambda: images[::10], 1.8)
    return np.stack([crop_image(image, box, 256) for image in images])


def test_tracked_boxes_agree_with_detection_in_every_frame(crops):
    each, status = detect_landmarks(crops, detector="dlib", detect_every=1)
    tracked, _ = detect_landmarks(crops, detector="dlib", detect_every=5)
    assert each.shape == (31, 68, 2)
    assert each.dtype == np.float32
    assert set(status) == {"detected"}
    assert np.linalg.norm(each - tracked, axis=-1).mean() < 2.5


def test_points_are_where_the_face_is(crops):
    points, _ = detect_landmarks(crops[:1])
    eyes, lips = points[0, 36:48].mean(0), points[0, 48:68].mean(0)
    assert 90 < eyes[1] < 130 < lips[1] < 210
    assert abs(eyes[0] - lips[0]) < 15


def test_frames_without_a_face_are_missing_and_only_those(crops):
    broken = crops.copy()
    broken[8:13] = 0  # key frame 10 is among them: its neighbours are searched one by one
    points, status = detect_landmarks(broken, detect_every=5)
    assert [i for i, name in enumerate(status) if name == "missing"] == [8, 9, 10, 11, 12]
    assert np.isnan(points[8:13]).all()
    assert not np.isnan(np.delete(points, range(8, 13), 0)).any()


def test_no_frames_and_one_frame(crops):
    assert detect_landmarks(crops[:1], detect_every=5)[1] == ["detected"]
    points, status = detect_landmarks(crops[:0])
    assert points.shape == (0, 68, 2)
    assert status == []


def _line(n: int = 10) -> np.ndarray:
    return np.broadcast_to(np.arange(n, dtype=np.float32)[:, None, None], (n, 68, 2)).copy()


def test_gaps_are_interpolated_linearly_up_to_the_limit():
    points = _line()
    points[3:6] = np.nan
    filled, status, gap = fill_gaps(points, 3)
    np.testing.assert_allclose(filled, _line())
    assert status == ["detected"] * 3 + ["interpolated"] * 3 + ["detected"] * 4
    assert gap is None
    filled, status, gap = fill_gaps(points, 2)
    assert gap == (3, 3)
    assert np.isnan(filled[3:6]).all()
    assert status[3:6] == ["missing"] * 3


def test_gaps_at_the_ends_hold_the_nearest_frame():
    points = _line()
    points[:2] = points[9] = np.nan
    filled, status, gap = fill_gaps(points, 2)
    assert gap is None
    np.testing.assert_array_equal(filled[:2], 2)
    np.testing.assert_array_equal(filled[9], 8)
    assert status.count("interpolated") == 3


def test_nothing_found_at_all_is_one_gap():
    assert fill_gaps(np.full((4, 68, 2), np.nan, np.float32), 10)[2] == (0, 4)


def _cache(tmp_path, clips: dict[str, np.ndarray]):
    tables = [
        to_table(
            "frames", [{"clip_id": name, "frame": i, "jpeg": encode_jpeg(image, 95)} for i, image in enumerate(images)]
        )
        for name, images in clips.items()
    ]
    write_table(tmp_path / "frames.parquet", "frames", tables)
    config = sections("landmarks", CLIPS)
    outputs = tmp_path / "landmarks.parquet", tmp_path / "clips.parquet"
    result = cache_landmarks(config, tmp_path / "frames.parquet", *outputs)
    return read_table(outputs[0], "landmarks"), read_table(outputs[1], "landmark_clips").set_index("clip_id"), result


def test_the_stage_sets_aside_what_has_too_few_landmarks(tmp_path, crops):
    short, long, mostly = crops.copy(), crops.copy(), crops.copy()
    short[9:12] = 0
    long[11:17] = 0  # 6 in a row, one more than max_gap; coverage 25 / 31 = 81 % is enough
    mostly[5:25] = 0
    landmarks, clips, result = _cache(tmp_path, {"whole": crops, "short": short, "long": long, "mostly": mostly})
    assert dict(clips.status) == {"whole": "used", "short": "used", "long": "set_aside", "mostly": "set_aside"}
    assert (
        "6 frames in a row without landmarks, landmarks.max_gap is 5; no face from frame 11 to 16"
        in clips.reason["long"]
    )
    assert "landmarks in 35% of 31 frames, landmarks.min_coverage is 80%" in clips.reason["mostly"]
    assert clips.coverage["short"] == pytest.approx(28 / 31)
    assert set(landmarks.clip_id) == {"whole", "short"}
    status = landmarks[landmarks.clip_id == "short"].status
    assert list(np.flatnonzero(status == "interpolated")) == [9, 10, 11]
    assert np.isfinite(np.stack(landmarks.landmarks)).all()
    assert (result.metrics["n_used"], result.metrics["n_set_aside"]) == (2, 2)


def test_fan_without_weights_says_where_they_go(tmp_path, monkeypatch):
    import urllib.error

    import face_alignment.utils

    def no_network(*_args, **_kwargs):
        raise urllib.error.URLError("no route to host")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(face_alignment.utils, "download_url_to_file", no_network)
    with pytest.raises(
        StageError, match=r"2DFAN4-\w+\.pth\.tar.*no route to host.*landmarks\.detector: dlib"
    ) as caught:
        load_predictor("fan")
    assert str(tmp_path / "hub" / "checkpoints") in str(caught.value)
