"""200 mutated media files: no crash, no hang, each used or set aside with a reason, and the healthy ones intact.

They come from phantom faces in five containers, so that no real clip is needed; everything follows from one seed.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from media_files import sections, tone, write_media

from eap.data.clip_pool import ClipPool
from eap.data.frames import extract_frames
from eap.data.landmarks import cache_landmarks
from eap.data.layout import PreparedData
from eap.data.phantom.gallery import gallery
from eap.digest import file_sha256
from eap.schemas import read_table, write_table

N_MUTATED = 200
N_FRAMES = 26
SIDE = 160
FORMATS = {  # container: video and audio codec
    "mp4": ("libx264", "aac"),
    "mkv": ("mpeg4", "pcm_s16le"),
    "avi": ("mpeg4", "mp3"),
    "flv": ("flv", "mp3"),
    "mpg": ("mpeg2video", "mp2"),
}
Mutation = Callable[[bytearray, np.random.Generator, list[bytes]], bytes]


def _flip(data: bytearray, rng: np.random.Generator, _others: list[bytes]) -> bytes:
    """1 to 1000 bytes change, anywhere."""
    for at in rng.integers(0, len(data), int(10 ** rng.uniform(0, 3))):
        data[at] ^= int(rng.integers(1, 256))
    return data


def _cut(data: bytearray, rng: np.random.Generator, _others: list[bytes]) -> bytes:
    return data[: int(len(data) * rng.uniform(0.001, 0.999))]


def _hole(data: bytearray, rng: np.random.Generator, _others: list[bytes]) -> bytes:
    """A stretch of zeros, or of ones, or of nothing."""
    start, length = int(rng.integers(len(data))), int(10 ** rng.uniform(1, 4))
    fill = [b"\0", b"\xff", b""][int(rng.integers(3))]
    data[start : start + length] = fill * min(length, len(data) - start)
    return data


def _header(data: bytearray, rng: np.random.Generator, _others: list[bytes]) -> bytes:
    """Absurd numbers where containers keep sizes, rates and times: near the beginning, or in the boxes of an mp4."""
    places = [int(at) for at in rng.integers(8, min(len(data) - 8, 600), 3)]
    for box in (b"mvhd", b"tkhd", b"mdhd", b"stsd", b"avc1", b"mp4a", b"stts", b"stsz", b"stco", b"elst"):
        found = data.find(box)
        if found >= 0 and rng.random() < 0.3:
            places.append(found + 4 + int(rng.integers(0, 40)))
    absurd = (b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\0", b"\x80\0\0\0", b"\0\0\0\1")
    for at in places:
        data[at : at + 4] = absurd[int(rng.integers(len(absurd)))]
    return data


def _splice(data: bytearray, rng: np.random.Generator, others: list[bytes]) -> bytes:
    """The beginning of one file and the end of another."""
    other = others[int(rng.integers(len(others)))]
    return data[: int(len(data) * rng.random())] + other[int(len(other) * rng.random()) :]


def _repeat(data: bytearray, rng: np.random.Generator, _others: list[bytes]) -> bytes:
    """A stretch comes twice."""
    start, length = int(rng.integers(len(data))), int(10 ** rng.uniform(1, 4))
    return data[: start + length] + data[start:]


MUTATIONS: tuple[Mutation, ...] = (_flip, _cut, _hole, _header, _splice, _repeat)


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """The healthy clips, and 200 mutated ones; every third mutated one carries the suffix of another container."""
    folder = tmp_path_factory.mktemp("clips")
    phantom = sections("render-phantom", folder, {"phantom": {"identities": 1}}).phantom
    face = gallery(phantom, SIDE)[:SIDE, :SIDE]
    images = [np.roll(face, (i % 3, i // 2), (0, 1)) for i in range(N_FRAMES)]
    for suffix, (video, audio) in FORMATS.items():
        write_media(
            folder / f"healthy.{suffix}", images, tone(N_FRAMES / 25, sample_rate=44100), sample_rate=44100,
            video_codec=video, audio_codec=audio,
        )  # fmt: skip
    originals = [(folder / f"healthy.{suffix}").read_bytes() for suffix in FORMATS]
    rng = np.random.default_rng(2024)
    for number in range(N_MUTATED):
        suffix = list(FORMATS)[number % len(FORMATS)]
        mutate = MUTATIONS[int(rng.integers(len(MUTATIONS)))]
        data = mutate(bytearray(originals[number % len(FORMATS)]), rng, originals)
        shown = list(FORMATS)[int(rng.integers(len(FORMATS)))] if number % 3 == 0 else suffix
        (folder / f"{number:03d}{mutate.__name__}.{suffix}.{shown}").write_bytes(data)
    return folder


def _prepare(root: Path, folder: Path, paths: list[Path], pool: ClipPool) -> tuple[PreparedData, pd.DataFrame]:
    data = PreparedData(folder)
    rows = [{"clip_id": path.name, "path": path.name, "sha256": file_sha256(path)} for path in paths]
    write_table(data.shard("listing", 0), "listing", rows)
    outputs = [data.shard(table, 0) for table in ("frames", "audio", "media")]
    extract_frames(sections("frames", root), data.shard("listing", 0), *outputs, pool)
    landmarks = [data.shard(table, 0) for table in ("landmarks", "landmark_clips")]
    cache_landmarks(sections("landmarks", root), outputs[0], outputs[2], *landmarks, pool)
    return data, read_table(outputs[2], "media").set_index("clip_id")


def test_mutated_files_harm_nothing_else(root: Path, tmp_path: Path) -> None:
    with ClipPool(2, 30) as pool:
        data, media = _prepare(root, tmp_path / "all", sorted(root.iterdir()), pool)
        healthy = sorted(root.glob("healthy.*"))
        alone, expected = _prepare(root, tmp_path / "healthy", healthy, pool)
    mutated = media.drop([path.name for path in healthy])
    assert len(mutated) == N_MUTATED
    assert set(mutated.status) == {"used", "set_aside"}
    reasons = mutated.reason[mutated.status == "set_aside"]
    assert reasons.str.len().min() > 10
    assert 60 < len(reasons) < 190  # the mutations bite, and do not all kill
    assert reasons.str.replace(r"[\d.]+", "N", regex=True).nunique() > 8
    assert not reasons.str.contains("took longer|crashed the process").any(), reasons
    pd.testing.assert_frame_equal(media.loc[expected.index], expected, check_dtype=False)
    for table in ("frames", "audio", "landmarks"):
        rows = read_table(data.shard(table, 0), table)
        of_healthy = rows[rows.clip_id.isin(expected.index)].reset_index(drop=True)
        pd.testing.assert_frame_equal(of_healthy, read_table(alone.shard(table, 0), table))
        assert set(of_healthy.clip_id) == set(expected.index[expected.status == "used"]) == {p.name for p in healthy}
    counts = read_table(data.shard("frames", 0), "frames").groupby("clip_id").size()
    used = media[media.status == "used"]
    assert dict(counts) == dict(used.n_frames)
