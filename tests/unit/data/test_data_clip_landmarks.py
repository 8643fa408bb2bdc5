"""`eap.data.clip_landmarks`: the landmarks of consecutive frames, and of cached ones."""

import numpy as np
from media_files import CLIPS

from eap.data.clip_landmarks import LandmarkJob, detect_landmarks, find_landmarks
from eap.data.jpeg import decode_jpeg, encode_jpeg
from eap.data.row_groups import clip_groups
from eap.schemas import to_table, write_table

assert CLIPS  # these tests need the real clips


def test_points_are_where_the_face_is(crops):
    points, status = detect_landmarks(crops[:1])
    eyes, lips = points[0, 36:48].mean(0), points[0, 48:68].mean(0)
    assert 90 < eyes[1] < 130 < lips[1] < 210
    assert abs(eyes[0] - lips[0]) < 15
    assert status == ["detected"]


def test_no_frames():
    points, status = detect_landmarks([])
    assert (points.shape, points.dtype, status) == ((0, 68, 2), np.float32, [])


def test_missing_frames_are_nan(crops):
    points, status = detect_landmarks([crops[0], np.zeros_like(crops[0]), crops[1]], detect_every=10)
    assert status == ["detected", "missing", "detected"]
    assert list(np.isnan(points).any((1, 2))) == [False, True, False]


def test_cached_frames_are_read_group_by_group(tmp_path, crops):
    jpegs = [encode_jpeg(image, 95) for image in crops[:12]]
    groups = [
        to_table("frames", [{"clip_id": clip, "frame": i, "jpeg": jpegs[i]} for i in frames])
        for clip, frames in (("other", range(3)), ("clip", range(7)), ("clip", range(7, 12)))
    ]
    path = tmp_path / "frames.parquet"
    write_table(path, "frames", groups)
    points, status = find_landmarks(LandmarkJob("clip", path, clip_groups(path, "frames")["clip"]), "dlib", 10)
    expected, how = detect_landmarks([decode_jpeg(jpeg) for jpeg in jpegs], "dlib", 10)
    np.testing.assert_array_equal(points, expected)
    assert status == how
