"""`eap.data.landmarks`: points of every frame, short gaps interpolated, long ones a reason."""

import shutil

import numpy as np
import pandas as pd
import pytest
from media_files import CLIPS, sections

from eap.data.clip_landmarks import DETECTOR, find_landmarks
from eap.data.jpeg import encode_jpeg
from eap.data.landmarks import cache_landmarks, fill_gaps
from eap.schemas import read_table, table_note, to_table, write_table


def _line(n: int = 10) -> np.ndarray:
    return np.broadcast_to(np.arange(n, dtype=np.float32)[:, None, None], (n, 68, 2)).copy()


def test_gaps_are_interpolated_linearly_up_to_the_limit():
    points = _line()
    points[3:6] = np.nan
    found = ["detected"] * 2 + ["tracked"] + ["missing"] * 3 + ["tracked"] * 4
    filled, status, gap = fill_gaps(points, found, 3)
    np.testing.assert_allclose(filled, _line())
    assert status == ["detected"] * 2 + ["tracked"] + ["interpolated"] * 3 + ["tracked"] * 4
    assert gap is None
    filled, status, gap = fill_gaps(points, found, 2)
    assert gap == (3, 3)
    assert np.isnan(filled[3:6]).all()
    assert status[3:6] == ["missing"] * 3


def test_gaps_at_the_ends_hold_the_nearest_frame():
    points = _line()
    points[:2] = points[9] = np.nan
    filled, status, gap = fill_gaps(points, ["missing"] * 2 + ["detected"] * 7 + ["missing"], 2)
    assert gap is None
    np.testing.assert_array_equal(filled[:2], 2)
    np.testing.assert_array_equal(filled[9], 8)
    assert status.count("interpolated") == 3


def test_nothing_found_at_all_is_one_gap():
    assert fill_gaps(np.full((4, 68, 2), np.nan, np.float32), ["missing"] * 4, 10)[2] == (0, 4)


def _write_frames(folder, clips: dict[str, np.ndarray]) -> None:
    tables = [
        to_table(
            "frames", [{"clip_id": name, "frame": i, "jpeg": encode_jpeg(image, 95)} for i, image in enumerate(images)]
        )
        for name, images in clips.items()
    ]
    write_table(folder / "frames.parquet", "frames", tables)
    rows = [{"clip_id": name, "status": "used", "made_from": f"{images.sum()}"} for name, images in clips.items()]
    rows.append({"clip_id": "no video", "status": "set_aside", "made_from": "0"})
    write_table(folder / "media.parquet", "media", rows)


def _cache(folder, config=None):
    config = config or sections("landmarks", CLIPS)
    result = cache_landmarks(
        config, *(folder / f"{name}.parquet" for name in ("frames", "media", "landmarks", "landmark_clips"))
    )
    clips = read_table(folder / "landmark_clips.parquet", "landmark_clips").set_index("clip_id")
    return read_table(folder / "landmarks.parquet", "landmarks"), clips, result.metrics


@pytest.fixture(scope="module")
def broken(crops):
    short, long, mostly = crops.copy(), crops.copy(), crops.copy()
    short[9:12] = 0
    long[11:17] = 0  # 6 in a row, one more than max_gap; coverage 25 / 31 = 81 % is enough
    mostly[5:25] = 0
    return {"whole": crops, "short": short, "long": long, "mostly": mostly}


@pytest.fixture(scope="module")
def cached(tmp_path_factory, broken):
    folder = tmp_path_factory.mktemp("landmarks")
    _write_frames(folder, broken)
    return folder, *_cache(folder)


def test_the_stage_sets_aside_what_has_too_few_landmarks(cached):
    _, landmarks, clips, metrics = cached
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
    assert set(status) == {"detected", "tracked", "interpolated"}
    assert np.isfinite(np.stack(landmarks.landmarks)).all()
    assert (metrics["n_used"], metrics["n_set_aside"], metrics["n_copied"]) == (2, 2, 0)


def find_as_dlib(job, detector, detect_every, weights):
    return find_landmarks(job, "dlib", detect_every)


@pytest.mark.parametrize(("detector", "told"), [("dlib", None), ("fan", "fan")])
def test_the_table_says_that_another_detector_than_dlib_found_them(crops, tmp_path, monkeypatch, detector, told):
    """FAN's network is not needed for it."""
    monkeypatch.setattr("eap.data.landmarks.detector_weights", lambda section: None)
    monkeypatch.setattr("eap.data.landmarks.load_predictor", lambda *_: None)
    _write_frames(tmp_path, {"clip": crops[:3]})
    config = sections("landmarks", CLIPS, {"landmarks": {"detector": detector}})
    paths = (tmp_path / f"{name}.parquet" for name in ("frames", "media", "landmarks", "landmark_clips"))
    cache_landmarks(config, *paths, find=find_as_dlib)
    assert table_note(tmp_path / "landmarks.parquet", DETECTOR) == told


def test_only_what_changed_is_searched_again(cached, broken, crops, tmp_path):
    folder, before, _, _ = cached
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    _write_frames(tmp_path, {"new": crops[:26], **broken, "short": crops[:28]})
    landmarks, clips, metrics = _cache(tmp_path)
    assert list(clips.index) == ["new", "whole", "short", "long", "mostly"]
    assert metrics["n_copied"] == 3
    assert dict(landmarks.groupby("clip_id").size()) == {"new": 26, "whole": 31, "short": 28}
    pd.testing.assert_frame_equal(
        landmarks[landmarks.clip_id == "whole"].reset_index(drop=True),
        before[before.clip_id == "whole"].reset_index(drop=True),
    )
    config = sections("landmarks", CLIPS, {"landmarks": {"max_gap": 6}})
    _, clips, metrics = _cache(tmp_path, config)
    assert (metrics["n_copied"], clips.status["long"]) == (0, "used")
