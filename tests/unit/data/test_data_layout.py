"""File names of prepared data."""

from __future__ import annotations

from pathlib import Path

from eap.data.layout import PreparedData
from eap.schemas import write_table


def test_shards_are_those_that_the_clips_name(tmp_path):
    data = PreparedData(tmp_path)
    rows = [("a", 10, "used"), ("b", 0, "used"), ("c", 2, "used"), ("d", 2, "used"), ("e", 5, "set_aside")]
    write_table(data.clips, "clips", [{"clip_id": c, "shard": n, "status": status} for c, n, status in rows])
    for shard in (0, 2, 5, 7, 10):  # 7 is left over from an earlier, larger number of shards
        data.shard("mel", shard).parent.mkdir(exist_ok=True)
        data.shard("mel", shard).touch()
    assert data.shards("mel") == [data.shard("mel", n) for n in (0, 2, 10)]


def test_every_table_has_its_own_file():
    data = PreparedData(Path("results/data"))
    names = ("inventory", "catalog", "clips", "labels", "shapes", "splits")
    assert {getattr(data, name).name for name in names} == {f"{name}.parquet" for name in names}
