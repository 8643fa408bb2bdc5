"""`eap.data.remote.archive`: real zip and tar files, among them those that mean harm."""

import io
import stat
import tarfile
import zipfile

import pytest

from eap.data.remote.archive import folder_of, is_archive, unpack
from eap.stage import StageError


def _zip(path, members, compression=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, content in members:
            file.writestr(name, content)
    return path


def _tar(path, members):
    with tarfile.open(path, "w:gz" if path.name.endswith("gz") else "w") as file:
        for member, content in members:
            info = tarfile.TarInfo(member) if isinstance(member, str) else member
            info.size = len(content)
            file.addfile(info, io.BytesIO(content))
    return path


def _tree(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


MEMBERS = [("s1/a.mpg", b"a"), ("s1/deep/b c.mpg", b"b"), ("__MACOSX/s1/._a.mpg", b"x"), ("s1/._a.mpg", b"x")]


@pytest.mark.parametrize("name", ["s1.zip", "s1.tar", "s1.tar.gz"])
def test_plain_files_are_unpacked_and_macos_additions_left_out(tmp_path, name):
    archive = (_zip if name.endswith("zip") else _tar)(tmp_path / name, MEMBERS)
    assert unpack(archive, tmp_path / "s1", 1e6) == 2
    assert _tree(tmp_path / "s1") == {"s1/a.mpg": b"a", "s1/deep/b c.mpg": b"b"}
    assert archive.exists()


def test_remains_of_an_interrupted_run_do_not_matter(tmp_path):
    (tmp_path / ".s1.unpacking").mkdir()
    (tmp_path / ".s1.unpacking" / "half.mpg").write_bytes(b"x")
    unpack(_zip(tmp_path / "s1.zip", MEMBERS), tmp_path / "s1", 1e6)
    assert set(_tree(tmp_path / "s1")) == {"s1/a.mpg", "s1/deep/b c.mpg"}
    assert not (tmp_path / ".s1.unpacking").exists()


def _linked_zip(path):
    link = zipfile.ZipInfo("s1/link.mpg")
    link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    return _zip(path, [("s1/a.mpg", b"a"), (link, "/etc/passwd")])


def _linked_tar(path):
    link = tarfile.TarInfo("s1/link.mpg")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    return _tar(path, [("s1/a.mpg", b"a"), (link, b"")])


def _damaged(path):
    archive = _zip(path, [("a.mpg", b"content of a clip")], zipfile.ZIP_STORED)
    archive.write_bytes(archive.read_bytes().replace(b"content", b"c0ntent"))
    return archive


def _cut(path):
    archive = _tar(path, [("a.mpg", bytes(100_000))])
    archive.write_bytes(archive.read_bytes()[:50_000])
    return archive


@pytest.mark.parametrize(
    ("name", "make", "message"),
    [
        ("x.zip", lambda path: _zip(path, [("a.mpg", b"a"), ("../b.mpg", b"b")]), "leads out of the folder"),
        ("x.zip", lambda path: _zip(path, [("..\\b.mpg", b"b")]), "leads out of the folder"),
        ("x.zip", lambda path: _zip(path, [("C:/b.mpg", b"b")]), "leads out of the folder"),
        ("x.tar", lambda path: _tar(path, [("/tmp/b.mpg", b"b")]), "leads out of the folder"),
        ("x.zip", _linked_zip, "'s1/link.mpg' is a link"),
        ("x.tar", _linked_tar, "'s1/link.mpg' is a link"),
        ("x.zip", lambda path: _zip(path, [("a.mpg", bytes(2_000_000))]), r"more than 0\.001 GB.*max_extracted_gb"),
        ("x.tgz", lambda path: _tar(path, [(f"{i}.mpg", bytes(600_000)) for i in range(2)]), "max_extracted_gb"),
        ("x.zip", lambda path: _zip(path, [(f"{i}.mpg", b"") for i in range(300)]), "max_extracted_gb"),
        ("x.tar", lambda path: _tar(path, [("d/" * 300 + "a.mpg", b"")]), "max_extracted_gb"),
        ("x.zip", _damaged, "Bad CRC-32"),
        ("x.tar", _cut, "cannot|can be unpacked"),
        ("x.zip", lambda path: path.write_bytes(b"no archive") and path, "not a zip file"),
        ("x.zip", lambda path: _zip(path, [("a/b.mpg", b"b"), ("A", b"a"), ("a", b"a")]), "can be unpacked"),
    ],
)
def test_archives_that_are_refused_leave_nothing(tmp_path, name, make, message):
    archive = make(tmp_path / name)
    with pytest.raises(StageError, match=message):
        unpack(archive, tmp_path / "in" / "x", 1e6)
    assert not any((tmp_path / "in").iterdir())


def test_names():
    assert is_archive("Video_Speech_Actor_01.ZIP")
    assert not is_archive("a.mp4")
    assert folder_of("s1.tar.gz") == "s1"
