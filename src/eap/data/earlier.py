"""What an earlier run left in a shard: clips that were made from the same things are copied instead of made again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from eap.data.row_groups import Group, clip_groups, iterate_groups
from eap.digest import code_digest, value_digest
from eap.schemas import TableError, read_table


def made_from(module: str, settings: Any, sources: Iterable[Any]) -> list[str]:
    """For each source, a digest of what its rows are made from: the code of `module`, the settings and the source."""
    common = value_digest([code_digest(module), settings])
    return [value_digest([common, source]) for source in sources]


class EarlierShard:
    """The tables of one shard and one stage, as they stand before the stage writes them anew.

    Parameters
    ----------
    status
        The table with one row and one `made_from` per clip. The stage removes it before it replaces the others, and
        writes it last: so it never speaks of other tables than those beside it.
    name
        Its schema.
    tables
        The other tables, by schema. Where any is absent or of another format, there is nothing to copy.
    """

    def __init__(self, status: Path, name: str, tables: Mapping[str, Path]) -> None:
        self._tables = tables
        self._rows: dict[str, dict[str, Any]] = {}
        self._groups: dict[str, dict[str, list[Group]]] = {}
        try:
            rows = read_table(status, name)
            self._groups = {table: clip_groups(path, table) for table, path in tables.items()}
        except (OSError, TableError, pa.ArrowInvalid):
            return
        if "made_from" in rows:
            self._rows = {row["clip_id"]: row for row in rows.to_dict("records")}

    def row(self, clip_id: str, digest: str) -> dict[str, Any] | None:
        """The clip's row, if it was made from the same and, if used, its rows are in all tables; else None."""
        row = self._rows.get(clip_id)
        if row is None or row["made_from"] != digest:
            return None
        complete = row["status"] != "used" or all(clip_id in groups for groups in self._groups.values())
        return row if complete else None

    def copy(self, table: str, clip_id: str) -> Iterator[pa.Table]:
        """The clip's row groups; none for a clip that was set aside."""
        return iterate_groups(self._tables[table], self._groups[table].get(clip_id, []))
