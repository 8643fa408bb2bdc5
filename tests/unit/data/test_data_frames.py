"""`eap.data.frames`: bad files are set aside with their reasons, their healthy neighbours come out whole."""

import shutil

import cv2
import numpy as np
import pandas as pd
import pytest
from media_files import CLIPS, CREMA, GRID, real_images, sections, tone, write_media

from eap.data.catalog import build_catalog
from eap.data.download import list_source
from eap.data.frames import extract_frames
from eap.data.jpeg import decode_jpeg
from eap.data.layout import PreparedData
from eap.data.row_groups import clip_groups
from eap.schemas import read_table, write_table

HEALTHY = {"good/plain.mpg": GRID, "good/ödd näme #1 100%d 'q'.flv": CREMA}
REASONS = {
    "bad/silent.mkv": "no audio stream",
    "bad/nobody.mkv": "no face: found in 0 of 2 key frames",
    "bad/two people.mkv": "two faces: 2 of 2 key frames show more than one (up to 2)",
    "bad/cut.mpg": "damaged or cut off",
    "bad/cut.flv": "cut off: it ends at",
    "bad/text.mp4": "cannot be decoded",
    "bad/short.mkv": "10 frames at 25 fps; allowed are 25 to 1500",
    "bad/lengths.mkv": "video ends at 1.200 s, audio at 0.600 s",
    "bad/voice only.mkv": "no video stream",
}


