"""`eap.data.index`: every row of the catalog once, with the stage and the reason that decided it."""

import numpy as np
import pytest
from media_files import sections

from eap.data.index import index_clips
from eap.data.layout import PreparedData
from eap.schemas import read_table, write_table
from eap.stage import StageError

CONFIG = {"data": {"shards": 2}}


def _media(clip_id, status, reason=None):
    row = {"clip_id": clip_id, "status": status, "stage": "frames", "reason": reason}
    return row | ({"n_frames": 75, "crop_x_px": 1.5} if status == "used" else {})


@pytest.fixture
def data(tmp_path):
    """Clip a is used; b falls at the landmarks, c at the frames, d at the catalog."""
    prepared = PreparedData(tmp_path)
    common = {"emotion": "neutral", "labelled": True, "speaker_id": "p", "size_bytes": 9}
    rows = [
        {"clip_id": name, "path": name, "shard": shard, "status": "listed", "stage": "catalog", **common}
        for name, shard in (("a", 0), ("b", 1), ("c", 0))
    ]
    rows.append({"clip_id": "d", "path": "d", "status": "set_aside", "stage": "catalog", "reason": "absent", **common})
    write_table(prepared.catalog, "catalog", rows)
    write_table(prepared.shard("media", 0), "media", [_media("a", "used"), _media("c", "set_aside", "no face")])
    write_table(prepared.shard("media", 1), "media", [_media("b", "used")])
    mark = {"stage": "landmarks"}
    write_table(
        prepared.shard("landmark_clips", 0),
        "landmark_clips",
        [{"clip_id": "a", "status": "used", "coverage": 1.0, **mark}],
    )
    write_table(
        prepared.shard("landmark_clips", 1),
        "landmark_clips",
        [{"clip_id": "b", "status": "set_aside", "reason": "too few", "coverage": 0.5, **mark}],
    )
    return prepared


def test_final_status_stage_and_reason(data, tmp_path):
    result = index_clips(sections("index", tmp_path, CONFIG), data, data.clips)
    clips = read_table(data.clips, "clips").set_index("clip_id")
    assert list(clips.index) == ["a", "b", "c", "d"]
    assert list(clips.status) == ["used", "set_aside", "set_aside", "set_aside"]
    assert list(clips.stage) == ["landmarks", "landmarks", "frames", "catalog"]
    assert list(clips.reason[1:]) == ["too few", "no face", "absent"]
    assert clips.reason.isna()["a"]
    assert (clips.n_frames["a"], clips.crop_x_px["a"], clips.coverage["b"]) == (75, 1.5, 0.5)
    assert np.isnan(clips.n_frames["d"])
    assert np.isnan(clips.shard["d"])
    assert result.metrics == {"n_used": 1, "n_set_aside": 3}


def test_an_absent_shard_names_its_stage(data, tmp_path):
    data.shard("landmark_clips", 1).unlink()
    with pytest.raises(StageError, match="run stage landmarks"):
        index_clips(sections("index", tmp_path, CONFIG), data, data.clips)


def test_a_listed_clip_that_no_shard_knows_is_an_error(data, tmp_path):
    write_table(data.shard("media", 0), "media", [_media("a", "used")])
    with pytest.raises(StageError, match="'c' must be in exactly one shard of media"):
        index_clips(sections("index", tmp_path, CONFIG), data, data.clips)
