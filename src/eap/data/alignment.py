"""Video and audio on one clock: frames at the constant rate, and audio of exactly the same length.

A clip's clock starts at its first timestamp, of video or audio.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np

from eap.data.media import MediaError, Timeline, read_timeline
from eap.data.sound import Sound, read_sound

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


def fit_sound(sound: Sound, origin_s: float, n_samples: int) -> np.ndarray:
    """The audio as float32 ``[n_samples]``, sample 0 at `origin_s` (to half a sample); silence where there is none."""
    shift = round((sound.start_s - origin_s) * sound.sample_rate)
    waveform = sound.waveform[-shift:] if shift < 0 else np.pad(sound.waveform, (shift, 0))
    waveform = np.clip(waveform[:n_samples], -1, 1).astype(np.float32)
    return np.pad(waveform, (0, n_samples - len(waveform)))


def read_clip(
    path: Path,
    sound_path: Path,
    video: Any,
    audio: Any,
    visit: Callable[[int, av.VideoFrame], None] = lambda index, frame: None,
) -> Clip:
    """A clip's timing and audio at the configured rates.

    Parameters
    ----------
    sound_path
        The same file, or the sound's own (MEAD).
    video, audio
        Sections of the configuration: fps and the bounds of frames, rate and side; sample_rate, hop_length.
    visit
        Sees each decoded frame, as in `read_timeline`.

    Raises
    ------
    MediaError
        If the clip cannot be used.
    """
    max_s = (video.max_frames + 1) / video.fps
    bounds = {"max_fps": video.max_source_fps, "max_side_px": video.max_side_px}
    timeline = read_timeline(path, max_s, visit, **bounds)
    sound = read_sound(sound_path, max_s + 1, audio.sample_rate)
    first = float(timeline.times_s[0])
    origin = clock_origin(timeline, sound, video.fps)
    video_s, audio_s = timeline.end_s - origin, sound.end_s - origin
    _check_lengths(video_s, audio_s, 1 / video.fps)
    check_whole(timeline.declared_s, min(first, sound.start_s), max(timeline.end_s, sound.end_s))
    frame_of_tick = ticks(timeline.times_s - origin, video_s, video.fps)
    if not video.min_frames <= len(frame_of_tick) <= video.max_frames:
        raise MediaError(
            f"{len(frame_of_tick)} frames at {video.fps} fps; allowed are {video.min_frames} to {video.max_frames} "
            "(video.min_frames, video.max_frames)"
        )
    waveform = fit_sound(sound, origin, len(frame_of_tick) * audio.hop_length)
    return Clip(timeline, frame_of_tick, waveform, video_s, audio_s)


def clock_origin(timeline: Timeline, sound: Sound, fps: int) -> float:
    """Where a clip's clock starts, seconds on the container's: at its first timestamp, of video or audio."""
    first = float(timeline.times_s[0])
    origin = min(first, sound.start_s)
    # audio leads in: without this, the first picture would stand still
    return first if first - origin >= 1 / fps else origin


def _check_lengths(video_s: float, audio_s: float, tick_s: float) -> None:
    if abs(video_s - audio_s) >= tick_s:
        raise MediaError(
            f"video ends at {video_s:.3f} s, audio at {audio_s:.3f} s: {abs(video_s - audio_s):.3f} s apart, "
            f"allowed is less than {tick_s:.3f} s"
        )


def check_whole(declared_s: float | None, start_s: float, end_s: float) -> None:
    """Raise `MediaError` if what was decoded, from `start_s` to `end_s`, ends before the header's `declared_s`."""
    # Some containers count their duration from the first timestamp, others from zero: believe the shorter claim
    decoded_s = max(end_s, end_s - start_s)
    if declared_s is not None and declared_s - decoded_s > CUT_OFF_S:
        raise MediaError(f"cut off: it ends at {decoded_s:.3f} s, its header says {declared_s:.3f} s")
