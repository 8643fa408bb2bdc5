"""Mel spectrogram with exactly one column per video frame."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import pandas as pd
import pyarrow as pa
from librosa.util import pad_center
from scipy.signal import get_window, lfilter
from scipy.sparse import csr_array

from eap.data.row_groups import clip_groups, iterate_clips
from eap.schemas import to_table, write_table
from eap.stage import StageResult

MIN_AMPLITUDE = 1e-5
"""-100 dB: below it a logarithm shows only rounding (as Wav2Lip)."""

BLOCK_COLUMNS = 1500
"""Columns that are computed at once (CHOSEN: a minute)."""


def cache_mel(config: Any, audio: Path, mel: Path) -> StageResult:
    """Mel spectrogram of each clip of a shard.

    Parameters
    ----------
    config
        Sections of stage ``mel``.
    audio
        Table ``audio``.
    mel
        Table ``mel`` to write, one row group per clip.
    """
    values = config.audio.model_dump(mode="json")
    write_table(mel, "mel", _mel_tables(config, audio), sources=[audio], config=values)
    return StageResult({"n_clips": len(clip_groups(mel, "mel"))})


def log_mel(waveform: np.ndarray, audio: Any) -> np.ndarray:
    """Scaled log-mel spectrogram, column i from samples ``[hop i, hop (i + 1))``.

    Pre-emphasis ``y[n] = x[n] - 0.97 x[n - 1]`` (so a column also sees one sample of the column before it), periodic
    Hann window, no centring, magnitude, Slaney mels, dB relative to `ref_db`, floor `floor_db`, scaled linearly to
    [-max_abs, max_abs] and clipped. KNOWN: 16 kHz, window = hop = 640 (suppl. B.2). CHOSEN: the rest, as Wav2Lip.

    Parameters
    ----------
    waveform
        Float ``[L]`` in [-1, 1].
    audio
        Section ``audio`` of the configuration.

    Returns
    -------
    np.ndarray
        Float32 ``[floor(L / hop), n_mels]`` in [-max_abs, max_abs].

    Raises
    ------
    ValueError
        If n_fft differs from the hop (columns would no longer be frames), or the waveform is not one channel.
    """
    if audio.n_fft != audio.hop_length:
        raise ValueError(
            f"audio.n_fft ({audio.n_fft}) must equal audio.hop_length ({audio.hop_length}): a mel column is one frame"
        )
    samples = np.asarray(waveform)
    if samples.ndim != 1:
        raise ValueError(f"waveform must have one dimension, got shape {samples.shape}")
    if len(samples) < audio.hop_length:
        return np.zeros((0, audio.n_mels), np.float32)
    filters = _filters(audio.sample_rate, audio.n_fft, audio.n_mels, audio.fmin_hz, audio.fmax_hz)
    blocks = [
        _mel_block(samples, first, audio, filters)
        for first in range(0, len(samples) // audio.hop_length, BLOCK_COLUMNS)
    ]
    return np.concatenate(blocks)


def _mel_block(samples: np.ndarray, first: int, audio: Any, filters: csr_array) -> np.ndarray:
    """Columns from `first` on, at most `BLOCK_COLUMNS`: all at once, in memory that does not grow with the clip."""
    begin, end = first * audio.hop_length, (first + BLOCK_COLUMNS) * audio.hop_length
    emphasised = lfilter([1, -audio.preemphasis], 1, samples[max(begin - 1, 0) : end].astype(np.float64))
    emphasised = emphasised[1 if begin else 0 :]
    columns = emphasised[: len(emphasised) // audio.hop_length * audio.hop_length].reshape(-1, audio.hop_length)
    window = pad_center(get_window("hann", audio.win_length), size=audio.n_fft)
    magnitude_TF = np.abs(np.fft.rfft(columns * window))
    decibels = 20 * np.log10(np.maximum((filters @ magnitude_TF.T).T, MIN_AMPLITUDE)) - audio.ref_db
    scaled = 2 * audio.max_abs * (decibels - audio.floor_db) / -audio.floor_db - audio.max_abs
    return np.clip(scaled, -audio.max_abs, audio.max_abs).astype(np.float32, order="C")


def pcm16_waveform(pcm16: bytes) -> np.ndarray:
    """Little-endian 16-bit samples as float32 ``[L]`` in [-1, 1]."""
    return np.frombuffer(pcm16, "<i2").astype(np.float32) / 32767


@lru_cache
def _filters(sample_rate: int, n_fft: int, n_mels: int, fmin_hz: float, fmax_hz: float) -> csr_array:
    """Sparse: each filter covers a few bins, and BLAS would start its threads for each clip."""
    return csr_array(
        librosa.filters.mel(
            sr=sample_rate, n_fft=n_fft, n_mels=n_mels, fmin=fmin_hz, fmax=fmax_hz, norm="slaney", dtype=np.float64
        )
    )


def _mel_tables(config: Any, audio: Path) -> Iterator[pa.Table]:
    for clip_id, table in iterate_clips(audio, "audio"):
        columns = log_mel(pcm16_waveform(table["pcm16"][0].as_py()), config.audio)
        rows = {"clip_id": clip_id, "frame": np.arange(len(columns)), "mel": list(columns)}
        yield to_table("mel", pd.DataFrame(rows))
