"""Video and audio on one clock: frames at the constant rate, and audio of exactly the same length.

A clip's clock starts at its first timestamp, of video or audio.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np

from eap.data.media import MediaError, Sound, Timeline, read_sound, read_timeline

CUT_OFF_S = 0.1
"""A file that ends this much earlier than its header says was cut off (CHOSEN: codecs pad up to a packet, 64 ms)."""


@dataclass(frozen=True)
class Clip:
    """A clip at the constant frame rate, with audio of exactly the same length."""

    timeline: Timeline
    frame_of_tick: np.ndarray
    """Source frame shown at tick i / fps, int64 ``[T]``, never descending."""
    waveform: np.ndarray
    """Float32 ``[T * hop]`` in [-1, 1]; sample 0 is tick 0."""
    video_duration_s: float
    audio_duration_s: float


def ticks(times_s: np.ndarray, end_s: float, fps: int) -> np.ndarray:
    """The source frame that each tick i / fps < `end_s` shows.

    A tick shows the latest frame that has begun half a source frame after it: so a resampled video is late or early by
    at most half a source frame and by nothing on average, and rounded timestamps (flv counts in ms) do no harm.

    Parameters
    ----------
    times_s
        Ascending start times ``[F]``; times before the first frame show the first frame.

    Returns
    -------
    np.ndarray
        Indices into `times_s`, int64 ``[T]``.
    """
    n_ticks = int(np.ceil(end_s * fps - 1e-6))
    half = 0.5 * float(np.median(np.diff(times_s)))
    return np.maximum(np.searchsorted(times_s, np.arange(n_ticks) / fps + half, side="right") - 1, 0)


def fit_sound(sound: Sound, origin_s: float, sample_rate: int, n_samples: int) -> np.ndarray:
    """The audio at `sample_rate`, float32 ``[n_samples]``, sample 0 at `origin_s`; silence where there is none."""
    shift = round((sound.start_s - origin_s) * sound.sample_rate)
    waveform = sound.waveform[-shift:] if shift < 0 else np.pad(sound.waveform, (shift, 0))
    if len(waveform) and sound.sample_rate != sample_rate:
        waveform = resample(waveform, sound.sample_rate, sample_rate)
    waveform = np.clip(waveform[:n_samples], -1, 1).astype(np.float32)
    return np.pad(waveform, (0, n_samples - len(waveform)))


def resample(waveform: np.ndarray, from_hz: int, to_hz: int) -> np.ndarray:
    """Float32 ``[L]`` at another sample rate, ``[about L to_hz / from_hz]``, without delay.

    ffmpeg's resampler: as exact as scipy's or torchaudio's (its delay of zero is tested), and here already; importing
    one of those would take longer than the work.
    """
    resampler = av.AudioResampler(format="fltp", layout="mono", rate=to_hz)
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(waveform[None], np.float32), format="fltp", layout="mono")
    frame.sample_rate = from_hz
    return np.concatenate([part.to_ndarray()[0] for part in [*resampler.resample(frame), *resampler.resample(None)]])


def read_clip(path: Path, video: Any, audio: Any) -> Clip:
    """A clip's timing and audio at the configured rates.

    Parameters
    ----------
    video, audio
        Sections of the configuration: fps and the bounds of frames, rate and side; sample_rate, hop_length.

    Raises
    ------
    MediaError
        If the clip cannot be used.
    """
    max_s = (video.max_frames + 1) / video.fps
    timeline = read_timeline(path, max_s, video.max_source_fps, video.max_side_px)
    sound = read_sound(path, max_s + 1)
    first = float(timeline.times_s[0])
    origin = min(first, sound.start_s)
    if first - origin >= 1 / video.fps:  # audio leads in: without this, the first picture would stand still
        origin = first
    video_s, audio_s = timeline.end_s - origin, sound.end_s - origin
    _check_lengths(video_s, audio_s, 1 / video.fps)
    _check_whole(timeline.declared_s, min(first, sound.start_s), max(timeline.end_s, sound.end_s))
    frame_of_tick = ticks(timeline.times_s - origin, video_s, video.fps)
    if not video.min_frames <= len(frame_of_tick) <= video.max_frames:
        raise MediaError(
            f"{len(frame_of_tick)} frames at {video.fps} fps; allowed are {video.min_frames} to {video.max_frames} "
            "(video.min_frames, video.max_frames)"
        )
    waveform = fit_sound(sound, origin, audio.sample_rate, len(frame_of_tick) * audio.hop_length)
    return Clip(timeline, frame_of_tick, waveform, video_s, audio_s)


def _check_lengths(video_s: float, audio_s: float, tick_s: float) -> None:
    if abs(video_s - audio_s) >= tick_s:
        raise MediaError(
            f"video ends at {video_s:.3f} s, audio at {audio_s:.3f} s: {abs(video_s - audio_s):.3f} s apart, "
            f"allowed is less than {tick_s:.3f} s"
        )


def _check_whole(declared_s: float | None, start_s: float, end_s: float) -> None:
    # Some containers count their duration from the first timestamp, others from zero: believe the shorter claim
    decoded_s = max(end_s, end_s - start_s)
    if declared_s is not None and declared_s - decoded_s > CUT_OFF_S:
        raise MediaError(f"cut off: it ends at {decoded_s:.3f} s, its header says {declared_s:.3f} s")
