"""Row groups of one clip each."""

from __future__ import annotations

import pandas as pd
import pytest

from eap.data.row_groups import OpenTables, clip_groups, iterate_clips, iterate_groups
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


@pytest.fixture
def frames(tmp_path):
    groups = [("b", range(2)), ("b", range(2, 5)), ("a", range(1))]
    tables = [to_table("frames", [{"clip_id": c, "frame": i, "jpeg": b"%d" % i} for i in f]) for c, f in groups]
    write_table(tmp_path / "frames.parquet", "frames", tables)
    return tmp_path / "frames.parquet"


def test_a_clip_may_have_several_groups(frames):
    groups = clip_groups(frames, "frames")
    assert groups == {"b": [(0, 2), (1, 3)], "a": [(2, 1)]}
    assert [table["frame"].to_pylist() for table in iterate_groups(frames, groups["b"])] == [[0, 1], [2, 3, 4]]
    assert [table["frame"].to_pylist() for _, table in iterate_clips(frames, "frames")] == [[0, 1, 2, 3, 4], [0]]
    files = OpenTables()
    assert files.read(frames, groups["b"][1:], ["jpeg"]).to_pydict() == {"jpeg": [b"2", b"3", b"4"]}
    assert files.read(frames, groups["a"])["clip_id"].to_pylist() == ["a"]


def test_a_group_of_several_clips_is_refused(tmp_path):
    rows = pd.DataFrame({"clip_id": ["a", "b"], "frame": 0, "mel": [[0.0], [1.0]]})
    write_table(tmp_path / "mel.parquet", "mel", rows)
    with pytest.raises(TableError, match="a row group holds several clips"):
        clip_groups(tmp_path / "mel.parquet", "mel")
