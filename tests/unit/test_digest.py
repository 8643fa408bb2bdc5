"""What counts as a change."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import eap.digest
from eap.digest import code_digest, file_sha256, git_sha, listing_digest, text_digest, value_digest


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], str]:
    """Write a module of a small stand-in package, and return the digest of `eap.stage`."""
    monkeypatch.setattr(eap.digest, "PACKAGE", tmp_path)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "__init__.py").write_text("")
    (tmp_path / "config.py").write_text("VALUE = 1\n")
    (tmp_path / "models" / "net.py").write_text("WIDTH = 3\n")
    (tmp_path / "other.py").write_text("X = 1\n")
    (tmp_path / "stage.py").write_text(
        '"""Doc."""\nfrom eap.config import VALUE\nfrom eap.models import net\n\n\ndef f():\n'
        '    """Doc."""\n    return net.WIDTH\n'
    )

    def write(name: str, text: str) -> str:
        (tmp_path / name).write_text(text)
        eap.digest._parse.cache_clear()
        return code_digest("eap.stage")

    yield write
    eap.digest._parse.cache_clear()


STAGE = "from eap.config import VALUE\nfrom eap.models import net\n\ndef f():\n    return net.WIDTH\n"


def test_comments_docstrings_and_blank_lines_do_not_count(package: Callable[[str, str], str]) -> None:
    before = package("other.py", "X = 1\n")
    assert package("stage.py", "# why\n\n" + STAGE) == before
    assert package("stage.py", '"""Another."""\n' + STAGE.replace("\n\n", "\n\n\n\n")) == before
    assert package("models/net.py", '"""A network."""\nWIDTH = 3  # narrow\n') == before


def test_code_counts_wherever_it_is_imported_from(package: Callable[[str, str], str]) -> None:
    before = package("other.py", "X = 1\n")
    assert package("other.py", "X = 2\n") == before, "not imported"
    assert package("config.py", "VALUE = 2\n") == before, "the stage's sections stand for it"
    assert package("models/net.py", "WIDTH = 4\n") != before
    assert package("models/net.py", "WIDTH = 3\n") == before
    assert package("stage.py", STAGE.replace("net.WIDTH", "net.WIDTH + 1")) != before


def test_a_strings_value_counts(package: Callable[[str, str], str]) -> None:
    assert package("models/net.py", 'WIDTH = "a"\n') != package("models/net.py", 'WIDTH = "b"\n')


def test_value_digest_ignores_key_order_only() -> None:
    assert value_digest({"a": 1, "b": [1, 2]}) == value_digest({"b": [1, 2], "a": 1})
    assert value_digest({"b": [1, 2]}) != value_digest({"b": [2, 1]})
    assert len(value_digest(None)) == 12


def test_digests_of_text_and_file_are_sha256(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"abc")
    assert file_sha256(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert text_digest("abc") == "ba7816bf8f01"


def test_listing_digest_sees_names_sizes_and_times(tmp_path: Path) -> None:
    root = tmp_path / "clips"
    absent = listing_digest(root)
    (root / "a").mkdir(parents=True)
    clip = root / "a" / "1.mp4"
    clip.write_bytes(b"x")
    os.utime(clip, ns=(10**18, 10**18))
    one = listing_digest(root)
    assert one != absent
    assert listing_digest(root) == one
    os.utime(clip, ns=(10**18, 10**18 + 1))
    assert listing_digest(root) != one
    os.utime(clip, ns=(10**18, 10**18))
    assert listing_digest(root) == one
    (root / "b.mp4").write_bytes(b"y")
    assert listing_digest(root) != one


def test_listing_digest_survives_links(tmp_path: Path) -> None:
    root = tmp_path / "clips"
    root.mkdir()
    (root / "up").symlink_to(root)
    (root / "gone.mp4").symlink_to(tmp_path / "absent.mp4")
    before = listing_digest(root)
    (tmp_path / "absent.mp4").write_bytes(b"x")
    assert listing_digest(root) != before


def test_listing_digest_through_a_linked_root_is_the_folders_own(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "1.mp4").write_bytes(b"x")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert listing_digest(tmp_path / "link") == listing_digest(tmp_path / "real")


def test_git_sha_says_dirty_and_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eap.digest, "PACKAGE", tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    git_sha.cache_clear()
    try:
        assert git_sha() == "unknown"
        git = ["git", "-C", str(tmp_path), "-c", "user.name=n", "-c", "user.email=e@example.org"]
        (tmp_path / "f.py").write_text("1\n")
        for command in (["init", "-q"], ["add", "f.py"], ["commit", "-q", "-m", "m"]):
            subprocess.run([*git, *command], check=True)
        git_sha.cache_clear()
        clean = git_sha()
        assert len(clean) == 40
        (tmp_path / "f.py").write_text("2\n")
        git_sha.cache_clear()
        assert git_sha() == clean + "-dirty"
    finally:
        git_sha.cache_clear()
