"""Files: every output is atomic, every Parquet table is checked against its schema."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from eap.digest import text_digest

MAX_NAME = 200
"""Characters of `safe_name`: room for a suffix and for the temporary name of `atomic_path`."""


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """A temporary path beside `path` that replaces it when the block ends well, and vanishes when it does not.

    The suffix is kept, since encoders choose their container by it.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem[:80]}.{uuid.uuid4().hex}{path.suffix}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Write a UTF-8 text file atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def safe_name(clip_id: str) -> str:
    """A clip id (a relative path, any characters) as one file name; different ids give different names.

    File systems take 255 bytes; a longer name keeps its beginning and gets the id's digest.
    """
    name = quote(clip_id, safe=" ()")
    return name if len(name) <= MAX_NAME else f"{name[: MAX_NAME - 13]}~{text_digest(clip_id)}"
