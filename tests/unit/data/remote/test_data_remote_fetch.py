"""`eap.data.remote.fetch` against a real server that cuts, lies, refuses and serves other bytes than published."""

import hashlib
import socket

import numpy as np
import pytest
from bad_server import Served, serving

from eap.data.remote.fetch import CHUNK_BYTES, FetchError, Patience, RemoteFile, check_space, fetch, read_text, say_line
from eap.stage import StageError

CONTENT = np.random.default_rng(0).bytes(5 * CHUNK_BYTES + 123)
SIZE = len(CONTENT)
SHA256 = "sha256:" + hashlib.sha256(CONTENT).hexdigest()
MD5 = "md5:" + hashlib.md5(CONTENT).hexdigest()
QUICK = Patience(attempts=3, backoff_s=0.001, timeout_s=5)


def _fetch(tmp_path, *urls, size=SIZE, digest=SHA256, said=None):
    target = tmp_path / "a.mp4"
    say = said.append if said is not None else lambda text: None
    return fetch(RemoteFile("a.mp4", urls, size, digest), target, QUICK, say)


def _left(tmp_path):
    return sorted(path.name for path in tmp_path.iterdir())


@pytest.mark.parametrize("digest", [SHA256, MD5, None])
def test_whole_and_as_published(tmp_path, digest):
    with serving({"a.mp4": Served(CONTENT)}) as base:
        assert _fetch(tmp_path, f"{base}/a.mp4", digest=digest) == f"{base}/a.mp4"
    assert (tmp_path / "a.mp4").read_bytes() == CONTENT
    assert _left(tmp_path) == ["a.mp4"]


def test_a_cut_connection_is_continued_where_it_broke(tmp_path):
    served = Served(CONTENT, cut_after=2 * CHUNK_BYTES)
    with serving({"a.mp4": served}) as base:
        _fetch(tmp_path, f"{base}/a.mp4")
    assert (tmp_path / "a.mp4").read_bytes() == CONTENT
    assert served.requests[0] is None
    starts = [int(asked.removeprefix("bytes=").rstrip("-")) for asked in served.requests[1:]]
    assert starts == sorted(starts)
    assert len(starts) == len(set(starts)) >= 2


def test_the_next_run_continues_what_a_killed_one_left(tmp_path):
    served = Served(CONTENT, cut_after=2 * CHUNK_BYTES, cuts=1)
    with serving({"a.mp4": served}) as base:
        served.status = 200
        (tmp_path / ".a.mp4.part").write_bytes(CONTENT[: 3 * CHUNK_BYTES])
        (tmp_path / ".a.mp4.part.json").write_text(f'{{"url": "{base}/a.mp4", "validator": "\\"1\\""}}')
        served.cuts = 0
        _fetch(tmp_path, f"{base}/a.mp4")
    assert served.requests == [f"bytes={3 * CHUNK_BYTES}-"]
    assert (tmp_path / "a.mp4").read_bytes() == CONTENT


def test_a_file_that_changed_on_the_server_starts_again(tmp_path):
    said = []
    with serving({"a.mp4": Served(CONTENT, etag='"2"')}) as base:
        (tmp_path / ".a.mp4.part").write_bytes(b"x" * CHUNK_BYTES)
        (tmp_path / ".a.mp4.part.json").write_text(f'{{"url": "{base}/a.mp4", "validator": "\\"1\\""}}')
        _fetch(tmp_path, f"{base}/a.mp4", digest=None, said=said)
    assert (tmp_path / "a.mp4").read_bytes() == CONTENT
    assert "starts again" in said[0]


def test_a_server_without_ranges_starts_again_and_says_so(tmp_path):
    said = []
    served = Served(CONTENT, ranges=False, cut_after=3 * CHUNK_BYTES, cuts=1)
    with serving({"a.mp4": served}) as base:
        _fetch(tmp_path, f"{base}/a.mp4", said=said)
    assert (tmp_path / "a.mp4").read_bytes() == CONTENT
    assert "gives no byte ranges" in said[0]


def test_a_part_that_is_longer_than_the_file_starts_again(tmp_path):
    with serving({"a.mp4": Served(CONTENT)}) as base:
        (tmp_path / ".a.mp4.part").write_bytes(CONTENT + b"more")
        (tmp_path / ".a.mp4.part.json").write_text(f'{{"url": "{base}/a.mp4", "validator": "\\"1\\""}}')
        _fetch(tmp_path, f"{base}/a.mp4")
    assert (tmp_path / "a.mp4").read_bytes() == CONTENT


