"""The source of the clips: a local folder, listed with size and SHA-256, so that later tables can name their origin."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from eap.digest import file_sha256
from eap.schemas import write_table
from eap.stage import StageError, StageResult

MEDIA_SUFFIXES = frozenset({".mp4", ".mpg", ".mpeg", ".flv", ".avi", ".mov", ".mkv", ".webm", ".m4v"})
"""Suffixes (in any case) that make a file a clip."""


LFS_POINTER = b"version https://git-lfs.github.com/spec/v1"


def list_source(config: Any, inventory: Path) -> StageResult:
    """List the clips of `data.root` and its manifest.

    Parameters
    ----------
    config
        Sections of stage ``download``.
    inventory
        Table ``inventory`` to write, sorted by path. A link whose target is absent has neither size nor SHA-256.

    Raises
    ------
    StageError
        If the folder is absent, unreadable or holds no clip, or if a file's name is not valid Unicode.
    """
    root = Path(config.data.root)
    remedy = (
        "put clips there, run `make demo CLIPS=folder`, or set data.root in config.yaml to the folder of your clips"
    )
    if not root.is_dir():
        raise StageError(f"data.root: {config.data.root!r} is not a folder (looked at {root.absolute()}); {remedy}")
    files = sorted(find_media(root), key=lambda path: path.relative_to(root).as_posix())
    if not files:
        raise StageError(
            f"data.root: {config.data.root!r} holds no clip ({', '.join(sorted(MEDIA_SUFFIXES))}); {remedy}"
        )
    if config.data.manifest is not None and (root / config.data.manifest).is_file():
        files.append(root / config.data.manifest)
    rows = [_describe(path, root) for path in files]
    rows.sort(key=lambda row: row["path"])
    write_table(inventory, "inventory", rows, config=config.model_dump(mode="json"))
    sizes = [row["size_bytes"] or 0 for row in rows]
    return StageResult({"n_files": len(rows), "n_bytes": sum(sizes)})


def find_media(root: Path) -> Iterator[Path]:
    """Clips under `root`, hidden files and folders left out; linked folders are followed, each once."""
    seen = set()
    for folder, folders, names in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:  # a link back up the tree would never end
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in names:
            if not name.startswith(".") and Path(name).suffix.lower() in MEDIA_SUFFIXES:
                yield Path(folder, name)


def content_fault(path: Path, size_bytes: float | None) -> str | None:
    """Why a file is no media at all: an absent target, nothing, a Git-LFS pointer, a web page; else None."""
    if size_bytes is None or size_bytes != size_bytes:
        return "a link whose target is absent; fetch the content first (for git-annex: `git annex get`)"
    if size_bytes == 0:
        return "the file is empty (0 bytes)"
    try:
        with open(path, "rb") as file:
            head = file.read(512)
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    if head.startswith(LFS_POINTER):
        return "a Git LFS pointer, not the clip itself; fetch the content first (`git lfs pull`)"
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith((b"<!doctype html", b"<html")):
        return "a web page (HTML), not a clip; the download probably needed a login"
    return None


def _describe(path: Path, root: Path) -> dict[str, Any]:
    name = path.relative_to(root).as_posix()
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        raise StageError(f"{name!r} in data.root: the name is not valid Unicode; rename the file") from None
    if not path.exists():
        return {"path": name, "size_bytes": None, "sha256": None}
    return {"path": name, "size_bytes": path.stat().st_size, "sha256": file_sha256(path)}
