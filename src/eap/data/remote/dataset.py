"""A whole dataset into a folder: what is missing is fetched, what is there is checked, where it came from is recorded.

``download.json`` in the folder is the record (the "lock"): for each file its URL, size, SHA-256 and what its publisher
says of it. A later run checks against it, so that a source that changes is noticed.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import pooch
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from eap.data.remote.archive import folder_of, is_archive, unpack
from eap.data.remote.fetch import Patience, RemoteFile, Say, check_space, fetch, read_text, say_line
from eap.data.remote.sources import N_CONNECTIONS, Source
from eap.digest import file_sha256
from eap.files import write_text
from eap.stage import StageError

LOCK = "download.json"
WAITING = ".download"
"""Hidden folder in which an archive waits until it is unpacked; then it is removed."""
_RECORD_EVERY = 100


@dataclass(frozen=True)
class Limits:
    """What may be fetched and how patiently."""

    mirror: str | None
    max_extracted_bytes: float
    patience: Patience = field(default_factory=Patience)


def fetch_dataset(source: Source, root: Path, limits: Limits, say: Say = say_line) -> dict[str, Any]:
    """Fetch what `root` lacks of a dataset.

    Parameters
    ----------
    source
        What to fetch.
    root
        Folder of the dataset. A file of the user's is never replaced: one that differs from the source is an error.
    limits
        Mirror, largest archive, patience.

    Returns
    -------
    dict
        The record, as `read_lock` reads it.

    Raises
    ------
    StageError
        If something cannot be fetched, differs from what is published or recorded, or has no room on the disk.
    """
    say(f"{source.name}: {source.licence}. {source.terms}")
    lock = read_lock(root) | {"dataset": source.name, "licence": source.licence, "terms": source.terms}
    known: dict[str, Any] = lock.setdefault("files", {})
    session = limits.patience.session()
    read = partial(read_text, session=session, patience=limits.patience)
    mirror = limits.mirror.rstrip("/") if limits.mirror else None
    files = [_pinned(file, known) for file in source.home.files(mirror, set(known), read, say)]
    missing = [file for file in files if not _is_there(file, root, known, say)]
    check_space(root, sum((file.size_bytes or 0) * (2 if is_archive(file.path) else 1) for file in missing))
    say(f"{source.name}: {len(files) - len(missing)} of {len(files)} files are there, {len(missing)} to fetch")
    try:
        _fetch_all(missing, root, limits, known, say, lambda: _write_lock(root, lock))
    finally:
        _write_lock(root, lock)
    return lock


def read_lock(root: Path) -> dict[str, Any]:
    """The record of what was downloaded into `root`; empty if nothing was.

    Raises
    ------
    StageError
        If it is damaged.
    """
    path = root / LOCK
    if not path.is_file():
        return {}
    try:
        lock = json.loads(path.read_text(encoding="utf-8"))
        lock["files"].items()
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise StageError(
            f"{path}: not a record of a download ({error}); move it away, then what is there is recorded anew"
        ) from error
    return lock


def url_of(path: str, lock: dict[str, Any]) -> str | None:
    """Where a file of the folder came from: its own URL, or its archive's; None if it was not downloaded."""
    files = lock.get("files", {})
    top = path.partition("/")[0]
    entry = files.get(path) or next((e for e in files.values() if e["unpacked_to"] == top), None)
    return entry and entry["url"]


def _pinned(file: RemoteFile, known: dict[str, Any]) -> RemoteFile:
    """A file with what was recorded of it, where its publisher is silent now."""
    entry = known.get(file.path)
    if entry is None or file.digest is not None:
        return file
    return replace(file, size_bytes=entry["size_bytes"], digest=entry["published"] or f"sha256:{entry['sha256']}")


def _is_there(file: RemoteFile, root: Path, known: dict[str, Any], say: Say) -> bool:
    """Whether a file (or the folder that an archive unpacks to) is there; one that differs is an error."""
    if is_archive(file.path):
        folder = root / folder_of(file.path)
        if folder.exists() and file.path not in known:
            say(f"{folder} is there already, not from a download; it is taken as it is")
        return folder.exists()
    path = root / file.path
    if not path.exists():
        return False
    fault = _difference(file, path)
    if fault:
        raise StageError(f"{path}: {fault}; it is not replaced: move it away and run again")
    if file.path not in known:
        known[file.path] = _entry(file, path, None)
    return True


def _difference(file: RemoteFile, path: Path) -> str | None:
    if file.size_bytes is not None and path.stat().st_size != file.size_bytes:
        return f"has {path.stat().st_size} bytes instead of {file.size_bytes}"
    if file.digest is not None:
        algorithm, _, wanted = file.digest.partition(":")
        found = pooch.file_hash(str(path), alg=algorithm)
        if found != wanted:
            return f"{algorithm} {found} instead of {wanted}"
    return None


def _entry(file: RemoteFile, path: Path, url: str | None) -> dict[str, Any]:
    return {
        "url": url,
        "size_bytes": path.stat().st_size,
        "sha256": file_sha256(path),
        "published": file.digest,
        "unpacked_to": folder_of(file.path) if is_archive(file.path) else None,
    }


def _fetch_all(
    missing: list[RemoteFile], root: Path, limits: Limits, known: dict[str, Any], say: Say, record: Callable[[], None]
) -> None:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    console = Console(stderr=True)
    with (
        Progress(*columns, TimeRemainingColumn(), console=console, disable=not console.is_terminal) as progress,
        ThreadPoolExecutor(N_CONNECTIONS) as pool,
    ):
        total = sum(file.size_bytes or 0 for file in missing) or None
        task = progress.add_task("fetching", total=total)
        stop = threading.Event()

        def work(file: RemoteFile) -> dict[str, Any] | None:
            return None if stop.is_set() else _bring(file, root, limits, say, partial(progress.advance, task))

        jobs = {pool.submit(work, file): file.path for file in missing}
        try:
            for n, job in enumerate(as_completed(jobs), start=1):
                if job.exception() is not None:
                    stop.set()  # what is under way may end and is recorded; nothing else is begun
                elif (entry := job.result()) is not None:
                    known[jobs[job]] = entry
                    say(f"{n}/{len(missing)} {jobs[job]}: {entry['size_bytes']} bytes from {entry['url']}")
                if n % _RECORD_EVERY == 0:
                    record()
        finally:
            stop.set()  # an interrupt from the keyboard must not wait for thousands of files
    fault = next((job.exception() for job in jobs if job.exception() is not None), None)
    if fault is not None:
        raise fault


def _bring(file: RemoteFile, root: Path, limits: Limits, say: Say, advance: Any) -> dict[str, Any]:
    """Fetch one file, unpack it if it is an archive; what the record says of it."""
    if not is_archive(file.path):
        target = root / file.path
        return _entry(file, target, fetch(file, target, limits.patience, say, advance))
    archive = root / WAITING / file.path
    note = archive.with_name(f"{archive.name}.url")
    if archive.exists() and (_difference(file, archive) or not note.is_file()):
        archive.unlink()  # ours, of an earlier run
    if not archive.exists():
        write_text(note, fetch(file, archive, limits.patience, say, advance))
    entry = _entry(file, archive, note.read_text(encoding="utf-8"))
    unpack(archive, root / folder_of(file.path), limits.max_extracted_bytes)
    archive.unlink()  # fetched by us, and its content is there
    note.unlink()
    return entry


def _write_lock(root: Path, lock: dict[str, Any]) -> None:
    write_text(root / LOCK, json.dumps(lock, indent=1, sort_keys=True) + "\n")
