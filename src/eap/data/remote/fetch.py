"""One remote file onto the disk: mirrors, continuing after a cut, retries with back-off, size and hash checks.

pooch checks the hash and puts the file in place, urllib3 repeats requests; continuing a cut download is neither's work,
so it is a downloader of our own, pooch's documented extension point (docs/adr/0009).
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pooch
import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from eap.data.listing import head_fault
from eap.files import write_text
from eap.stage import StageError
from eap.urls import fill_in, mask

CHUNK_BYTES = 1 << 16
"""Read at a time, and so the most that is lost when a connection is cut."""
MAX_TEXT_BYTES = 16 << 20
BUSY = (408, 429, 500, 502, 503, 504)
"""HTTP states that may pass: asked again."""
CUTS = (requests.exceptions.ChunkedEncodingError, requests.exceptions.ConnectionError, requests.exceptions.Timeout)
SPARE_BYTES = 100 << 20
"""Left free on the disk."""

Say = Callable[[str], None]
Advance = Callable[[int], None]
pooch.get_logger().setLevel("WARNING")


class FetchError(StageError):
    """One URL did not give the file; another one may."""


@dataclass(frozen=True)
class RemoteFile:
    """A file of a dataset.

    `path` is relative to the dataset's folder; `urls` are tried in this order; `digest` (``sha256:...`` or ``md5:...``)
    and `size_bytes` are what the source publishes, None where it publishes nothing.
    """

    path: str
    urls: tuple[str, ...]
    size_bytes: int | None = None
    digest: str | None = None


@dataclass(frozen=True)
class Patience:
    """How often a request, and a cut download that made no progress, is tried; doubling waits between (CHOSEN)."""

    attempts: int = 6
    backoff_s: float = 1.0
    max_wait_s: float = 60.0
    timeout_s: float = 60.0

    def session(self) -> requests.Session:
        """A session that asks again where no connection comes about or the server is busy; it heeds Retry-After."""
        retry = Retry(
            total=self.attempts,
            connect=min(self.attempts, 3),  # a host that is not there seldom comes back within a minute
            backoff_factor=self.backoff_s,
            backoff_max=self.max_wait_s,
            status_forcelist=BUSY,
            raise_on_status=False,
        )
        session = requests.Session()
        # Compressed, a file would have neither the announced length nor byte ranges of its own
        session.headers.update({"Accept-Encoding": "identity", "User-Agent": "eap"})
        for scheme in ("http://", "https://"):
            session.mount(scheme, HTTPAdapter(max_retries=retry))
        return session


def fetch(
    file: RemoteFile, target: Path, patience: Patience, say: Say = print, advance: Advance = lambda n_bytes: None
) -> str:
    """Fetch a file from the first URL that gives it, whole and as published.

    Parameters
    ----------
    target
        Where it goes; must not exist. While it is on its way, ``.NAME.part`` beside it holds what came so far.
    say
        Told what a person should know: a download that starts again, a mirror that failed.
    advance
        Told the number of bytes as they come; negative where a download starts again.

    Returns
    -------
    str
        The URL that gave it.

    Raises
    ------
    StageError
        With what every URL answered.
    """
    answers = []
    for url in file.urls:
        download = _Download(file, target, patience, say, advance)
        try:
            pooch.retrieve(url, file.digest, fname=target.name, path=target.parent, downloader=download)
        except FetchError as error:
            answers.append(f"{url}: {error}")
        except ValueError as error:  # pooch's word for a wrong hash; it has removed the file
            answers.append(f"{url}: {error}")
        else:
            return url
        if url != file.urls[-1]:
            say(f"{answers[-1]}; trying the next source")
    raise StageError(
        f"{file.path} could not be fetched:\n  " + "\n  ".join(answers) + "\nRun again to continue, name another base "
        "URL in download.mirror, or put the files into data.root by hand and set download.enabled: false"
    )


def read_text(urls: tuple[str, ...], session: requests.Session, patience: Patience) -> str:
    """A small text (a listing, a pointer) from the first URL that gives it.

    Raises
    ------
    FetchError
        With what every URL answered.
    """
    answers = []
    for url in urls:
        try:
            with _get(session, url, patience.timeout_s, {}) as response:
                content = next(response.iter_content(MAX_TEXT_BYTES + 1), b"")
                if len(content) > MAX_TEXT_BYTES:
                    raise FetchError(f"more than {MAX_TEXT_BYTES} bytes; this should be a short text")
                return content.decode("utf-8")
        except (FetchError, UnicodeDecodeError, requests.RequestException) as error:
            answers.append(f"{url}: {error}")
    raise FetchError("; ".join(answers))


def check_space(folder: Path, n_bytes: float) -> None:
    """Raise `StageError` unless the disk under `folder` has room for `n_bytes` more."""
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if n_bytes + SPARE_BYTES > free:
        raise StageError(
            f"{folder}: {n_bytes / 1e9:.2f} GB are needed and {free / 1e9:.2f} GB are free; make room, or set "
            "data.root to a folder on a larger disk"
        )


def _get(session: requests.Session, url: str, timeout_s: float, headers: dict[str, str]) -> requests.Response:
    """The answer to a GET, its body unread; `FetchError` for anything but content."""
    try:
        response = session.get(fill_in(url), headers=headers, stream=True, timeout=timeout_s)
    except requests.RequestException as error:
        raise FetchError(f"no answer ({mask(str(error))})") from None  # its traceback would show the URL as asked for
    except ValueError as error:
        raise StageError(f"download.mirror: {error}") from None
    if response.status_code not in (200, 206, 416):
        response.close()
        raise FetchError(f"answers {response.status_code} {response.reason}")
    return response


@dataclass
class _Download:
    """pooch's downloader: ``.NAME.part`` grows until it is whole, over as many connections as it takes."""

    file: RemoteFile
    target: Path
    patience: Patience
    say: Say
    advance: Advance

    def __post_init__(self) -> None:
        self.part = self.target.with_name(f".{self.target.name}.part")
        self.note = self.target.with_name(f".{self.target.name}.part.json")
        self.session = self.patience.session()

    def __call__(self, url: str, output_file: str | os.PathLike[str], registry: Any) -> None:
        fruitless, furthest = 0, self._size()
        while True:
            try:
                self._stream(url)
                break
            except CUTS as error:
                fruitless = 0 if self._size() > furthest else fruitless + 1
                furthest = max(furthest, self._size())
                if fruitless == self.patience.attempts:
                    raise FetchError(f"cut {fruitless} times in a row at {furthest} bytes ({error})") from error
                time.sleep(min(self.patience.backoff_s * 2**fruitless, self.patience.max_wait_s))
            except FetchError:
                self._discard()
                raise
        os.replace(self.part, output_file)
        self.note.unlink(missing_ok=True)

    def _stream(self, url: str) -> None:
        """One connection: append to the part what is missing, or start it again where that is not possible."""
        start, headers = self._resume_at(url)
        with _get(self.session, url, self.patience.timeout_s, headers) as response:
            if response.status_code == 416 or (response.status_code == 206 and _first_byte(response) != start):
                self._discard()
                raise requests.exceptions.ConnectionError("the server cannot continue where the part ends")
            if start and response.status_code == 200:
                self.say(f"{self.file.path}: {url} gives no byte ranges or has changed; it starts again")
                self.advance(-start)
                start = 0
            total = _total(response)
            self._check_total(total)
            check_space(self.target.parent, (total or 0) - start)
            self._remember(url, response)
            self._write(response, start)
        if total is not None and self._size() < total:
            raise requests.exceptions.ConnectionError(f"{self._size()} of {total} bytes came")
        self._check_total(self._size())

    def _write(self, response: requests.Response, start: int) -> None:
        written = start
        with open(self.part, "ab" if start else "wb") as out:
            for chunk in response.iter_content(CHUNK_BYTES):
                fault = head_fault(chunk[:512]) if written == 0 else None
                if fault:
                    raise FetchError(fault)
                out.write(chunk)
                written += len(chunk)
                self.advance(len(chunk))
                if self.file.size_bytes is not None and written > self.file.size_bytes:
                    raise FetchError(f"sends more than the published {self.file.size_bytes} bytes")

    def _check_total(self, total: int | None) -> None:
        if None not in (total, self.file.size_bytes) and total != self.file.size_bytes:
            raise FetchError(f"has {total} bytes instead of the published {self.file.size_bytes}")

    def _resume_at(self, url: str) -> tuple[int, dict[str, str]]:
        """Where to continue, and the headers that ask for it: only for the same, unchanged file of the same server."""
        size = self._size()
        if not size or not self.note.is_file():
            return 0, {}
        note = json.loads(self.note.read_text(encoding="utf-8"))
        if note["url"] != url or note["validator"] is None:
            return 0, {}
        return size, {"Range": f"bytes={size}-", "If-Range": note["validator"]}

    def _remember(self, url: str, response: requests.Response) -> None:
        etag = response.headers.get("ETag", "")
        strong = etag if etag and not etag.startswith("W/") else None  # a weak one does not vouch for bytes
        write_text(self.note, json.dumps({"url": url, "validator": strong or response.headers.get("Last-Modified")}))

    def _size(self) -> int:
        return self.part.stat().st_size if self.part.is_file() else 0

    def _discard(self) -> None:
        self.advance(-self._size())
        self.part.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)


def _first_byte(response: requests.Response) -> int | None:
    unit, _, span = response.headers.get("Content-Range", "").partition(" ")
    first = span.partition("-")[0]
    return int(first) if unit == "bytes" and first.isdigit() else None


def _total(response: requests.Response) -> int | None:
    """Bytes of the whole file, as announced; None if nothing is announced."""
    if response.status_code == 206:
        total = response.headers.get("Content-Range", "").rpartition("/")[2]
    else:
        total = response.headers.get("Content-Length", "")
    return int(total) if total.isdigit() else None


def say_line(line: str) -> None:
    """Say a line at once, into a log file too."""
    print(mask(line), flush=True)
