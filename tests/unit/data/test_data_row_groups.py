"""Tables with one row group per clip."""

from __future__ import annotations

import pytest

from eap.data.row_groups import iterate_clips
from eap.schemas import TableError, to_table, write_table


def test_clips_come_one_by_one_in_the_files_order(tmp_path):
    counts = {"b.mp4": 3, "a.mp4": 1, "c.mp4": 2}
    tables = [
        to_table("mel", [{"clip_id": c, "frame": i, "mel": [float(i)]} for i in range(n)]) for c, n in counts.items()
    ]
    write_table(tmp_path / "mel.parquet", "mel", tables)
    found = [(clip_id, table["frame"].to_pylist()) for clip_id, table in iterate_clips(tmp_path / "mel.parquet", "mel")]
    assert found == [("b.mp4", [0, 1, 2]), ("a.mp4", [0]), ("c.mp4", [0, 1])]


def test_another_table_is_refused(tmp_path):
    write_table(tmp_path / "x.parquet", "audio", [to_table("audio", [{"clip_id": "a", "n_samples": 0, "pcm16": b""}])])
    with pytest.raises(TableError, match="expected table 'mel'"):
        next(iterate_clips(tmp_path / "x.parquet", "mel"))


def test_a_shard_without_clips_is_empty(tmp_path):
    write_table(tmp_path / "mel.parquet", "mel", iter([]))
    assert list(iterate_clips(tmp_path / "mel.parquet", "mel")) == []
