"""`eap.data.clip_frames`: one clip's part of the cache, from memory or decoded twice, from one file or two."""

from __future__ import annotations

import av
import numpy as np
import pytest
from media_files import CLIPS, GRID, real_images, sections, tone, write_media

from eap.data import clip_frames
from eap.data.clip_frames import ClipJob, HeldFrames, prepare_clip
from eap.schemas import read_table


def _prepare(folder, path, sound_path=None, overrides=None):
    config = sections("frames", CLIPS, overrides)
    job = ClipJob("clip", path, sound_path or path, folder / "frames.parquet", folder / "sound.pcm")
    return prepare_clip(job, config.video, config.audio)


def test_frames_that_do_not_fit_into_memory_are_decoded_again_and_the_same(tmp_path, monkeypatch):
    (tmp_path / "held").mkdir()
    (tmp_path / "again").mkdir()
    row = _prepare(tmp_path / "held", CLIPS / GRID)
    monkeypatch.setattr(clip_frames, "HELD_BYTES", 1_000_000)  # six frames of 360 x 288
    assert _prepare(tmp_path / "again", CLIPS / GRID) == row
    tables = [read_table(tmp_path / name / "frames.parquet", "frames") for name in ("held", "again")]
    assert tables[0].equals(tables[1])
    assert (row["status"], row["n_frames"], list(tables[0].frame)) == ("used", 75, list(range(75)))
    assert (tmp_path / "held" / "sound.pcm").stat().st_size == 2 * 640 * 75


def test_held_frames_end_at_the_limit():
    frames = [av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24") for _ in range(3)]
    room = sum(plane.buffer_size for plane in frames[0].planes)
    held = HeldFrames(CLIPS / GRID, 3 * room)
    for frame in frames:
        held.add(frame)
    assert list(held) == frames
    held.add(frames[0])
    assert next(iter(held)).width == 360  # from the file


def test_sound_may_be_a_file_of_its_own(tmp_path):
    """MEAD: the picture's file is silent."""
    video = write_media(tmp_path / "001.mkv", real_images(GRID, 30))
    sound = write_media(tmp_path / "001.wav", waveform=tone(1.2, 500))
    row = _prepare(tmp_path, video, sound)
    assert (row["status"], row["n_frames"]) == ("used", 30)
    heard = np.fromfile(tmp_path / "sound.pcm", "<i2") / 32767
    np.testing.assert_allclose(heard, tone(1.2, 500), atol=1e-3)
    assert "no audio stream" in _prepare(tmp_path, video)["reason"]


@pytest.mark.parametrize("name", ["absent.mp4", ""])
def test_what_cannot_be_read_comes_back_with_its_reason(tmp_path, name):
    row = _prepare(tmp_path, tmp_path / name)
    assert (row["status"], row["stage"]) == ("set_aside", "frames")
    assert "cannot be decoded" in row["reason"]
