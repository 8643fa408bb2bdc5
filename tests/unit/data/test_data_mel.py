"""`eap.data.mel`: one column per frame, from that frame's samples, against librosa's own computation."""

import librosa
import numpy as np
import pytest
import scipy.signal
from media_files import CLIPS, GRID, sections, tone

from eap.data.mel import cache_mel, log_mel, pcm16_waveform
from eap.data.sound import read_sound
from eap.schemas import read_table, to_table, write_table


@pytest.fixture(scope="module")
def audio():
    return sections("mel", CLIPS).audio


@pytest.fixture(scope="module")
def speech():
    sound = read_sound(CLIPS / GRID, 10)
    return scipy.signal.resample_poly(sound.waveform, 160, 441)


def _by_librosa(waveform: np.ndarray) -> np.ndarray:
    """Wav2Lip's recipe, with librosa's STFT."""
    emphasised = scipy.signal.lfilter([1, -0.97], [1], waveform)
    spectrum = np.abs(librosa.stft(emphasised, n_fft=640, hop_length=640, win_length=640, center=False))
    filters = librosa.filters.mel(sr=16000, n_fft=640, n_mels=80, fmin=55, fmax=7600)
    decibels = 20 * np.log10(np.maximum(1e-5, filters @ spectrum)) - 20
    return np.clip(8 * ((decibels + 100) / 100) - 4, -4, 4).T


def test_agrees_with_librosa_on_real_speech(audio, speech):
    mine, theirs = log_mel(speech, audio), _by_librosa(speech.astype(np.float64))
    assert mine.shape == theirs.shape == (len(speech) // 640, 80)
    np.testing.assert_allclose(mine, theirs, atol=1e-4)


@pytest.mark.parametrize(("n", "columns"), [(0, 0), (639, 0), (640, 1), (1279, 1), (48000, 75)])
def test_floor_of_length_over_hop_columns(audio, n, columns):
    assert log_mel(np.zeros(n, np.float32), audio).shape == (columns, 80)


def test_a_column_depends_on_its_frame_only(audio):
    """And, through pre-emphasis, on the one sample before it."""
    waveform = np.random.default_rng(0).normal(0, 0.1, 640 * 5)
    base = log_mel(waveform, audio)
    for start, stop, touched in ((1280, 1919, [2]), (1919, 1920, [2, 3]), (1279, 1280, [1, 2])):
        changed = waveform.copy()
        changed[start:stop] += 0.3
        columns = np.flatnonzero(np.abs(log_mel(changed, audio) - base).max(1) > 1e-6)
        assert set(columns) <= set(touched)
        assert touched[-1 if stop == 1280 else 0] in columns or stop - start == 1


@pytest.mark.parametrize("hz", [200, 1000, 3000, 6000])
def test_a_tone_peaks_at_its_own_mel(audio, hz):
    centres = librosa.mel_frequencies(n_mels=82, fmin=55, fmax=7600)[1:-1]
    peak = log_mel(tone(1, hz), audio).mean(0).argmax()
    assert abs(peak - np.abs(centres - hz).argmin()) <= 1


def test_range_and_silence(audio, speech):
    values = log_mel(np.concatenate([speech, 1e3 * speech]), audio)
    assert values.min() >= -4
    assert values.max() == 4
    np.testing.assert_array_equal(log_mel(np.zeros(6400), audio), -4)
    assert values.dtype == np.float32


def test_ten_decibels_are_the_same_step_at_every_level(audio):
    quiet, loud = (log_mel(level * tone(0.4, 1000), audio)[5].max() for level in (0.1, 0.1 * 10**0.5))
    assert loud - quiet == pytest.approx(10 * 8 / 100, abs=1e-3)


def test_refuses_what_would_break_one_column_per_frame(audio):
    with pytest.raises(ValueError, match=r"audio\.n_fft \(800\) must equal"):
        log_mel(np.zeros(1600), audio.model_copy(update={"n_fft": 800}))
    with pytest.raises(ValueError, match="one dimension"):
        log_mel(np.zeros((2, 1600)), audio)


def test_the_stage_keeps_clips_apart(tmp_path, audio):
    pcm = {name: np.round(32767 * tone(0.4, hz)).astype("<i2").tobytes() for name, hz in (("b", 300), ("a", 3000))}
    tables = [to_table("audio", [{"clip_id": name, "n_samples": 6400, "pcm16": data}]) for name, data in pcm.items()]
    write_table(tmp_path / "audio.parquet", "audio", tables)
    result = cache_mel(sections("mel", CLIPS), tmp_path / "audio.parquet", tmp_path / "mel.parquet")
    table = read_table(tmp_path / "mel.parquet", "mel")
    assert result.metrics == {"n_clips": 2}
    for name, data in pcm.items():
        rows = table[table.clip_id == name]
        assert list(rows.frame) == list(range(10))
        np.testing.assert_allclose(np.stack(rows.mel), log_mel(pcm16_waveform(data), audio))
