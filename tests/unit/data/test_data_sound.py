"""`eap.data.sound`: mono sound with its place in time, resampled while it is decoded."""

import numpy as np
import pytest
from media_files import CLIPS, CREMA, GRID, real_images, tone, write_media

from eap.data.sound import read_sound, resample, resample_blocks


def test_real_audio_has_its_measured_length():
    sound = read_sound(CLIPS / CREMA, 60)
    assert sound.sample_rate == 44100
    assert sound.end_s == pytest.approx(2.220, abs=0.002)
    assert 0.01 < np.abs(sound.waveform).max() <= 1.1


def test_audio_samples_come_back_as_written(tmp_path):
    waveform = tone(1.0)
    path = write_media(tmp_path / "odd #1 100%d 'q'.mkv", real_images(GRID, 25), waveform, audio_start_s=0.25)
    sound = read_sound(path, 10)
    assert sound.start_s == pytest.approx(0.25)
    np.testing.assert_allclose(sound.waveform, waveform, atol=1e-4)


def test_sound_that_is_resampled_while_decoded_is_that_which_is_resampled_afterwards():
    whole, sound = read_sound(CLIPS / CREMA, 60), read_sound(CLIPS / CREMA, 60, 16000)
    assert (sound.start_s, sound.end_s, sound.sample_rate) == (whole.start_s, whole.end_s, 16000)
    np.testing.assert_array_equal(sound.waveform, resample(whole.waveform, 44100, 16000))


@pytest.mark.parametrize("rate", [16000, 44100, 48000, 22050])
def test_resampling_has_no_delay(rate):
    waveform = np.zeros(rate, np.float32)
    waveform[rate // 2] = 1
    out = np.concatenate(list(resample_blocks(np.split(waveform, 50), rate, 16000)))
    energy = out.astype(float) ** 2
    assert (energy * np.arange(16000)).sum() / energy.sum() == pytest.approx(8000, abs=0.5)


@pytest.mark.parametrize("rate", [44100, 48000, 22050])
def test_resampling_keeps_tones_and_stops_aliases(rate):
    kept = resample(tone(1, 1000, rate), rate, 16000)
    np.testing.assert_allclose(kept[200:-200], tone(1, 1000)[200:-200], atol=1e-5)
    assert len(kept) == 16000
    assert np.abs(resample(tone(1, 9500, rate), rate, 16000)[200:-200]).max() < 1e-4
