"""`eap.data.media`: decoding real files, and refusing what cannot be trusted."""

import numpy as np
import pytest
from media_files import CLIPS, CREMA, GRID, real_images, tone, write_media

from eap.data.media import MediaError, iterate_images, iterate_video, read_timeline
from eap.data.sound import read_sound


def test_timestamps_of_both_real_containers():
    grid, crema = read_timeline(CLIPS / GRID, 60), read_timeline(CLIPS / CREMA, 60)
    np.testing.assert_allclose(grid.times_s, np.arange(75) / 25, atol=1e-9)
    assert grid.end_s == pytest.approx(3.0)
    assert (grid.width_px, grid.height_px) == (360, 288)
    assert len(crema.times_s) == 65
    assert crema.times_s[0] == pytest.approx(0.027)
    assert crema.end_s == pytest.approx(2.195)
    assert crema.fps == pytest.approx(29.97, abs=0.03)


def test_images_are_rgb_and_lazy():
    first = next(iterate_images(CLIPS / CREMA))
    assert first.shape == (360, 480, 3)
    corner = first[:60, :60].reshape(-1, 3).mean(0)
    assert corner[1] > corner[0] + 50  # the green screen: green above red and blue
    assert corner[1] > corner[2] + 50


def test_no_audio_no_video_and_no_media_at_all(tmp_path):
    images = real_images(GRID, 25)
    with pytest.raises(MediaError, match="no audio stream"):
        read_sound(write_media(tmp_path / "silent.mkv", images), 10)
    with pytest.raises(MediaError, match="no video stream"):
        read_timeline(write_media(tmp_path / "voice.mkv", waveform=tone(1)), 10)
    (tmp_path / "text.mp4").write_text("this is no video\n" * 100)
    with pytest.raises(MediaError, match="cannot be decoded"):
        read_timeline(tmp_path / "text.mp4", 10)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_a_cut_mpeg_stream_ends_in_a_damaged_frame(tmp_path, share):
    data = (CLIPS / GRID).read_bytes()
    (tmp_path / "cut.mpg").write_bytes(data[: int(share * len(data))])
    with pytest.raises(MediaError, match="damaged or cut off"):
        read_timeline(tmp_path / "cut.mpg", 10)


def test_a_cut_mp4_cannot_be_opened(tmp_path):
    data = write_media(tmp_path / "whole.mp4", real_images(GRID, 25), tone(1), audio_codec="aac").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(data[: len(data) // 2])
    with pytest.raises(MediaError, match="cannot be decoded"):
        read_timeline(tmp_path / "cut.mp4", 10)


def test_too_long_videos_and_audio_are_refused_early(tmp_path):
    path = write_media(tmp_path / "long.mkv", real_images(GRID, 50), tone(3))
    with pytest.raises(MediaError, match=r"longer than 1\.00 s"):
        read_timeline(path, 1.0)
    with pytest.raises(MediaError, match=r"audio longer than 1\.00 s"):
        read_sound(path, 1.0)


def test_more_or_larger_pictures_than_allowed_are_refused_early(tmp_path):
    path = write_media(tmp_path / "clip.mkv", real_images(GRID, 50), tone(2))
    timeline = read_timeline(path, 3, max_fps=25)
    with pytest.raises(MediaError, match=r"more than 10 frames per second \(video\.max_source_fps\)"):
        read_timeline(path, 3, max_fps=10)
    side = max(timeline.width_px, timeline.height_px)
    assert read_timeline(path, 3, max_side_px=side).width_px == timeline.width_px
    with pytest.raises(MediaError, match=rf"{side - 1} at most \(video\.max_side_px\)"):
        read_timeline(path, 3, max_side_px=side - 1)


def test_absurdly_large_pictures_are_refused_before_decoding(tmp_path):
    image = np.zeros((16, 5000, 3), np.uint8)
    with pytest.raises(MediaError, match="5000 x 16 px"):
        next(iterate_video(write_media(tmp_path / "wide.mkv", [image, image])))


def test_a_single_picture_is_not_a_video(tmp_path):
    with pytest.raises(MediaError, match="1 video frames"):
        read_timeline(write_media(tmp_path / "still.mkv", real_images(GRID, 1)), 10)
