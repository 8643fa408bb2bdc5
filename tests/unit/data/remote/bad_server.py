"""A real HTTP server on loopback whose files misbehave as they are told."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit


@dataclass
class Served:
    """A file and its faults.

    `cut_after`: bytes after which a connection is closed, for the first `cuts` connections. `ranges`: whether Range is
    understood. `announce`: a false Content-Length. `busy`: how many requests are answered 503 first.
    """

    content: bytes
    etag: str | None = '"1"'
    cut_after: int | None = None
    cuts: int = 1 << 30
    ranges: bool = True
    announce: int | None = None
    busy: int = 0
    status: int = 200
    requests: list[str | None] = field(default_factory=list)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        served = self.server.files.get(unquote(urlsplit(self.path).path).lstrip("/"))
        if served is None:
            self._answer(404, b"nothing here")
            return
        served.requests.append(self.headers.get("Range"))
        if len(served.requests) <= served.busy:
            self._answer(503, b"busy")
        elif served.status != 200:
            self._answer(served.status, b"refused")
        else:
            self._send(served)

    def _send(self, served: Served) -> None:
        start = 0
        asked, condition = self.headers.get("Range"), self.headers.get("If-Range")
        if asked and served.ranges and condition == served.etag:
            start = int(asked.removeprefix("bytes=").rstrip("-"))
            if start >= len(served.content):
                self._answer(416, b"")
                return
            self.send_response(206)
            last = len(served.content) - 1
            self.send_header("Content-Range", f"bytes {start}-{last}/{len(served.content)}")
        else:
            self.send_response(200)
        if served.etag:
            self.send_header("ETag", served.etag)
        body = served.content[start:]
        self.send_header("Content-Length", str(len(body) if served.announce is None else served.announce))
        self.end_headers()
        if served.cut_after is not None and served.cuts > 0:
            served.cuts -= 1
            body = body[: served.cut_after]
            self.close_connection = True
        self.wfile.write(body)

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Silent."""


@contextmanager
def serving(files: dict[str, Served]) -> Iterator[str]:
    """The base URL of a server of these files."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.files = files
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
