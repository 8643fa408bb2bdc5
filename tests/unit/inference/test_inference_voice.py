"""Voices of every kind, in blocks: as many columns and samples as frames, and the same as from the whole."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
from media_files import tone, write_media
from tiny_data import tiny_config

from eap.data.mel import log_mel, pcm16_waveform
from eap.inference import voice as module
from eap.inference.voice import _fixed_blocks, open_voice
from eap.stage import StageError

AUDIO = tiny_config().audio


def chirp(seconds: float, sample_rate: int) -> np.ndarray:
    t = np.arange(round(seconds * sample_rate)) / sample_rate
    return (0.4 * np.sin(2 * np.pi * (200 * t + 300 * t**2)) * (0.6 + 0.4 * np.sin(9 * t))).astype(np.float32)


@pytest.mark.parametrize(
    ("name", "codec", "sample_rate", "written"),
    [
        ("v.wav", "pcm_s16le", 16000, 48000),
        ("v.wav", "pcm_s16le", 96000, 48000),
        ("v.flac", "flac", 44100, 44100),
        ("v.mp3", "libmp3lame", 22050, 44100),
        ("v.ogg", "libopus", 48000, 48000),
        ("v.m4a", "aac", 16000, 48000),
    ],
)
def test_formats(tmp_path, name, codec, sample_rate, written):
    path = write_media(tmp_path / name, waveform=chirp(1.2, sample_rate), sample_rate=sample_rate, audio_codec=codec)
    voice = open_voice(path, AUDIO)
    assert voice.n_frames in ({30} if codec != "libmp3lame" else {30, 31, 32})  # mp3 without a header keeps its padding
    assert (voice.sample_rate, voice.channels) == (written, 1)
    mel = np.concatenate(list(voice.mel_blocks(AUDIO)))
    assert mel.shape == (voice.n_frames, 16)
    sound = list(voice.sound_blocks(25))
    assert {block.shape for block in sound} == {(1, written // 25)}
    assert len(sound) == voice.n_frames
    # the same tone at the same time in both, whatever the codec
    expected = log_mel(chirp(1.2, 16000), AUDIO)
    assert np.abs(mel[5:25].argmax(1) - expected[5:25].argmax(1)).max() <= 1


def test_a_video_lends_its_sound(clip):
    voice = open_voice(clip.path, AUDIO)
    assert voice.n_frames == 25
    assert len(list(voice.sound_blocks(25))) == 25


@pytest.mark.parametrize("seconds", [0.01, 2.0, 4.0, 4.013])
def test_mel_in_blocks_is_that_of_the_whole(tmp_path, seconds):
    path = write_media(tmp_path / "v.wav", waveform=chirp(seconds, 16000))
    voice = open_voice(path, AUDIO)
    n = -(-round(seconds * 16000) // 640)
    assert voice.n_frames == n
    whole = np.round(chirp(seconds, 16000) * 32767).astype("<i2")
    whole = pcm16_waveform(np.pad(whole, (0, n * 640 - len(whole))).tobytes())
    blocks = list(voice.mel_blocks(AUDIO))
    assert len(blocks) == -(-n // module.BLOCK_COLUMNS)
    np.testing.assert_allclose(np.concatenate(blocks), log_mel(whole, AUDIO), atol=2e-3)


def test_stereo_is_averaged_for_the_model_and_kept_in_the_file(tmp_path):
    import wave

    left, right = chirp(1, 16000), tone(1, 300)
    pcm = np.round(np.stack([left, right], 1) * 32767).astype("<i2")
    with wave.open(str(tmp_path / "v.wav"), "wb") as file:
        file.setparams((2, 2, 16000, len(pcm), "NONE", ""))
        file.writeframes(pcm.tobytes())
    voice = open_voice(tmp_path / "v.wav", AUDIO)
    assert voice.channels == 2
    sound = np.concatenate(list(voice.sound_blocks(25)), axis=1)
    assert sound.shape == (2, 48000)
    np.testing.assert_allclose(sound[:, 300:-300:3], np.stack([left, right])[:, 100:-100], atol=5e-3)
    np.testing.assert_allclose(
        np.concatenate(list(voice.mel_blocks(AUDIO))), log_mel((left + right) / 2, AUDIO), atol=5e-3
    )


def test_the_file_is_read_as_it_is_needed(tmp_path, monkeypatch):
    """Two blocks of columns do not decode a minute."""
    voice = open_voice(write_media(tmp_path / "v.wav", waveform=tone(60)), AUDIO)
    seen = []
    decoded = module._decoded
    monkeypatch.setattr(module, "_decoded", lambda path: (seen.append(f.samples) or f for f in decoded(path)))
    assert len(list(islice(voice.mel_blocks(AUDIO), 2))) == 2
    assert 64000 <= sum(seen) < 80000


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "is not a file"),
        (b"RIFF....WAVEnothing", "cannot be decoded"),
        (b"", "cannot be decoded"),
    ],
)
def test_what_is_no_voice_is_refused(tmp_path, content, message):
    if content is not None:
        (tmp_path / "v.wav").write_bytes(content)
    with pytest.raises(StageError, match=rf"--audio: .*v\.wav.*{message}"):
        open_voice(tmp_path / "v.wav", AUDIO)


def test_a_picture_is_no_voice(portrait):
    with pytest.raises(StageError, match=r"no audio stream\. Any format that ffmpeg reads"):
        open_voice(portrait, AUDIO)


def test_blocks_of_fixed_size():
    parts = iter([np.arange(3)[None], np.arange(3, 4)[None], np.arange(4, 9)[None]])
    blocks = [block[0].tolist() for block in _fixed_blocks(parts, 4, 10)]
    assert blocks == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 0]]
