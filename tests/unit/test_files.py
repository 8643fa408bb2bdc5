"""Atomic outputs and names."""

from __future__ import annotations

from pathlib import Path

import pytest

from eap.files import atomic_path, safe_name, write_text


def test_a_finished_block_replaces_the_file(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "a.txt"
    write_text(path, "ä one")
    write_text(path, "two")
    assert path.read_text(encoding="utf-8") == "two"
    assert list(path.parent.iterdir()) == [path]


def test_a_failed_block_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")

    def fail() -> None:
        with atomic_path(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_temporary_file_is_hidden_beside_the_target_and_keeps_the_suffix(tmp_path: Path) -> None:
    with atomic_path(tmp_path / ("x" * 200 + ".mp4")) as temporary:
        assert temporary.parent == tmp_path
        assert temporary.suffix == ".mp4"
        assert temporary.name.startswith(".")
        temporary.write_bytes(b"")


def test_clip_ids_become_different_single_file_names() -> None:
    ids = ["a/b.mp4", "a%2Fb.mp4", "a b.mp4", "a_b.mp4", "ä.mp4", "../x"]
    names = [safe_name(clip_id) for clip_id in ids]
    assert len(set(names)) == len(ids)
    assert not any("/" in name for name in names)


def test_long_clip_ids_fit_a_file_system(tmp_path: Path) -> None:
    ids = ["a/" + "😀" * 60 + f"{end}.mp4" for end in "12"]
    names = [safe_name(clip_id) for clip_id in ids]
    assert names[0] != names[1]
    for name in names:
        write_text(tmp_path / f"{name}.json", "{}")
    assert len(list(tmp_path.iterdir())) == 2
