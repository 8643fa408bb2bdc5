"""Written videos, read back."""

from __future__ import annotations

import av
import numpy as np
import pytest
from tiny_data import draw, landmarks, sound

from eap.data.encode import PROVENANCE, write_video

CLIP = "ann/happy-0.mp4"


@pytest.fixture(scope="module")
def frames():
    return np.stack([draw(points, "ann") for points in landmarks(CLIP)])


def read(path):
    with av.open(f"file:{path}") as container:
        codecs = {stream.type: stream.codec_context.name for stream in container.streams}
        metadata = dict(container.metadata)
        duration_s = container.duration / av.time_base
    with av.open(f"file:{path}") as container:
        images = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    samples = np.zeros(0)
    if "audio" in codecs:
        with av.open(f"file:{path}") as container:
            samples = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])
    return codecs, metadata, duration_s, np.stack(images), samples


@pytest.mark.parametrize("name", ["plain.mp4", "50% of a:b, 'ä' & #1.mp4"])
def test_h264_and_aac_with_provenance(tmp_path, frames, name):
    write_video(tmp_path / name, frames, 25, 18, sound(CLIP), 16000, PROVENANCE)
    assert [p.name for p in tmp_path.iterdir()] == [name]
    codecs, metadata, duration_s, images, samples = read(tmp_path / name)
    assert codecs == {"video": "h264", "audio": "aac"}
    assert metadata["comment"] == PROVENANCE
    assert duration_s == pytest.approx(30 / 25, abs=0.1)
    assert images.shape == frames.shape
    assert np.abs(images.astype(int) - frames).mean() < 6
    assert len(samples) / 16000 == pytest.approx(30 / 25, abs=0.2)


def test_sound_is_in_time(tmp_path, frames):
    """A click in the middle of frame 15 is heard there, after the encoder's delay is taken out."""
    pcm = np.zeros(30 * 640, np.int16)
    pcm[15 * 640 : 16 * 640] = (20000 * np.sin(np.arange(640) * 0.4)).astype(np.int16)
    write_video(tmp_path / "v.mp4", frames, 25, 30, pcm, 16000, "c")
    with av.open(str(tmp_path / "v.mp4")) as container:
        parts = [(frame.time, frame.to_ndarray()[0]) for frame in container.decode(audio=0)]
    times = np.concatenate([time + np.arange(len(part)) / 16000 for time, part in parts])
    energy = np.concatenate([part for _, part in parts]) ** 2
    assert (times * energy).sum() / energy.sum() == pytest.approx(15.5 / 25, abs=0.01)


def test_without_sound(tmp_path, frames):
    write_video(tmp_path / "v.mp4", frames[:5], 25, 18, None, 16000, "silent")
    codecs, metadata, duration_s, images, _ = read(tmp_path / "v.mp4")
    assert codecs == {"video": "h264"}
    assert metadata["comment"] == "silent"
    assert duration_s == pytest.approx(0.2, abs=0.01)
    assert len(images) == 5


def test_lower_crf_is_better(tmp_path, frames):
    errors = []
    for crf in (5, 45):
        write_video(tmp_path / f"{crf}.mp4", frames, 25, crf, None, 16000, "c")
        errors.append(np.abs(read(tmp_path / f"{crf}.mp4")[3].astype(int) - frames).mean())
    assert errors[0] < errors[1]


def test_nothing_is_left_of_a_failed_video(tmp_path, frames):
    with pytest.raises(ValueError, match=r"dtype|uint8|Expected"):
        write_video(tmp_path / "v.mp4", frames.astype(np.float64), 25, 18, None, 16000, "c")
    assert list(tmp_path.iterdir()) == []
