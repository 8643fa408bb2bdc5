"""Which logs wait for the store, told from files alone: what `eap track wait` and `eap clean` ask. Imports no MLflow.

Beside each log lies one cursor per store: ``{"run_id", "offset", "done", "refused"}``, replaced in one step. It names
the store by a digest, so that another store gets everything, and once only.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from eap.digest import text_digest
from eap.files import write_text
from eap.tracking.run_log import SUFFIX

CURSOR = ".cursor"
NOBODY = "no delivery is at work"
STARTING_S = 10
"""A delivery that was started just now may need so long to take its lock."""


@dataclass
class Cursor:
    """How far a log is delivered."""

    run_id: str | None = None
    offset: int = 0
    """Bytes of the log that the store has for certain."""
    done: bool = False
    refused: str | None = None
    """Why the store will never take the rest, if so."""


def cursor_path(log: Path, uri: str) -> Path:
    """Where a log's cursor for a store lies."""
    return log.with_name(f"{log.name.removesuffix(SUFFIX)}.{text_digest(uri)}{CURSOR}")


def read_cursor(path: Path) -> Cursor:
    """The cursor; one at the beginning if it is absent or damaged, since to send again does no harm."""
    try:
        return Cursor(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return Cursor()


def write_cursor(path: Path, cursor: Cursor) -> None:
    """Replace the cursor."""
    write_text(path, json.dumps(asdict(cursor)))


def logs(folder: Path) -> list[Path]:
    """The logs, oldest first."""
    return sorted(folder.glob(f"*{SUFFIX}"))


def unsent(folder: Path, uri: str) -> list[Path]:
    """Logs that are not delivered to the end, oldest first."""
    cursors = {log: read_cursor(cursor_path(log, uri)) for log in logs(folder)}
    return [log for log, cursor in cursors.items() if not cursor.done and cursor.refused is None]


def refused(folder: Path, uri: str) -> dict[Path, str]:
    """Logs that the store will not take, with its reason."""
    cursors = {log: read_cursor(cursor_path(log, uri)) for log in logs(folder)}
    return {log: cursor.refused for log, cursor in cursors.items() if cursor.refused is not None}


@contextmanager
def only_one(folder: Path, uri: str) -> Iterator[IO[str] | None]:
    """The lock of a folder's delivery to a store: its file, or None where another process holds it."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(_lock(folder, uri), "a+", encoding="utf-8") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield None
            return
        file.truncate(0)
        yield file


def note(lock: IO[str], trouble: str | None) -> None:
    """Leave word for `wait` whether the store answers."""
    lock.seek(0)
    lock.truncate()
    lock.write(trouble or "")
    lock.flush()


def wait(folder: Path, uri: str, patience_s: float, coming: Callable[[], bool] = lambda: False) -> str:
    """Wait until the delivery at work is through, has met trouble, or is not there; what to say then.

    `coming`: whether one was started that may not have come to its lock yet.
    """
    began = time.monotonic()
    trouble = None
    while unsent(folder, uri) and (passed := time.monotonic() - began) < patience_s:
        trouble = _trouble(folder, uri)
        if trouble is not None and (trouble != NOBODY or (passed > STARTING_S and not coming())):
            break
        time.sleep(0.2)
    trouble = trouble or _trouble(folder, uri)
    left, never = unsent(folder, uri), refused(folder, uri)
    told = [f"tracking: {log.name}: refused by the store: {reason}" for log, reason in never.items()]
    if left:
        told.append(
            f"tracking: {len(left)} runs wait in {folder} ({trouble or 'the delivery is still at work'}); nothing is "
            f"lost: `eap --tracking {uri} track deliver` sends them"
        )
    return "\n".join(told) or f"tracking: all {len(logs(folder))} runs are in {uri}"


def _trouble(folder: Path, uri: str) -> str | None:
    """Why waiting is of no use: nobody delivers, or the store does not answer."""
    try:
        with open(_lock(folder, uri), "r+", encoding="utf-8") as file:
            try:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                return file.read() or None
    except FileNotFoundError:
        pass
    return NOBODY


def _lock(folder: Path, uri: str) -> Path:
    return folder / f".{text_digest(uri)}.delivery"


def writer_is_gone(log: Path, seen: int) -> bool:
    """Whether the job that wrote a log has ended, and left no more than `seen` bytes.

    A job holds its log locked. Where locks do not work nothing can be said, and the answer is no.
    """
    with open(log, "r+b") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return os.fstat(file.fileno()).st_size == seen
