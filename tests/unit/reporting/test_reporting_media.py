"""Media are embedded byte for byte, or refused by name."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from eap.reporting.media import data_uri
from eap.stage import StageError


def test_data_uri_holds_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"\x00\xffvideo")
    head, _, body = data_uri(path).partition(",")
    assert head == "data:video/mp4;base64"
    assert base64.b64decode(body) == b"\x00\xffvideo"


@pytest.mark.parametrize(("name", "message"), [("a.avi", "embeds .mp4"), ("b.mp4", "missing")])
def test_data_uri_refuses(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(StageError, match=rf"{name}.*{message}"):
        data_uri(tmp_path / name)
