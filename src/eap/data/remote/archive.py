"""Unpacking a zip or tar file that came from elsewhere: plain files and folders below one folder, nothing else."""

from __future__ import annotations

import gzip
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from eap.data.remote.fetch import check_space
from eap.stage import StageError

ARCHIVE_SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz")
_CHUNK_BYTES = 1 << 20
_BLOCK_BYTES = 4096
"""What a file or folder takes besides its content, at least: a million empty files fill a disk, too."""
_DAMAGE = (
    *(zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError),
    *(NotImplementedError, RuntimeError),  # zipfile's words for an unknown method and for a password
    *(FileExistsError, NotADirectoryError, IsADirectoryError),  # a name that stands there twice
)


def folder_of(name: str) -> str:
    """The folder that an archive is unpacked to: its name without suffix."""
    suffix = next(suffix for suffix in ARCHIVE_SUFFIXES if name.lower().endswith(suffix))
    return name[: -len(suffix)]


def is_archive(name: str) -> bool:
    """Whether a file's name says that it is an archive."""
    return name.lower().endswith(ARCHIVE_SUFFIXES)


def unpack(archive: Path, folder: Path, max_bytes: float) -> int:
    """Unpack an archive into `folder`, which appears when everything is there.

    Parameters
    ----------
    archive
        A zip or tar file.
    folder
        Must not exist. What an interrupted run left in ``.NAME.unpacking`` beside it is removed first.
    max_bytes
        Most that may come out, counted while it is written: headers may lie. Each name counts as a block for each of
        its parts.

    Returns
    -------
    int
        Number of files.

    Raises
    ------
    StageError
        If the archive is damaged, holds a link, a device or a name that leads elsewhere, or unpacks to too much.
    """
    unpacking = folder.with_name(f".{folder.name}.unpacking")
    shutil.rmtree(unpacking, ignore_errors=True)  # ours
    try:
        n_files = _write_members(archive, unpacking, max_bytes)
        unpacking.rename(folder)
    except StageError:
        raise
    except _DAMAGE as error:
        raise StageError(
            f"{archive}: not an archive that can be unpacked ({error}); remove it and run again"
        ) from error
    finally:
        shutil.rmtree(unpacking, ignore_errors=True)
    return n_files


def _write_members(archive: Path, folder: Path, max_bytes: float) -> int:
    left = max_bytes
    n_files = 0
    folder.mkdir(parents=True)
    opener = _zip_members if archive.suffix.lower() == ".zip" else _tar_members
    for name, size, stream in opener(archive):
        parts = _safe_parts(name, archive)
        path = folder.joinpath(*parts)
        left -= _BLOCK_BYTES * len(parts)
        if size > left:
            raise _too_much(archive, max_bytes)
        check_space(folder, size)
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "xb") as out:
            while chunk := stream.read(_CHUNK_BYTES):
                left -= len(chunk)
                if left < 0:
                    raise _too_much(archive, max_bytes)
                out.write(chunk)
        n_files += 1
    return n_files


def _zip_members(archive: Path) -> Iterator[tuple[str, int, IO[bytes]]]:
    with zipfile.ZipFile(archive) as file:
        for member in file.infolist():
            kind = stat.S_IFMT(member.external_attr >> 16)
            if kind and not stat.S_ISREG(kind) and not stat.S_ISDIR(kind):
                raise _no_plain_file(archive, member.filename)
            if not member.is_dir() and not _of_macos(member.filename):
                with file.open(member) as stream:
                    yield member.filename, member.file_size, stream


def _tar_members(archive: Path) -> Iterator[tuple[str, int, IO[bytes]]]:
    with tarfile.open(archive) as file:
        for member in file:
            if not member.isreg() and not member.isdir():
                raise _no_plain_file(archive, member.name)
            if member.isreg() and not _of_macos(member.name):
                yield member.name, member.size, file.extractfile(member)


def _of_macos(name: str) -> bool:
    """Whether a member is what macOS adds to archives: resource forks, no content."""
    parts = PurePosixPath(name).parts
    return "__MACOSX" in parts or parts[-1].startswith("._")


def _safe_parts(name: str, archive: Path) -> tuple[str, ...]:
    """The folders and name of a member, all of them below the folder that is filled."""
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or not path.parts or ":" in path.parts[0] or "\0" in name:
        raise StageError(f"{archive}: member {name!r} leads out of the folder; nothing of this archive is kept")
    return path.parts


def _no_plain_file(archive: Path, name: str) -> StageError:
    return StageError(f"{archive}: member {name!r} is a link or a device; nothing of this archive is kept")


def _too_much(archive: Path, max_bytes: float) -> StageError:
    return StageError(
        f"{archive}: unpacks to more than {max_bytes / 1e9:g} GB (download.max_extracted_gb); raise the limit if the "
        "archive is what you expect"
    )
