"""`eap.data.download`: what is found, in which order, and what is said when nothing is."""

import hashlib
from pathlib import Path

import pytest
from media_files import sections

from eap.data.download import list_source
from eap.data.listing import content_fault
from eap.schemas import read_table
from eap.stage import StageError

ODD_NAMES = ["a b/c d.mp4", "ünï/çödé.MPG", 'it\'s "q".flv', "100%d #1.avi", "日本/話.MKV", "new\nline.mov", "a:b.webm"]


def _list(root: Path, out: Path, **data):
    list_source(sections("download", root, {"data": data}), out)
    return read_table(out, "inventory")


def test_lists_odd_names_sorted_with_size_and_digest(tmp_path):
    root = tmp_path / "clips"
    for i, name in enumerate(ODD_NAMES):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(bytes(i))
    (root / "notes.txt").write_text("not a clip")
    (root / ".hidden.mp4").write_bytes(b"x")
    (root / ".cache").mkdir()
    (root / ".cache" / "x.mp4").write_bytes(b"x")
    table = _list(root, tmp_path / "inventory.parquet")
    assert list(table.path) == sorted(ODD_NAMES)
    for row in table.itertuples():
        i = ODD_NAMES.index(row.path)
        assert row.size_bytes == i
        assert row.sha256 == hashlib.sha256(bytes(i)).hexdigest()


def test_lists_the_manifest_too(tmp_path):
    root = tmp_path / "clips"
    root.mkdir()
    (root / "z.mp4").write_bytes(b"z")
    (root / "manifest.csv").write_text("path\nz.mp4\n")
    table = _list(root, tmp_path / "inventory.parquet", manifest="manifest.csv")
    assert list(table.path) == ["manifest.csv", "z.mp4"]


def test_follows_a_linked_root_and_survives_a_circle(tmp_path):
    real = tmp_path / "real"
    (real / "s1").mkdir(parents=True)
    (real / "s1" / "a.mp4").write_bytes(b"a")
    (real / "s1" / "again").symlink_to(real)
    (tmp_path / "link").symlink_to(real)
    assert list(_list(tmp_path / "link", tmp_path / "inventory.parquet").path) == ["s1/a.mp4"]


def test_a_link_without_target_is_listed_without_content(tmp_path):
    root = tmp_path / "clips"
    root.mkdir()
    (root / "a.mp4").write_bytes(b"a")
    (root / "gone.mp4").symlink_to(tmp_path / "nowhere")
    table = _list(root, tmp_path / "inventory.parquet").set_index("path")
    assert table.size_bytes["a.mp4"] == 1
    assert table.size_bytes.isna()["gone.mp4"]
    assert "target is absent" in content_fault(root / "gone.mp4", table.size_bytes["gone.mp4"])


@pytest.mark.parametrize("make", [lambda root: None, lambda root: root.mkdir()])
def test_absent_or_empty_folder_names_the_remedy(tmp_path, make):
    root = tmp_path / "clips"
    make(root)
    with pytest.raises(StageError, match=r"make demo CLIPS=folder.*data\.root"):
        _list(root, tmp_path / "inventory.parquet")
    assert not (tmp_path / "inventory.parquet").exists()


def test_a_name_that_is_not_unicode_is_refused_by_name(tmp_path):
    root = tmp_path / "clips"
    root.mkdir()
    (root / "bad\udcff.mp4").write_bytes(b"x")
    with pytest.raises(StageError, match="not valid Unicode"):
        _list(root, tmp_path / "inventory.parquet")


@pytest.mark.parametrize(
    ("dataset", "remedy"),
    [
        ("crema_d", "download.enabled: true to fetch it there, with which you accept its licence"),
        ("grid", "download.enabled: true"),
        ("mead", "MEAD may not be passed on: ask its authors"),
    ],
)
def test_the_remedy_of_an_empty_folder_depends_on_the_dataset(tmp_path, dataset, remedy):
    (tmp_path / "clips").mkdir()
    with pytest.raises(StageError, match=remedy):
        _list(tmp_path / "clips", tmp_path / "inventory.parquet", dataset=dataset)
