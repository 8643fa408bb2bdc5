"""Files of a source folder: which ones count, and which are obviously no media."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath

MEDIA_SUFFIXES = frozenset({".mp4", ".mpg", ".mpeg", ".flv", ".avi", ".mov", ".mkv", ".webm", ".m4v"})
"""Suffixes (in any case) that make a file a clip."""
AUDIO_SUFFIXES = frozenset({".m4a", ".wav", ".mp3", ".aac", ".flac", ".ogg"})
"""Suffixes of sound without pictures."""
COMPANIONS: dict[str, frozenset[str]] = {
    "mead": AUDIO_SUFFIXES,
    "ravdess": AUDIO_SUFFIXES,
    "grid": frozenset({".align"}),
}
"""What else a dataset's adapter reads or sets aside with a reason, beside the clips."""

LFS_POINTER = b"version https://git-lfs.github.com/spec/v1"
_NUMBERED = re.compile(r"\.\d+$")


def is_clip(name: str) -> bool:
    """Whether a file's name makes it a clip; a downloader's numbered copy (``001.mp4.1``) counts, to be set aside."""
    return PurePosixPath(_NUMBERED.sub("", name).rstrip()).suffix.lower() in MEDIA_SUFFIXES


def is_numbered_copy(name: str) -> bool:
    """Whether a file is what a downloader calls a clip that it found there already: ``001.mp4.1``."""
    return bool(_NUMBERED.search(name)) and is_clip(name)


def leads_outside(name: str) -> bool:
    """Whether a path that stands in a manifest leaves the folder that it is said to lie in."""
    return any(kind(name).is_absolute() or ".." in kind(name).parts for kind in (PurePosixPath, PureWindowsPath))


def is_audio(name: str) -> bool:
    """Whether a file's name makes it sound without pictures."""
    return PurePosixPath(name.rstrip()).suffix.lower() in AUDIO_SUFFIXES


def find_files(root: Path, dataset: str) -> Iterator[Path]:
    """Clips under `root` and the dataset's companion files.

    Hidden files and folders (among them macOS's ``._NAME``) are left out; linked folders are followed, each once.
    """
    companions = COMPANIONS.get(dataset, frozenset())
    seen = set()
    for folder, folders, names in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:  # a link back up the tree would never end
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in names:
            if not name.startswith(".") and (is_clip(name) or Path(name.rstrip()).suffix.lower() in companions):
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
    return head_fault(head)


def head_fault(head: bytes) -> str | None:
    """Why a file that begins with `head` is no media: a Git-LFS pointer or a web page; else None."""
    if head.startswith(LFS_POINTER):
        return "a Git LFS pointer, not the clip itself; fetch the content first (`git lfs pull`)"
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith((b"<!doctype html", b"<html")):
        return "a web page (HTML), not a clip; the download probably needed a login"
    return None
