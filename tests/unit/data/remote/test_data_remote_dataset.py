"""`eap.data.remote.dataset`: whole datasets from a loopback server laid out as their sources are."""

import hashlib
import io
import json
import zipfile

import pytest
from bad_server import Served, serving
from media_files import CLIPS, sections

from eap.data.catalog import build_catalog
from eap.data.download import list_source
from eap.data.remote.dataset import Limits, fetch_dataset, read_lock, url_of
from eap.data.remote.fetch import Patience
from eap.data.remote.sources import CREMA_D, GRID, LfsRepository, Source, ZenodoRecord, parse_pointer, ravdess
from eap.schemas import read_table
from eap.stage import StageError

QUICK = Patience(attempts=2, backoff_s=0.001, timeout_s=5)
LIMITS = Limits(None, 1e9, QUICK)
NAMES = [path.stem for path in sorted((CLIPS / "crema_d").glob("*.flv"))] if CLIPS.is_dir() else []


def _zip(members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def _zenodo(base: str, contents: dict[str, bytes], **published: str) -> tuple[Source, dict[str, Served]]:
    """A record and what a server of it serves; `published` replaces the record's MD5 of a file."""
    listing = [
        {"key": name, "size": len(body), "checksum": "md5:" + published.get(name, hashlib.md5(body).hexdigest())}
        for name, body in contents.items()
    ]
    files = {f"records/7/files/{name}": Served(body) for name, body in contents.items()}
    files["api/records/7"] = Served(json.dumps({"files": listing}).encode())
    home = ZenodoRecord(7, tuple(contents), r"(s\d+|alignments)\.zip", base)
    return Source("Small", "CC0", "Cite nobody.", home), files


@pytest.fixture
def server():
    """A server whose files are added later."""
    files: dict[str, Served] = {}
    with serving(files) as base:
        yield base, files


GRID_PARTS = {
    "s1.zip": _zip({"s1/bbaf2n.mpg": b"clip one"}),
    "s2.zip": _zip({"s2/bbaf3s.mpg": b"clip two"}),
    "alignments.zip": _zip({"alignments/s1/bbaf2n.align": b"0 5 sil\n5 9 bin\n"}),
}


def test_a_zenodo_record_is_fetched_checked_unpacked_and_recorded(tmp_path, server):
    base, files = server
    source, served = _zenodo(base, GRID_PARTS | {"readme.pdf": b"not wanted"})
    files.update(served)
    said: list[str] = []
    lock = fetch_dataset(source, tmp_path, LIMITS, said.append)
    assert (tmp_path / "s1/s1/bbaf2n.mpg").read_bytes() == b"clip one"
    assert (tmp_path / "alignments/alignments/s1/bbaf2n.align").exists()
    assert not (tmp_path / "readme.pdf").exists()
    assert not list((tmp_path / ".download").iterdir())
    assert "CC0" in said[0]
    assert lock == read_lock(tmp_path)
    assert lock["licence"] == "CC0"
    assert lock["files"]["s1.zip"]["published"] == "md5:" + hashlib.md5(GRID_PARTS["s1.zip"]).hexdigest()
    assert lock["files"]["s1.zip"]["sha256"] == hashlib.sha256(GRID_PARTS["s1.zip"]).hexdigest()
    assert url_of("s1/s1/bbaf2n.mpg", lock) == f"{base}/records/7/files/s1.zip?download=1"
    assert url_of("mine/a.mpg", lock) is None


def test_a_second_run_fetches_nothing_and_an_interrupted_one_only_the_rest(tmp_path, server):
    base, files = server
    source, served = _zenodo(base, GRID_PARTS)
    files.update(served)
    served["records/7/files/s2.zip"].status = 404
    with pytest.raises(StageError, match=r"s2\.zip could not be fetched"):
        fetch_dataset(source, tmp_path, LIMITS, lambda text: None)
    served["records/7/files/s2.zip"].status = 200
    fetch_dataset(source, tmp_path, LIMITS, lambda text: None)
    fetch_dataset(source, tmp_path, LIMITS, lambda text: None)
    assert (tmp_path / "s2/s2/bbaf3s.mpg").exists()
    assert len(served["records/7/files/s1.zip"].requests) == 1
    assert len(served["records/7/files/s2.zip"].requests) == 2


def test_a_digest_that_does_not_fit_keeps_nothing(tmp_path, server):
    base, files = server
    source, served = _zenodo(base, {"s1.zip": GRID_PARTS["s1.zip"]}, **{"s1.zip": "0" * 32})
    files.update(served)
    with pytest.raises(StageError, match="does not match the known hash"):
        fetch_dataset(source, tmp_path, LIMITS, lambda text: None)
    assert not (tmp_path / "s1").exists()
    assert read_lock(tmp_path)["files"] == {}


def test_without_published_digests_the_first_download_is_recorded_and_the_next_checked(tmp_path, server):
    base, files = server
    source, served = _zenodo(base, {"s1.zip": GRID_PARTS["s1.zip"]})
    files.update(served)
    del files["api/records/7"]
    said: list[str] = []
    fetch_dataset(source, tmp_path, LIMITS, said.append)
    assert "recorded in data.root and checked from then on" in said[1]
    assert read_lock(tmp_path)["files"]["s1.zip"]["published"] is None
    (tmp_path / "s1").rename(tmp_path / "elsewhere")
    files["records/7/files/s1.zip"] = Served(_zip({"s1/bbaf2n.mpg": b"clip 0ne"}))
    with pytest.raises(StageError, match="does not match the known hash"):
        fetch_dataset(source, tmp_path, LIMITS, lambda text: None)


def test_a_folder_of_the_user_is_taken_as_it_is(tmp_path, server):
    base, files = server
    source, served = _zenodo(base, {"s1.zip": GRID_PARTS["s1.zip"]})
    files.update(served)
    (tmp_path / "s1").mkdir()
    (tmp_path / "s1" / "own.mpg").write_bytes(b"own")
    said: list[str] = []
    fetch_dataset(source, tmp_path, LIMITS, said.append)
    assert any("it is taken as it is" in text for text in said)
    assert [path.name for path in (tmp_path / "s1").iterdir()] == ["own.mpg"]


def test_an_archive_that_waits_is_unpacked_without_another_download(tmp_path, server):
    base, files = server
    source, served = _zenodo(base, {"s1.zip": GRID_PARTS["s1.zip"]})
    files.update(served)
    with pytest.raises(StageError, match="max_extracted_gb"):
        fetch_dataset(source, tmp_path, Limits(None, 3, QUICK), lambda text: None)
    fetch_dataset(source, tmp_path, LIMITS, lambda text: None)
    assert len(served["records/7/files/s1.zip"].requests) == 1
    assert (tmp_path / "s1/s1/bbaf2n.mpg").exists()


def _crema(base: str) -> tuple[Source, dict[str, Served]]:
    """The six real clips as GitHub serves the repository: pointers on one host, contents on the other."""
    files = {"raw/O/R/master/SentenceFilenames.csv": Served(_index())}
    for name in NAMES:
        content = (CLIPS / "crema_d" / f"{name}.flv").read_bytes()
        pointer = f"oid sha256:{hashlib.sha256(content).hexdigest()}\nsize {len(content)}\n"
        files[f"raw/O/R/master/VideoFlash/{name}.flv"] = Served(
            b"version https://git-lfs.github.com/spec/v1\n" + pointer.encode()
        )
        files[f"media/O/R/master/VideoFlash/{name}.flv"] = Served(content, cut_after=100_000, cuts=2)
    home = LfsRepository("O/R", "SentenceFilenames.csv", "VideoFlash", "master", f"{base}/raw", f"{base}/media")
    return Source("CREMA-D", "ODbL", "Cite.", home), files


def _index() -> bytes:
    return "\n".join(['"Stimulus_Number","Filename"', *(f'{i},"{name}"' for i, name in enumerate(NAMES))]).encode()


def test_an_lfs_repository_gives_the_real_clips_despite_cuts(tmp_path, server):
    base, files = server
    source, served = _crema(base)
    files.update(served)
    lock = fetch_dataset(source, tmp_path, LIMITS, lambda text: None)
    for name in NAMES:
        assert (tmp_path / f"VideoFlash/{name}.flv").read_bytes() == (CLIPS / f"crema_d/{name}.flv").read_bytes()
        assert lock["files"][f"VideoFlash/{name}.flv"]["published"].startswith("sha256:")
    fetch_dataset(source, tmp_path, LIMITS, lambda text: None)
    assert len(served[f"raw/O/R/master/VideoFlash/{NAMES[0]}.flv"].requests) == 1


def test_a_clip_of_the_user_that_differs_is_never_replaced(tmp_path, server):
    base, files = server
    source, served = _crema(base)
    files.update(served)
    own = tmp_path / f"VideoFlash/{NAMES[0]}.flv"
    own.parent.mkdir()
    own.write_bytes(b"edited")
    with pytest.raises(StageError, match=r"has 6 bytes instead of .* not replaced: move it away"):
        fetch_dataset(source, tmp_path, LIMITS, lambda text: None)
    assert own.read_bytes() == b"edited"


def test_a_mirror_serves_the_stages_and_the_catalog_names_it(tmp_path, server, monkeypatch):
    """The stages as the workflow calls them; nothing but the mirror can be reached."""
    base, files = server
    files["SentenceFilenames.csv"] = Served(_index())
    for name in NAMES:
        files[f"VideoFlash/{name}.flv"] = Served((CLIPS / "crema_d" / f"{name}.flv").read_bytes())
    home = LfsRepository("O/R", "SentenceFilenames.csv", "VideoFlash", "master", f"{base}/no", f"{base}/no")
    monkeypatch.setattr("eap.data.download.source_of", lambda data: Source("CREMA-D", "ODbL", "Cite.", home))
    overrides = {"data": {"dataset": "crema_d"}, "download": {"enabled": True, "mirror": f"{base}/"}}
    root = tmp_path / "crema"
    list_source(sections("download", root, overrides), tmp_path / "i.parquet")
    build_catalog(sections("catalog", root, overrides), tmp_path / "i.parquet", tmp_path / "c.parquet")
    table = read_table(tmp_path / "c.parquet", "catalog")
    assert list(table.status) == ["listed"] * 6
    assert list(table.url) == [f"{base}/VideoFlash/{name}.flv" for name in NAMES]


def test_the_sources_as_written_down():
    assert len(ravdess(False).home.names) == 24
    assert len(ravdess(True).home.names) == 47
    assert "s21.zip" not in GRID.home.names
    assert len(GRID.home.names) == 34
    said: list[str] = []
    (first, *_) = GRID.home.files("http://mirror", set(), lambda urls: '{"files": []}', said.append)
    assert "none of its 0 files" in said[0]
    assert first.urls[0] == "http://mirror/alignments.zip"
    (first, *_) = GRID.home.files(None, set(), _unreachable, said.append)
    assert "unreachable" in said[1]
    assert first.urls == ("https://zenodo.org/records/3625687/files/alignments.zip?download=1",)
    assert CREMA_D.home.repository == "CheyneyComputerScience/CREMA-D"


def _unreachable(urls):
    raise ValueError("unreachable")


def test_a_pointer_is_read_or_refused():
    text = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'a' * 64}\nsize 12\n"
    assert parse_pointer(text) == (12, "sha256:" + "a" * 64)
    with pytest.raises(ValueError, match="no Git LFS pointer"):
        parse_pointer("FLV\x01")


def test_a_damaged_record_names_the_remedy(tmp_path):
    (tmp_path / "download.json").write_text("{")
    with pytest.raises(StageError, match="move it away"):
        read_lock(tmp_path)


def test_after_a_fault_nothing_else_is_begun_and_what_came_is_recorded(tmp_path, server):
    base, files = server
    parts = {f"s{n}.zip": _zip({f"s{n}/bbaf2n.mpg": bytes([n])}) for n in range(1, 34)}
    source, served = _zenodo(base, parts)
    files.update(served)
    served["records/7/files/s10.zip"].status = 404  # the second in order
    with pytest.raises(StageError, match=r"s10\.zip could not be fetched"):
        fetch_dataset(source, tmp_path, LIMITS, lambda text: None)
    came = {path.name for path in tmp_path.iterdir() if path.is_dir() and not path.name.startswith(".")}
    assert came == {name.removesuffix(".zip") for name in read_lock(tmp_path)["files"]}
    assert len(came) < 30
