"""Written videos, read back."""

from __future__ import annotations

import av
import numpy as np
import pytest
from tiny_data import draw, landmarks, sound

from eap.data.encode import PROVENANCE, open_video, write_video

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


def test_colours_come_back_and_are_said(tmp_path):
    """Players take an untagged large picture for BT.709."""
    colours = np.array([[200, 40, 60], [30, 180, 70], [40, 60, 210], [128, 128, 128]], np.uint8)
    picture = np.repeat(np.repeat(colours[None], 32, 0), 16, 1)
    with open_video(tmp_path / "v.mp4", (64, 32), 25, 1, sample_rate=None, metadata={"title": "t"}) as video:
        video.add_frame(picture)
    assert np.abs(read(tmp_path / "v.mp4")[3][0, :, 4::16].astype(int) - colours).max() <= 5
    with av.open(str(tmp_path / "v.mp4")) as container:
        codec = container.streams.video[0].codec_context
        assert (codec.colorspace, codec.color_primaries, codec.color_trc, codec.color_range) == (5, 1, 13, 1)
        assert container.metadata["title"] == "t"


def test_stereo_in_blocks_is_the_sound_in_one_piece(tmp_path):
    sound_CL = np.stack([np.sin(np.arange(44100) * f) for f in (0.05, 0.11)]).astype(np.float32) * 0.4
    samples = {}
    for name, block in (("whole", 44100), ("blocks", 1764)):
        with open_video(
            tmp_path / f"{name}.mp4", (16, 16), 25, 30, sample_rate=44100, channels=2, metadata={}
        ) as video:  # fmt: skip
            for i in range(25):
                video.add_frame(np.zeros((16, 16, 3), np.uint8))
                if i * 1764 % block == 0:
                    video.add_sound(sound_CL[:, i * 1764 : i * 1764 + block])
        with av.open(str(tmp_path / f"{name}.mp4")) as container:
            samples[name] = np.concatenate([frame.to_ndarray() for frame in container.decode(audio=0)], axis=1)
    assert samples["whole"].shape == (2, 44 * 1024)
    np.testing.assert_array_equal(samples["whole"], samples["blocks"])
    assert np.abs(samples["whole"][:, :44100] - sound_CL)[:, 2000:-2000].mean() < 0.02
