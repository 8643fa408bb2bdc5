"""Tables: what is written is what is read, and nothing else is accepted."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from eap import schemas
from eap.schemas import SCHEMAS, TableError, read_table, table_digest, to_table, write_table

ROWS = [
    {"clip_id": "a.mp4", "speaker_id": "1", "emotion": "happy", "split": "train"},
    {"clip_id": "b.mp4", "speaker_id": "1", "emotion": "neutral", "split": "test"},
]


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_table_can_be_empty(tmp_path: Path, name: str) -> None:
    path = tmp_path / "t.parquet"
    write_table(path, name, [])
    assert list(read_table(path, name).columns) == SCHEMAS[name].names
    assert len(read_table(path, name)) == 0


def test_rows_frames_and_row_groups_read_back_the_same(tmp_path: Path) -> None:
    for number, given in enumerate([ROWS, pd.DataFrame(ROWS), (to_table("splits", [row]) for row in ROWS)]):
        path = tmp_path / f"{number}.parquet"
        write_table(path, "splits", given)
        assert read_table(path, "splits").to_dict("records") == ROWS
    assert pq.read_metadata(tmp_path / "2.parquet").num_row_groups == 2


def test_absent_columns_are_null_and_surplus_ones_are_refused(tmp_path: Path) -> None:
    write_table(tmp_path / "t.parquet", "splits", [{"clip_id": "a"}])
    assert read_table(tmp_path / "t.parquet", "splits")["split"].isna().all()
    with pytest.raises(TableError, match="no column colour"):
        write_table(tmp_path / "u.parquet", "splits", [{"clip_id": "a", "colour": 1}])
    assert not (tmp_path / "u.parquet").exists()


def test_missing_numbers_become_null(tmp_path: Path) -> None:
    rows = [{"variant": "real", "metric": "lmd", "mean": float("nan"), "n_seeds": 2}]
    write_table(tmp_path / "t.parquet", "summary", rows)
    assert pq.read_table(tmp_path / "t.parquet")["mean"].null_count == 1


def test_several_files_read_as_one_table(tmp_path: Path) -> None:
    for number, row in enumerate(ROWS):
        write_table(tmp_path / f"{number}.parquet", "splits", [row])
    both = read_table([tmp_path / "0.parquet", tmp_path / "1.parquet"], "splits", columns=["clip_id"])
    assert both["clip_id"].tolist() == ["a.mp4", "b.mp4"]


def test_another_kind_or_version_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "t.parquet"
    write_table(path, "splits", ROWS)
    with pytest.raises(TableError, match=r"expected table 'labels'.*found 'splits'"):
        read_table(path, "labels")
    monkeypatch.setattr(schemas, "FORMAT_VERSION", 99)
    with pytest.raises(TableError, match="of format 99, found 'splits' of format 1"):
        read_table(path, "splits")
    foreign = tmp_path / "foreign.parquet"
    pd.DataFrame({"clip_id": ["a"]}).to_parquet(foreign)
    with pytest.raises(TableError, match="found '\\?'"):
        read_table(foreign, "splits")


def test_table_digest_follows_sources_and_settings(tmp_path: Path) -> None:
    parent, child = tmp_path / "parent.parquet", tmp_path / "child.parquet"

    def digest(setting: int) -> str:
        write_table(parent, "splits", ROWS, config={"setting": setting})
        write_table(child, "splits", ROWS, sources=[parent], config="same")
        return table_digest(child)

    assert digest(1) == digest(1) != digest(2)
    assert table_digest(parent) != table_digest(child)


def test_table_digest_follows_the_rows_of_the_table_and_of_its_sources(tmp_path: Path) -> None:
    parent, child = tmp_path / "parent.parquet", tmp_path / "child.parquet"

    def digests(rows: list[dict[str, str]]) -> tuple[str, str]:
        write_table(parent, "splits", rows)
        write_table(child, "splits", ROWS, sources=[parent])
        return table_digest(parent), table_digest(child)

    changed = [ROWS[0] | {"split": "test"}, *ROWS[1:]]
    assert changed != ROWS
    assert digests(ROWS) == digests(ROWS)
    assert not set(digests(ROWS)) & set(digests(changed))


def test_table_digest_does_not_depend_on_chunks(tmp_path: Path) -> None:
    whole = to_table("splits", ROWS)
    chunks = pa.concat_tables([whole.slice(0, 1), whole.slice(1)])
    assert len(chunks.column(0).chunks) == 2
    for name, table in (("whole", whole), ("chunks", chunks)):
        write_table(tmp_path / name, "splits", [table])
    assert table_digest(tmp_path / "whole") == table_digest(tmp_path / "chunks")


def test_a_table_without_a_digest_is_refused(tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.parquet"
    pd.DataFrame({"clip_id": ["a"]}).to_parquet(foreign)
    with pytest.raises(TableError, match="no digest of its rows"):
        table_digest(foreign)


def test_the_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_table(tmp_path / name, "splits", ROWS)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
