"""Row groups: a clip's rows are consecutive groups of a table, each of one clip, so that a part is read by itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from eap.schemas import check_table

FRAMES_PER_GROUP = 32
"""Frames of a row group of table ``frames`` (CHOSEN: half a megabyte; a training window reads one or two)."""


class Group(NamedTuple):
    """A row group of one clip."""

    index: int
    n_rows: int


def clip_groups(path: Path, name: str) -> dict[str, list[Group]]:
    """Row groups of each clip, in the file's order, from its footer alone.

    Raises
    ------
    eap.schemas.TableError
        If the file is not a `name` table of this format version.
    """
    check_table(path, name)
    metadata = pq.read_metadata(path)
    found: dict[str, list[Group]] = {}
    for index in range(metadata.num_row_groups):
        group = metadata.row_group(index)
        found.setdefault(group.column(0).statistics.min, []).append(Group(index, group.num_rows))
    return found


def iterate_groups(path: Path, groups: list[Group]) -> Iterator[pa.Table]:
    """The rows of some groups, one after the other."""
    with pq.ParquetFile(path) as file:
        for group in groups:
            yield file.read_row_group(group.index)


def iterate_clips(path: Path, name: str) -> Iterator[tuple[str, pa.Table]]:
    """Clip ids and all their rows, in the file's order; for tables of which a whole clip is small.

    Raises
    ------
    eap.schemas.TableError
        If the file is not a `name` table of this format version.
    """
    groups = clip_groups(path, name)
    with pq.ParquetFile(path) as file:
        for clip_id, own in groups.items():
            yield clip_id, file.read_row_groups([group.index for group in own])
