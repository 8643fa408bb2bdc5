"""Tables with one row group per clip, read one clip at a time, so that memory does not grow with the shard."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from eap.schemas import check_table


def iterate_clips(path: Path, name: str) -> Iterator[tuple[str, pa.Table]]:
    """Clip ids and their rows, in the file's order.

    Raises
    ------
    eap.schemas.TableError
        If the file is not a `name` table of this format version.
    """
    check_table(path, name)
    with pq.ParquetFile(path) as file:
        for group in range(file.num_row_groups):
            rows = file.read_row_group(group)
            yield rows["clip_id"][0].as_py(), rows
