"""`eap.data.catalog`: labels from manifest or folders; whatever cannot be used is set aside with its reason."""

import hashlib
from pathlib import Path

import pandas as pd
import pytest
from media_files import CLIPS, sections

from eap.data.catalog import build_catalog, shard_of
from eap.data.download import list_source
from eap.data.layout import PreparedData
from eap.digest import text_digest
from eap.schemas import read_table
from eap.stage import StageError


def _catalog(root: Path, tmp_path: Path, **overrides) -> pd.DataFrame:
    overrides = {"data": overrides.pop("data", {}), **overrides}
    list_source(sections("download", root, overrides), tmp_path / "inventory.parquet")
    build_catalog(sections("catalog", root, overrides), tmp_path / "inventory.parquet", tmp_path / "catalog.parquet")
    return read_table(tmp_path / "catalog.parquet", "catalog").set_index("clip_id")


@pytest.fixture
def root(tmp_path):
    """Five small files: content does not matter to the catalog."""
    folder = tmp_path / "clips"
    for name in ("s1/a.mp4", "s1/b.mp4", "s2/c d.mp4", "s2/é.mp4", "top.mp4"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"content of " + name.encode())
    return folder


def _manifest(root: Path, text: str) -> dict:
    (root / "manifest.csv").write_text(text, encoding="utf-8")
    return {"manifest": "manifest.csv"}


def test_the_real_manifest(tmp_path):
    table = _catalog(CLIPS, tmp_path, data={"manifest": "manifest.csv", "shards": 5})
    assert len(table) == 24
    assert set(table.status) == {"listed"}
    others = ("F1", "F2", "F3", "M1", "M2")
    assert set(table.speaker_id) == {"1001", "grid_s1", "grid_s2", *(f"grid_unk_{x}" for x in others)}
    assert table.emotion["crema_d/1001_DFA_DIS_XX.flv"] == "disgusted"
    assert table.labelled.all()
    assert table.sentence["grid/s1_bbaf2n.mpg"] == "bin blue at f two now"
    assert table.licence["crema_d/1001_DFA_ANG_XX.flv"].startswith("ODbL")
    assert list(table.shard) == [int(text_digest(clip_id), 16) % 5 for clip_id in table.index]
    assert list(table.index) == sorted(table.index)


def test_without_a_manifest_folders_name_the_speakers(root, tmp_path):
    table = _catalog(root, tmp_path)
    assert dict(table.speaker_id) == {
        "s1/a.mp4": "s1",
        "s1/b.mp4": "s1",
        "s2/c d.mp4": "s2",
        "s2/é.mp4": "s2",
        "top.mp4": "clips",
    }
    assert set(table.emotion) == {"neutral"}
    assert not table.labelled.any()


def test_an_absent_manifest_names_the_remedy(root, tmp_path):
    with pytest.raises(StageError, match=r"data\.manifest.*null"):
        _catalog(root, tmp_path, data={"manifest": "absent.csv"})


def test_each_reason(root, tmp_path):
    digest = hashlib.sha256(b"content of s1/a.mp4").hexdigest()
    (root / "s2" / "copy.mp4").write_bytes(b"content of s1/a.mp4")
    (root / "s2" / "unmentioned.mp4").write_bytes(b"unmentioned")
    data = _manifest(
        root,
        "path,speaker,emotion,sha256\n"
        f"s1/a.mp4,p,Happiness,{digest.upper()}\n"
        f"s1/b.mp4,p,anger,{'0' * 64}\n"
        "s2/c d.mp4,p,bored,\n"
        "s2/é.mp4,p,contempt,\n"
        "top.mp4,,sad,\n"
        "s2/copy.mp4,p,sad,\n"
        "s9/gone.mp4,p,sad,\n",
    )
    table = _catalog(root, tmp_path, data=data)
    reasons = dict(table.reason)
    assert table.status["s1/a.mp4"] == "listed"
    assert table.emotion["s1/a.mp4"] == "happy"
    assert "sha256 differs from the manifest" in reasons["s1/b.mp4"]
    assert "unknown emotion 'bored'" in reasons["s2/c d.mp4"]
    assert "'contempt' is not among the config's emotions" in reasons["s2/é.mp4"]
    assert "names no speaker" in reasons["top.mp4"]
    assert reasons["s2/copy.mp4"] == "the same bytes as 's1/a.mp4'"
    assert "no such clip" in reasons["s9/gone.mp4"]
    assert "does not mention" in reasons["s2/unmentioned.mp4"]
    assert (table.status == "set_aside").sum() == 7
    assert table.index.is_unique
    assert table.shard.isna().sum() == 7
    assert table.emotion.isna().sum() == 1  # only the unknown one has none


