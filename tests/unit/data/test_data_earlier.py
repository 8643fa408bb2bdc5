"""`eap.data.earlier`: what may be copied, and what may not."""

from __future__ import annotations

import pytest

from eap.data.earlier import EarlierShard, made_from
from eap.schemas import to_table, write_table


@pytest.fixture
def shard(tmp_path):
    """Clips "a" (used) and "b" (set aside); "c" is used, but not in the table."""
    rows = [
        {"clip_id": clip, "status": status, "reason": None, "coverage": 1.0, "made_from": f"digest {clip}"}
        for clip, status in (("a", "used"), ("b", "set_aside"), ("c", "used"))
    ]
    write_table(tmp_path / "clips.parquet", "landmark_clips", rows)
    points = [{"clip_id": "a", "frame": i, "landmarks": [float(i)] * 136, "status": "tracked"} for i in range(3)]
    write_table(tmp_path / "landmarks.parquet", "landmarks", [to_table("landmarks", points)])
    return tmp_path


def _earlier(folder):
    return EarlierShard(folder / "clips.parquet", "landmark_clips", {"landmarks": folder / "landmarks.parquet"})


def test_a_clip_made_from_the_same_is_found_and_copied(shard):
    earlier = _earlier(shard)
    assert earlier.row("a", "digest a")["status"] == "used"
    assert [table["frame"].to_pylist() for table in earlier.copy("landmarks", "a")] == [[0, 1, 2]]
    assert earlier.row("b", "digest b")["status"] == "set_aside"
    assert list(earlier.copy("landmarks", "b")) == []


def test_others_are_not(shard):
    earlier = _earlier(shard)
    assert earlier.row("a", "another digest") is None
    assert earlier.row("unknown", "digest a") is None
    assert earlier.row("c", "digest c") is None


@pytest.mark.parametrize("fault", ["absent", "no status", "another kind", "no Parquet"])
def test_nothing_is_copied_from_what_is_not_whole(shard, fault):
    if fault == "absent":
        (shard / "landmarks.parquet").unlink()
    elif fault == "no status":
        (shard / "clips.parquet").unlink()
    elif fault == "another kind":
        write_table(shard / "landmarks.parquet", "mel", [])
    else:
        (shard / "landmarks.parquet").write_bytes(b"PAR1 and nothing else")
    assert _earlier(shard).row("a", "digest a") is None


def test_digests_tell_code_settings_and_sources_apart():
    first = made_from("eap.data.frames", {"size": 256}, ["x", ("y", None)])
    assert len(set(first)) == 2
    assert made_from("eap.data.frames", {"size": 256}, ["x"]) == first[:1]
    assert made_from("eap.data.frames", {"size": 128}, ["x"]) != first[:1]
    assert made_from("eap.data.landmarks", {"size": 256}, ["x"]) != first[:1]
