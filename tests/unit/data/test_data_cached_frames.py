"""Frames of prepared clips one by one: what is read, what is decoded, what is kept."""

from __future__ import annotations

import numpy as np
import pytest

from eap.data import cached_frames
from eap.data.cached_frames import ClipFrames, FrameReader, resize_frame
from eap.data.jpeg import decode_jpeg, encode_jpeg
from eap.data.row_groups import OpenTables, clip_groups
from eap.schemas import to_table, write_table


@pytest.fixture
def path(tmp_path):
    """Clip "b" of 11 frames in groups of 4, after another clip; frame i is grey of level 20 i."""
    grey = [encode_jpeg(np.full((8, 8, 3), 20 * i, np.uint8), 95) for i in range(11)]
    groups = [("a", range(3)), ("b", range(4)), ("b", range(4, 8)), ("b", range(8, 11))]
    tables = [
        to_table("frames", [{"clip_id": clip, "frame": i, "jpeg": grey[i]} for i in frames]) for clip, frames in groups
    ]
    write_table(tmp_path / "frames.parquet", "frames", tables)
    return tmp_path / "frames.parquet"


class Watched(OpenTables):
    """Notes which row groups are read."""

    def __init__(self) -> None:
        super().__init__()
        self.read_groups: list[int] = []

    def read(self, path, groups, columns=None):
        self.read_groups += [group.index for group in groups]
        return super().read(path, groups, columns)


@pytest.fixture
def decoded(monkeypatch):
    """Notes how many pictures are decoded."""
    calls = []

    def decode(jpeg):
        calls.append(1)
        return decode_jpeg(jpeg)

    monkeypatch.setattr(cached_frames, "decode_jpeg", decode)
    return calls


def _frames(path, cache_bytes=0, files=None, size=8):
    reader = FrameReader(files or OpenTables(), size, cache_bytes)
    return ClipFrames(reader, "b", path, clip_groups(path, "frames")["b"])


def test_a_window_reads_its_row_groups_and_decodes_its_frames_only(path, decoded):
    files = Watched()
    window = _frames(path, files=files)[2:6]
    np.testing.assert_array_equal(window[:, 0, 0, 0], [40, 60, 80, 100])
    assert files.read_groups == [1, 2]
    assert len(decoded) == 4


def test_indices_are_those_of_numpy(path):
    frames = _frames(path)
    assert len(frames) == 11
    assert frames[:].shape == (11, 8, 8, 3)
    assert frames[10].shape == (8, 8, 3)
    np.testing.assert_array_equal(frames[-1], frames[10])
    np.testing.assert_array_equal(frames[[9, 1, 9]][:, 0, 0, 0], [180, 20, 180])
    with pytest.raises(IndexError):
        frames[11]


def test_frames_are_kept_up_to_the_limit_the_latest_used_first(path, decoded):
    frames = _frames(path, cache_bytes=3 * 8 * 8 * 3)
    frames[[0, 1, 2]]
    frames[[0, 1, 2]]
    assert len(decoded) == 3
    frames[0]
    frames[3]  # 1 goes
    frames[[0, 2, 3]]
    assert len(decoded) == 4
    frames[1]
    assert len(decoded) == 5


def test_without_a_cache_nothing_is_kept(path, decoded):
    frames = _frames(path)
    assert (frames[5] == frames[5]).all()
    assert len(decoded) == 2


def test_frames_come_at_the_asked_size(path):
    frames = _frames(path, size=4)
    assert frames[1:3].shape == (2, 4, 4, 3)
    assert frames._reader.cached_size(path, clip_groups(path, "frames")["b"]) == 8


def test_resize_frame():
    image = np.arange(16, dtype=np.uint8).reshape(4, 4, 1).repeat(3, 2)
    assert resize_frame(image, 4) is image
    np.testing.assert_array_equal(resize_frame(image, 2)[..., 0], [[3, 5], [11, 13]])  # means 2.5, 4.5, ...
    assert resize_frame(image, 16).shape == (16, 16, 3)