def _make_clips(root):
    for name, source in HEALTHY.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(CLIPS / source, root / name)
    images, other = real_images(GRID, 30), real_images("grid/unk_M1_lbax4n.mpg", 30)
    noise = [np.random.default_rng(0).integers(0, 255, (288, 360, 3), dtype=np.uint8)] * 30
    bad = root / "bad"
    write_media(bad / "silent.mkv", images)
    write_media(bad / "nobody.mkv", noise, tone(1.2))
    write_media(bad / "two people.mkv", [np.concatenate(p, 1) for p in zip(images, other, strict=True)], tone(1.2))
    write_media(bad / "short.mkv", images[:10], tone(0.4))
    write_media(bad / "lengths.mkv", images, tone(0.6))
    write_media(bad / "voice only.mkv", waveform=tone(1.2))
    for name, source in (("cut.mpg", GRID), ("cut.flv", CREMA)):
        data = (CLIPS / source).read_bytes()
        (bad / name).write_bytes(data[: len(data) // 2])
    (bad / "text.mp4").write_text("no video\n" * 50)
    (bad / "empty.mp4").write_bytes(b"")
    (bad / "pointer.mp4").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")


def _prepare(root, folder, **data):
    prepared = PreparedData(folder)
    list_source(sections("download", root, {"data": data}), prepared.inventory)
    build_catalog(sections("catalog", root, {"data": data}), prepared.inventory, prepared.catalog)
    outputs = [prepared.shard(table, 0) for table in ("frames", "audio", "media")]
    result = extract_frames(sections("frames", root, {"data": data}), prepared.shard("listing", 0), *outputs)
    return prepared, result


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("source") / "clips"
    _make_clips(folder)
    return folder


@pytest.fixture(scope="module")
def prepared(root, tmp_path_factory):
    return _prepare(root, tmp_path_factory.mktemp("prepared"))


def test_each_bad_clip_has_its_own_reason_and_healthy_ones_are_used(prepared):
    data, result = prepared
    media = read_table(data.shard("media", 0), "media").set_index("clip_id")
    assert set(media.index) == {*HEALTHY, *REASONS}
    for name, reason in REASONS.items():
        assert media.status[name] == "set_aside"
        assert reason in media.reason[name]
    assert set(media.index[media.status == "used"]) == set(HEALTHY)
    assert result.metrics == {"n_used": 2, "n_set_aside": len(REASONS), "n_copied": 0, "n_frames": 75 + 55}
    catalog = read_table(data.catalog, "catalog").set_index("clip_id")
    assert "0 bytes" in catalog.reason["bad/empty.mp4"]
    assert "Git LFS pointer" in catalog.reason["bad/pointer.mp4"]


def test_media_columns_of_a_real_clip(prepared):
    media = read_table(prepared[0].shard("media", 0), "media").set_index("clip_id").loc["good/plain.mpg"]
    assert (media.n_frames, media.source_width_px, media.source_height_px) == (75, 360, 288)
    assert media.source_fps == pytest.approx(25)
    assert (media.video_duration_s, media.audio_duration_s) == pytest.approx((3.0, 2.978), abs=0.001)
    assert 150 < media.crop_size_px < 250


def test_row_groups_of_one_clip_each_and_as_much_audio_as_video(prepared):
    frames, audio = (prepared[0].shard(table, 0) for table in ("frames", "audio"))
    assert {clip: [g.n_rows for g in groups] for clip, groups in clip_groups(frames, "frames").items()} == {
        "good/plain.mpg": [32, 32, 11],
        "good/ödd näme #1 100%d 'q'.flv": [32, 23],
    }
    counts = read_table(frames, "frames").groupby("clip_id").frame.agg(["count", "max"])
    for row in read_table(audio, "audio").itertuples():
        assert row.n_samples == 640 * counts["count"][row.clip_id]
        assert len(row.pcm16) == 2 * row.n_samples
        assert counts["max"][row.clip_id] == counts["count"][row.clip_id] - 1


def test_frames_are_the_crops_of_the_source_in_rgb(prepared):
    data, _ = prepared
    media = read_table(data.shard("media", 0), "media").set_index("clip_id").loc["good/plain.mpg"]
    frames = read_table(data.shard("frames", 0), "frames").set_index(["clip_id", "frame"])
    cached = decode_jpeg(frames.jpeg["good/plain.mpg", 40])
    x, y, size = int(media.crop_x_px), int(media.crop_y_px), int(media.crop_size_px)
    square = real_images(GRID, 41)[40][y : y + size, x : x + size]
    expected = cv2.resize(square, (256, 256), interpolation=cv2.INTER_CUBIC)[: cached.shape[0]]
    assert cached.shape == (256, 256, 3)
    assert np.abs(cached.astype(int) - expected).mean() < 4


def test_two_processes_and_a_second_run_give_the_same_tables(root, prepared, tmp_path):
    again, _ = _prepare(root, tmp_path, workers=2)
    for table in ("frames", "audio", "media"):
        first, second = (read_table(data.shard(table, 0), table) for data in (prepared[0], again))
        pd.testing.assert_frame_equal(first, second)


def test_a_shard_without_clips_gives_empty_tables(root, prepared, tmp_path):
    outputs = [tmp_path / f"{table}.parquet" for table in ("frames", "audio", "media")]
    write_table(tmp_path / "listing.parquet", "listing", [])
    extract_frames(sections("frames", root), tmp_path / "listing.parquet", *outputs)
    for path in outputs:
        assert read_table(path, path.stem).empty


def test_only_new_and_changed_clips_are_decoded(root, prepared, tmp_path):
    """Copied clips need no source any more, which shows that they were not read."""
    data, folder = PreparedData(tmp_path / "data"), tmp_path / "clips"
    shutil.copytree(prepared[0].root, data.root)
    outputs = [data.shard(table, 0) for table in ("frames", "audio", "media")]
    listing = read_table(data.shard("listing", 0), "listing")
    folder.mkdir()
    shutil.copy(CLIPS / GRID, folder / "new.mpg")
    shutil.copy(CLIPS / CREMA, folder / "changed.flv")
    changed = listing.clip_id == "bad/silent.mkv"
    listing.loc[changed, ["path", "sha256"]] = ["changed.flv", "1"]
    new = pd.DataFrame([{"clip_id": "a/new.mpg", "path": "new.mpg", "sha256": "2"}])
    write_table(data.shard("listing", 0), "listing", pd.concat([new, listing]))
    result = extract_frames(sections("frames", folder), data.shard("listing", 0), *outputs)
    assert result.metrics["n_copied"] == len(listing) - 1
    media = read_table(outputs[2], "media").set_index("clip_id")
    assert set(media.index[media.status == "used"]) == {"a/new.mpg", "bad/silent.mkv", *HEALTHY}
    frames = read_table(outputs[0], "frames")
    for clip_id in HEALTHY:
        old = read_table(prepared[0].shard("frames", 0), "frames")
        assert list(frames.jpeg[frames.clip_id == clip_id]) == list(old.jpeg[old.clip_id == clip_id])
    assert media.reason["bad/two people.mkv"].startswith("two faces")
    again = extract_frames(
        sections("frames", folder, {"data": {"clip_limit_s": 9}}), data.shard("listing", 0), *outputs
    )
    assert again.metrics["n_copied"] == len(listing) + 1
    other = extract_frames(
        sections("frames", folder, {"video": {"jpeg_quality": 90}}), data.shard("listing", 0), *outputs
    )
    assert (other.metrics["n_copied"], other.metrics["n_used"]) == (0, 2)  # the others' sources are not there