def test_cuts_without_progress_end_and_keep_the_part(tmp_path):
    served = Served(CONTENT, cut_after=0)
    with serving({"a.mp4": served}) as base, pytest.raises(StageError, match="cut 3 times in a row at 0 bytes"):
        _fetch(tmp_path, f"{base}/a.mp4")
    assert not (tmp_path / "a.mp4").exists()


def test_a_busy_server_is_asked_again(tmp_path):
    served = Served(CONTENT, busy=2)
    with serving({"a.mp4": served}) as base:
        _fetch(tmp_path, f"{base}/a.mp4")
    assert len(served.requests) == 3


@pytest.mark.parametrize(
    ("served", "answer"),
    [
        (Served(CONTENT[:-1] + b"?"), "does not match the known hash"),
        (Served(CONTENT + b"more"), f"has {len(CONTENT) + 4} bytes instead of the published {len(CONTENT)}"),
        (Served(CONTENT, announce=len(CONTENT) - 7), "bytes instead of the published"),
        (Served(b"<!DOCTYPE html><p>Log in", announce=None), "bytes instead of the published"),
        (Served(CONTENT, status=403), "answers 403 Forbidden"),
        (Served(CONTENT, busy=99), "answers 503 Service Unavailable"),
    ],
)
def test_a_wrong_answer_is_told_and_the_next_mirror_tried(tmp_path, served, answer):
    said = []
    with serving({"bad/a.mp4": served, "good/a.mp4": Served(CONTENT)}) as base:
        assert _fetch(tmp_path, f"{base}/bad/a.mp4", f"{base}/good/a.mp4", said=said) == f"{base}/good/a.mp4"
        (tmp_path / "a.mp4").unlink()
        served.requests.clear()
        with pytest.raises(StageError) as caught:
            _fetch(tmp_path, f"{base}/bad/a.mp4", f"{base}/absent.mp4")
    assert answer in said[0]
    assert answer in str(caught.value)
    assert "answers 404 Not Found" in str(caught.value)
    assert "download.mirror" in str(caught.value)
    assert _left(tmp_path) == []


@pytest.mark.parametrize(
    ("content", "answer"),
    [
        (b"\n<html><body>Sign in to continue", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "Git LFS pointer"),
    ],
)
def test_web_pages_and_pointers_are_no_clips_even_where_nothing_is_published(tmp_path, content, answer):
    with serving({"a.mp4": Served(content)}) as base, pytest.raises(StageError, match=answer):
        _fetch(tmp_path, f"{base}/a.mp4", size=None, digest=None)
    assert _left(tmp_path) == []


def test_no_server_at_all(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(StageError, match="no answer"):
        _fetch(tmp_path, f"http://127.0.0.1:{port}/a.mp4")


def test_no_room_on_the_disk(tmp_path):
    with pytest.raises(StageError, match=r"1000000000\.00 GB are needed.*data\.root"):
        check_space(tmp_path, 1e18)


def test_short_texts_come_from_the_first_that_has_them():
    with serving({"b.json": Served(b"{}")}) as base:
        session = QUICK.session()
        assert read_text((f"{base}/a.json", f"{base}/b.json"), session, QUICK) == "{}"
        with pytest.raises(FetchError, match="404"):
            read_text((f"{base}/a.json",), session, QUICK)


def test_a_token_reaches_the_server_and_nothing_else(tmp_path, monkeypatch, capsys):
    """It is asked for by name, so that neither what is returned nor what is said or left behind holds it."""
    monkeypatch.setenv("EAP_TEST_TOKEN", "s3cret")
    said = []
    with serving({"s3cret/a.mp4": Served(CONTENT)}) as base:
        url = f"{base}/${{EAP_TEST_TOKEN}}/a.mp4"
        assert _fetch(tmp_path, f"{base}/${{EAP_TEST_TOKEN}}/b.mp4", url, said=said) == url
    assert (tmp_path / "a.mp4").read_bytes() == CONTENT
    with pytest.raises(StageError) as caught:  # nobody listens there any more
        _fetch(tmp_path / "again", url)
    for line in (*said, str(caught.value)):
        say_line(line)
    assert "404" in said[0]
    assert "s3cret" not in "".join(said) + str(caught.value) + capsys.readouterr().out
    assert not any(b"s3cret" in path.read_bytes() for path in tmp_path.rglob("*.json"))


def test_a_token_that_is_not_set_is_named(tmp_path):
    with pytest.raises(StageError, match=r"download\.mirror: .*variable EAP_TEST_ABSENT is not set"):
        _fetch(tmp_path, "http://${EAP_TEST_ABSENT}@localhost/a.mp4")
