"""Row groups: a clip's rows are consecutive groups of a table, each of one clip, so that a part is read by itself."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from eap.schemas import TableError, TableFile, check_table

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
        If the file is not a `name` table of this format version, or not of such groups.
    """
    check_table(path, name)
    metadata = pq.read_metadata(path)
    found: dict[str, list[Group]] = {}
    for index in range(metadata.num_row_groups):
        group = metadata.row_group(index)
        clip_ids = group.column(0).statistics
        if clip_ids.min != clip_ids.max:
            raise TableError(f"{path}: a row group holds several clips; remove it and run the workflow again")
        found.setdefault(clip_ids.min, []).append(Group(index, group.num_rows))
    return found


class OpenTables:
    """Files that stay open, so that each footer is read once; several threads may read."""

    def __init__(self) -> None:
        self._files: dict[Path, TableFile] = {}
        self._lock = threading.Lock()

    def read(self, path: Path, groups: list[Group], columns: list[str] | None = None) -> pa.Table:
        """The rows of some groups as one table."""
        with self._lock:
            if path not in self._files:
                self._files[path] = TableFile(path)
            return self._files[path].read_row_groups([group.index for group in groups], columns, use_threads=False)


def iterate_groups(path: Path, groups: list[Group]) -> Iterator[pa.Table]:
    """The rows of some groups, one after the other."""
    with TableFile(path) as file:
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
    with TableFile(path) as file:
        for clip_id, own in groups.items():
            yield clip_id, file.read_row_groups([group.index for group in own])
