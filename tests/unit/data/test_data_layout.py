"""File names of prepared data."""

from __future__ import annotations

from pathlib import Path

from eap.data.layout import PreparedData


def test_shards_come_in_order_and_alone(tmp_path):
    data = PreparedData(tmp_path)
    for shard in (10, 2, 0):
        data.shard("mel", shard).parent.mkdir(exist_ok=True)
        data.shard("mel", shard).touch()
    (tmp_path / "mel" / ".shard=0001.partial.parquet").touch()
    (tmp_path / "mel" / "notes.txt").touch()
    assert data.shards("mel") == [data.shard("mel", n) for n in (0, 2, 10)]
    assert data.shards("frames") == []


def test_every_table_has_its_own_file():
    data = PreparedData(Path("results/data"))
    names = ("inventory", "catalog", "clips", "labels", "shapes", "splits")
    assert {getattr(data, name).name for name in names} == {f"{name}.parquet" for name in names}