@pytest.mark.parametrize(
    ("path", "audio"),
    [
        ("../outside.mp4", ""),
        ("s1/../../outside.mp4", ""),
        ("/etc/outside.mp4", ""),
        ("C:\\outside.mp4", ""),
        ("s1/a.mp4", "../outside.wav"),
        ("s1/a.mp4", "/etc/passwd"),
        ("s1/a.mp4", "..\\outside.wav"),
    ],
)
def test_a_manifest_that_leads_out_of_the_folder_is_not_followed(root, tmp_path, path, audio):
    for name in ("outside.mp4", "outside.wav"):
        (tmp_path / name).write_bytes(b"content")
    table = _catalog(root, tmp_path, data=_manifest(root, f"path,speaker,audio\n{path},p,{audio}\n"))
    refused = table[table.reason.fillna("").str.contains("leads out of data.root")]
    assert len(refused) == 1
    assert set(refused.status) == {"set_aside"}
    assert not (table.status == "listed").any()


def test_a_file_above_the_limit_is_set_aside_unread(root, tmp_path):
    with open(root / "s1" / "huge.mp4", "wb") as file:
        file.truncate(2_000_001)
    table = _catalog(root, tmp_path, data={"max_clip_mb": 2})
    assert table.reason["s1/huge.mp4"] == "a file of 2 MB; 2 MB at most (data.max_clip_mb)"
    assert (table.status == "listed").sum() == 5


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "0 bytes"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n", "Git LFS pointer"),
        (b"\n<!DOCTYPE html><html><body>Please log in</body></html>", "web page"),
    ],
)
def test_files_that_are_no_media(root, tmp_path, content, reason):
    (root / "s1" / "bad.mp4").write_bytes(content)
    table = _catalog(root, tmp_path)
    assert reason in table.reason["s1/bad.mp4"]
    assert (table.status == "listed").sum() == 5


def test_an_empty_emotion_is_neutral_and_unlabelled(root, tmp_path):
    table = _catalog(root, tmp_path, data=_manifest(root, "path,identity,emotion\ns1/a.mp4,p,\ns1/b.mp4,p,neutral\n"))
    assert dict(table.labelled[["s1/a.mp4", "s1/b.mp4"]]) == {"s1/a.mp4": False, "s1/b.mp4": True}
    assert set(table.emotion[["s1/a.mp4", "s1/b.mp4"]]) == {"neutral"}


def test_names_match_in_either_unicode_form_and_with_backslashes(root, tmp_path):
    table = _catalog(root, tmp_path, data=_manifest(root, "path,identity\ns2/e\u0301.mp4,p\ns1\\a.mp4,p\n"))
    assert table.status["s2/é.mp4"] == "listed"
    assert table.status["s1/a.mp4"] == "listed"


@pytest.mark.parametrize(
    ("text", "message"),
    [("file,identity\na,b\n", "no column 'path'"), ("path\ns1/a.mp4\ns1/a.mp4\n", "more than once"), ("", "not a CSV")],
)
def test_a_manifest_that_cannot_be_understood(root, tmp_path, text, message):
    with pytest.raises(StageError, match=message):
        _catalog(root, tmp_path, data=_manifest(root, text))


def test_a_listing_is_written_only_if_it_changes(tmp_path):
    root = tmp_path / "clips"
    names = [f"ann/{i}.mp4" for i in range(8)]
    data = PreparedData(tmp_path)

    def listings() -> dict[int, tuple[int, list[str]]]:
        _catalog(root, tmp_path, data={"shards": 3})
        paths = {shard: data.shard("listing", shard) for shard in range(3)}
        return {s: (p.stat().st_mtime_ns, list(read_table(p, "listing").clip_id)) for s, p in paths.items()}

    def add(name: str, content: bytes) -> None:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)

    for name in names:
        add(name, name.encode())
    before = listings()
    assert sorted(clip for _, clips in before.values() for clip in clips) == names
    assert listings() == before
    add("ann/new.mp4", b"new")
    after = listings()
    changed = [shard for shard in range(3) if before[shard] != after[shard]]
    assert changed == [shard_of("ann/new.mp4", 3)]
    assert set(after[changed[0]][1]) == {*before[changed[0]][1], "ann/new.mp4"}
    add("ann/3.mp4", b"other content")
    assert [shard for shard, now in listings().items() if now != after[shard]] == [shard_of("ann/3.mp4", 3)]
