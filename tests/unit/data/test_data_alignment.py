"""`eap.data.alignment`: constant frame rate by timestamps, and audio on the same clock to the sample."""

import numpy as np
import pytest
from media_files import CLIPS, CREMA, GRID, real_images, sections, tone, write_media

from eap.data.alignment import fit_sound, read_clip, ticks
from eap.data.media import MediaError
from eap.data.sound import Sound


@pytest.fixture(scope="module")
def settings():
    return sections("frames", CLIPS)


def test_constant_rate_is_the_identity():
    times = np.arange(75) / 25
    np.testing.assert_array_equal(ticks(times, 3.0, 25), np.arange(75))


def test_a_late_first_frame_serves_tick_zero_and_no_tick_strays_by_more_than_half_a_frame():
    times = 0.027 + np.arange(65) / 29.97
    chosen = ticks(times, times[-1] + 1 / 29.97, 25)
    assert chosen[0] == 0
    assert len(chosen) == 55
    strays = times[chosen] - np.arange(55) / 25
    assert np.abs(strays[1:]).max() <= 0.5 / 29.97 + 1e-9
    assert abs(strays.mean()) < 0.005


def test_slower_video_repeats_frames():
    np.testing.assert_array_equal(ticks(np.arange(5) / 12.5, 0.4, 25), [0, 1, 1, 2, 2, 3, 3, 4, 4, 4])


def test_variable_rate_holds_each_frame_until_the_next():
    times = np.array([0, 0.04, 0.08, 0.40, 0.44])
    np.testing.assert_array_equal(ticks(times, 0.48, 25), [0, 1, 2, 2, 2, 2, 2, 2, 2, 2, 3, 4])


def test_start_time_shifts_the_audio_and_silence_fills():
    late = fit_sound(Sound(tone(1), 16000, 0.5, 1.5), 0.0, 32000)
    np.testing.assert_array_equal(late[:8000], 0)
    np.testing.assert_allclose(late[8000:24000], tone(1))
    np.testing.assert_array_equal(late[24000:], 0)
    early = fit_sound(Sound(tone(1), 16000, -0.25, 0.75), 0.0, 8000)
    np.testing.assert_allclose(early, tone(1)[4000:12000])


@pytest.mark.parametrize(
    "name", [path.relative_to(CLIPS).as_posix() for path in sorted(CLIPS.glob("*/*.[fm][lp][vg]"))]
)
def test_every_real_clip_passes(name, settings):
    clip = read_clip(CLIPS / name, CLIPS / name, settings.video, settings.audio)
    assert len(clip.frame_of_tick) == np.ceil(clip.video_duration_s * 25 - 1e-6)
    assert len(clip.waveform) == 640 * len(clip.frame_of_tick)
    assert abs(clip.video_duration_s - clip.audio_duration_s) < 0.04


def test_measured_durations(settings):
    crema = read_clip(CLIPS / CREMA, CLIPS / CREMA, settings.video, settings.audio)
    assert (crema.video_duration_s, crema.audio_duration_s) == pytest.approx((2.195, 2.220), abs=0.001)
    grid = read_clip(CLIPS / GRID, CLIPS / GRID, settings.video, settings.audio)
    assert (grid.video_duration_s, grid.audio_duration_s) == pytest.approx((3.0, 2.978), abs=0.001)


def test_a_flash_and_a_click_stay_together(tmp_path, settings):
    """Late audio, and a video that begins later than the audio by more than a frame."""
    images = [np.zeros((64, 64, 3), np.uint8) for _ in range(40)]
    images[20][:] = 255
    for video_start, audio_start in ((0.0, 0.2), (0.2, 0.0)):
        times = video_start + np.arange(40) / 25
        click = np.zeros(round((video_start + 1.6 - audio_start) * 16000), np.float32)
        click[round((times[20] - audio_start) * 16000)] = 1
        name = f"{video_start}.mkv"
        path = write_media(tmp_path / name, images, click, times_s=times, audio_start_s=audio_start)
        clip = read_clip(path, path, settings.video, settings.audio)
        assert len(clip.frame_of_tick) == 40
        assert int(np.argmax(clip.frame_of_tick == 20)) == 20
        assert np.argmax(np.abs(clip.waveform)) == pytest.approx(20 * 640, abs=16)


def test_lengths_that_disagree_are_refused_with_both(tmp_path, settings):
    path = write_media(tmp_path / "short voice.mkv", real_images(GRID, 50), tone(1.9))
    with pytest.raises(MediaError, match=r"video ends at 2\.000 s, audio at 1\.900 s"):
        read_clip(path, path, settings.video, settings.audio)


def test_a_cut_flv_is_recognised_by_its_header(tmp_path, settings):
    data = (CLIPS / CREMA).read_bytes()
    (tmp_path / "cut.flv").write_bytes(data[: len(data) // 2])
    with pytest.raises(MediaError, match=r"cut off: it ends at 1\.\d+ s, its header says 2\.168 s"):
        read_clip(tmp_path / "cut.flv", tmp_path / "cut.flv", settings.video, settings.audio)


def test_too_short_and_too_long(tmp_path, settings):
    path = write_media(tmp_path / "short.mkv", real_images(GRID, 10), tone(0.4))
    with pytest.raises(MediaError, match="10 frames at 25 fps; allowed are 25 to 1500"):
        read_clip(path, path, settings.video, settings.audio)
    few = sections("frames", CLIPS, {"video": {"max_frames": 30}})
    with pytest.raises(MediaError, match="max_frames"):
        read_clip(CLIPS / GRID, CLIPS / GRID, few.video, few.audio)
