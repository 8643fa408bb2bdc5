"""Where each dataset lies, under which licence, and what its publisher says of sizes and digests.

Digests are the publishers' own, asked for at the time of the download (Zenodo's record; the Git-LFS pointers of
CREMA-D's repository), none is written down here. Where they cannot be had, that is said, and `eap.data.remote.dataset`
records what came for the next time.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from eap.data.listing import LFS_POINTER
from eap.data.remote.fetch import FetchError, RemoteFile, Say

N_CONNECTIONS = 4
"""At the same time (CHOSEN: polite)."""

ReadText = Callable[[tuple[str, ...]], str]
"""`read(urls)`: a small text from the first URL that gives it; `FetchError`."""


@dataclass(frozen=True)
class ZenodoRecord:
    """Archives of a Zenodo record.

    `names` are the files wanted, as known when this was written; the record itself, where it can be read, says which
    of those that match `pattern` exist, and their sizes and MD5.
    """

    record: int
    names: tuple[str, ...]
    pattern: str
    host: str = "https://zenodo.org"

    def files(self, mirror: str | None, known: set[str], read: ReadText, say: Say) -> list[RemoteFile]:
        """All files; a mirror holds them, and ``record.json`` (the record as Zenodo's API gives it), by name."""
        urls = (f"{self.host}/api/records/{self.record}",)
        try:
            published = _zenodo_listing(read((f"{mirror}/record.json", *urls) if mirror else urls), self.pattern)
        except (FetchError, ValueError, KeyError, TypeError) as error:
            say(f"the record's sizes and digests cannot be read ({error}); {_RECORDED}")
            return [RemoteFile(name, self._urls(name, mirror)) for name in self.names]
        return [RemoteFile(name, self._urls(name, mirror), *published[name]) for name in sorted(published)]

    def _urls(self, name: str, mirror: str | None) -> tuple[str, ...]:
        url = f"{self.host}/records/{self.record}/files/{quote(name)}?download=1"
        return (f"{mirror}/{quote(name)}", url) if mirror else (url,)


@dataclass(frozen=True)
class LfsRepository:
    """Clips of a GitHub repository that keeps them in Git LFS; the pointers in the repository hold size and SHA-256."""

    repository: str
    index: str
    folder: str
    branch: str = "master"
    raw_host: str = "https://raw.githubusercontent.com"
    media_host: str = "https://media.githubusercontent.com/media"

    def files(self, mirror: str | None, known: set[str], read: ReadText, say: Say) -> list[RemoteFile]:
        """All files of the index; a mirror has the repository's folders. `known` paths need no pointer again."""
        raw = f"{self.raw_host}/{self.repository}/{self.branch}"
        media = f"{self.media_host}/{self.repository}/{self.branch}"
        bases = [mirror, raw] if mirror else [raw]
        lines = csv.DictReader(io.StringIO(read(tuple(f"{base}/{self.index}" for base in bases))))
        paths = [f"{self.folder}/{line['Filename'].strip()}.flv" for line in lines]
        pointers = self._pointers([path for path in paths if path not in known], raw, read, say)
        contents = [mirror, media] if mirror else [media]
        return [
            RemoteFile(path, tuple(f"{base}/{quote(path)}" for base in contents), *pointers.get(path, (None, None)))
            for path in paths
        ]

    def _pointers(self, paths: Sequence[str], raw: str, read: ReadText, say: Say) -> dict[str, tuple[int, str]]:
        found: dict[str, tuple[int, str]] = {}
        with ThreadPoolExecutor(N_CONNECTIONS) as pool:
            texts = pool.map(lambda path: read((f"{raw}/{quote(path)}",)), paths)
            try:
                for path, text in zip(paths, texts, strict=True):
                    found[path] = parse_pointer(text)
            except (FetchError, ValueError) as error:
                pool.shutdown(cancel_futures=True)
                say(f"{len(paths) - len(found)} pointers with size and digest cannot be read ({error}); {_RECORDED}")
        return found


@dataclass(frozen=True)
class Source:
    """A dataset that anyone may fetch."""

    name: str
    licence: str
    terms: str
    home: ZenodoRecord | LfsRepository


_RECORDED = "what comes now is recorded in data.root and checked from then on"


def parse_pointer(text: str) -> tuple[int, str]:
    """Size and digest that a Git-LFS pointer names.

    Raises
    ------
    ValueError
        If the text is no pointer.
    """
    oid = re.search(r"^oid (sha256:[0-9a-f]{64})$", text, flags=re.MULTILINE)
    size = re.search(r"^size (\d+)$", text, flags=re.MULTILINE)
    if not text.encode().startswith(LFS_POINTER) or not oid or not size:
        raise ValueError(f"no Git LFS pointer: {text[:60]!r}")
    return int(size[1]), oid[1]


def _zenodo_listing(text: str, pattern: str) -> dict[str, tuple[int, str]]:
    """Size and digest of a record's files whose names match, as Zenodo's API describes them."""
    files = {file["key"]: (int(file["size"]), file["checksum"]) for file in json.loads(text)["files"]}
    wanted = {name: facts for name, facts in files.items() if re.fullmatch(pattern, name)}
    if not wanted:
        raise ValueError(f"none of its {len(files)} files is named {pattern}")
    return wanted


def source_of(data: Any) -> Source:
    """The source of `data.dataset`, one of `eap.config.DOWNLOADABLE`."""
    return {"crema_d": lambda: CREMA_D, "grid": lambda: GRID, "ravdess": lambda: ravdess(data.songs)}[data.dataset]()


def ravdess(songs: bool) -> Source:
    """RAVDESS, with its songs or without."""
    kinds = ("Speech", "Song") if songs else ("Speech",)
    # KNOWN: there is no song by actor 18
    actors: Iterable[tuple[str, int]] = ((kind, n) for kind in kinds for n in range(1, 25) if (kind, n) != ("Song", 18))
    return Source(
        "RAVDESS",
        "CC BY-NC-SA 4.0 (https://creativecommons.org/licenses/by-nc-sa/4.0/): no commercial use, share alike",
        "Cite Livingstone and Russo 2018, doi:10.1371/journal.pone.0196391. Record: doi:10.5281/zenodo.1188976",
        ZenodoRecord(
            1188976,
            tuple(f"Video_{kind}_Actor_{n:02d}.zip" for kind, n in actors),
            rf"Video_({'|'.join(kinds)})_Actor_\d\d\.zip",
        ),
    )


GRID = Source(
    "GRID",
    "CC BY 4.0 (https://creativecommons.org/licenses/by/4.0/)",
    "Cite Cooke et al. 2006, JASA 120(5). Record: doi:10.5281/zenodo.3625687",
    ZenodoRecord(
        3625687,
        ("alignments.zip", *(f"s{n}.zip" for n in range(1, 35) if n != 21)),  # KNOWN: no video of speaker 21
        r"alignments\.zip|s\d+\.zip",
    ),
)
CREMA_D = Source(
    "CREMA-D",
    "ODbL 1.0 for the database (https://opendatacommons.org/licenses/odbl/1-0/), DbCL 1.0 for its contents",
    "Cite Cao et al. 2014, doi:10.1109/TAFFC.2014.2336244. https://github.com/CheyneyComputerScience/CREMA-D",
    LfsRepository("CheyneyComputerScience/CREMA-D", "SentenceFilenames.csv", "VideoFlash"),
)
