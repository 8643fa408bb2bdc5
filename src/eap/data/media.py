"""Decoding with PyAV: frames by their timestamps, mono audio on the video's clock.

A clip's clock starts at its first timestamp, of video or audio. A clip that cannot be trusted (no audio, damaged, cut
off, audio and video of different length) raises `MediaError`, whose message becomes the clip's reason.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import gcd
from pathlib import Path
from typing import Any

import av
import numpy as np
from scipy.signal import resample_poly

MAX_SIDE_PX = 4096
"""Larger pictures are refused before any is decoded (CHOSEN: twice the side of full HD)."""

CUT_OFF_S = 0.1
"""A file that ends this much earlier than its header says was cut off (CHOSEN: codecs pad up to a packet, 64 ms)."""


class MediaError(ValueError):
    """A clip cannot be used; the message is its reason."""


@dataclass(frozen=True)
class Timeline:
    """When a video's frames are shown; seconds on the container's clock."""

    times_s: np.ndarray
    """Ascending start times, float64 ``[F]``."""
    end_s: float
    fps: float
    """Mean frame rate."""
    width_px: int
    height_px: int
    declared_s: float | None
    """Duration according to the header."""


@dataclass(frozen=True)
class Sound:
    """Mono audio as it stands in the file."""

    waveform: np.ndarray
    """Float32 ``[L]`` in [-1, 1]."""
    sample_rate: int
    start_s: float
    """Time of the first sample on the container's clock."""

    @property
    def end_s(self) -> float:
        """End of the last sample."""
        return self.start_s + len(self.waveform) / self.sample_rate


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


@contextmanager
def open_media(path: Path) -> Iterator[Any]:
    """An open container; every fault of ffmpeg inside the block becomes a `MediaError`."""
    try:
        # "file:" keeps ffmpeg from reading a protocol or a pattern into an odd name
        with av.open(f"file:{path}") as container:
            yield container
    except av.error.FFmpegError as error:
        raise MediaError(f"cannot be decoded: {error.strerror or error} ({type(error).__name__})") from error


def iterate_video(path: Path) -> Iterator[av.VideoFrame]:
    """Decoded frames in the order of display.

    Raises
    ------
    MediaError
        If there is no video, a picture is too large, or a frame is damaged.
    """
    with open_media(path) as container:
        if not container.streams.video:
            raise MediaError("no video stream")
        stream = container.streams.best("video")
        _check_size(stream.codec_context.width, stream.codec_context.height)
        stream.codec_context.thread_count = 1
        for frame in container.decode(stream):
            if frame.is_corrupt:
                raise MediaError(f"damaged or cut off: a broken video frame at {frame.time} s")
            _check_size(frame.width, frame.height)
            yield frame


def iterate_images(path: Path) -> Iterator[np.ndarray]:
    """The same frames as upright RGB uint8 images ``[H, W, 3]``, made only when asked for by `next`."""
    for frame in iterate_video(path):
        yield to_image(frame)


def to_image(frame: av.VideoFrame) -> np.ndarray:
    """A frame as RGB uint8 ``[H, W, 3]``, turned upright where the file says that the camera was not."""
    image = frame.to_ndarray(format="rgb24")
    return np.ascontiguousarray(np.rot90(image, frame.rotation // 90)) if frame.rotation % 360 else image


def read_timeline(path: Path, max_s: float) -> Timeline:
    """Timestamps of a video's frames, without converting any picture.

    Parameters
    ----------
    max_s
        Longer videos are refused as soon as this is passed.

    Raises
    ------
    MediaError
        If it cannot be decoded, or if its timestamps are absent or not ascending.
    """
    times: list[float] = []
    last: av.VideoFrame | None = None
    for frame in iterate_video(path):
        if frame.time is None:
            raise MediaError(f"video frame {len(times)} has no timestamp")
        if times and frame.time <= times[-1]:
            raise MediaError(f"video timestamps go back from {times[-1]:.3f} to {frame.time:.3f} s")
        times.append(frame.time)
        last = frame
        if frame.time - times[0] > max_s:
            raise MediaError(f"longer than {max_s:.2f} s (video.max_frames)")
    if last is None or len(times) < 2:
        raise MediaError(f"{len(times)} video frames: not a video")
    step = float(np.median(np.diff(times)))
    own = float(last.duration * last.time_base) if last.duration else step
    with open_media(path) as container:
        declared = container.duration / av.time_base if container.duration else None
    fps = (len(times) - 1) / (times[-1] - times[0])
    return Timeline(np.array(times), times[-1] + own, fps, last.width, last.height, declared)


def read_sound(path: Path, max_s: float) -> Sound:
    """The audio of a clip, channels averaged.

    Raises
    ------
    MediaError
        If there is none, it cannot be decoded, has gaps, or runs on for more than `max_s`.
    """
    blocks: list[np.ndarray] = []
    n_samples, start = 0, 0.0
    with open_media(path) as container:
        if not container.streams.audio:
            raise MediaError("no audio stream")
        stream = container.streams.best("audio")
        rate = stream.codec_context.sample_rate
        to_float = av.AudioResampler(format="fltp")  # rate and channels stay as they are: no filter, no delay
        for frame in container.decode(stream):
            if frame.time is None:
                raise MediaError(f"audio after {n_samples / rate:.3f} s has no timestamp")
            if not blocks:
                start = frame.time
            jump = frame.time - start - n_samples / rate
            if abs(jump) > CUT_OFF_S:
                raise MediaError(f"audio timestamps jump by {jump:.3f} s at {frame.time:.3f} s")
            for part in to_float.resample(frame):
                blocks.append(part.to_ndarray().mean(0, dtype=np.float32))
                n_samples += part.samples
            if n_samples > max_s * rate:
                raise MediaError(f"audio longer than {max_s:.2f} s (video.max_frames)")
    if not n_samples:
        raise MediaError("the audio stream is empty")
    return Sound(np.concatenate(blocks), rate, start)


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
    """The audio at `sample_rate`, float32 ``[n_samples]``, sample 0 at `origin_s`; silence where there is none.

    `scipy.signal.resample_poly` filters with a symmetric kernel: no delay.
    """
    shift = round((sound.start_s - origin_s) * sound.sample_rate)
    waveform = sound.waveform[-shift:] if shift < 0 else np.pad(sound.waveform, (shift, 0))
    factor = gcd(sample_rate, sound.sample_rate)
    if sound.sample_rate != sample_rate:
        waveform = resample_poly(waveform, sample_rate // factor, sound.sample_rate // factor)
    waveform = np.clip(waveform[:n_samples], -1, 1).astype(np.float32)
    return np.pad(waveform, (0, n_samples - len(waveform)))


def read_clip(path: Path, video: Any, audio: Any) -> Clip:
    """A clip's timing and audio at the configured rates.

    Parameters
    ----------
    video, audio
        Sections of the configuration: fps, min_frames, max_frames; sample_rate, hop_length.

    Raises
    ------
    MediaError
        If the clip cannot be used.
    """
    max_s = (video.max_frames + 1) / video.fps
    timeline = read_timeline(path, max_s)
    sound = read_sound(path, max_s + 1)
    first = float(timeline.times_s[0])
    origin = min(first, sound.start_s)
    if first - origin >= 1 / video.fps:  # audio leads in: without this, the first picture would stand still
        origin = first
    video_s, audio_s = timeline.end_s - origin, sound.end_s - origin
    _check_lengths(video_s, audio_s, timeline.declared_s, 1 / video.fps)
    frame_of_tick = ticks(timeline.times_s - origin, video_s, video.fps)
    if not video.min_frames <= len(frame_of_tick) <= video.max_frames:
        raise MediaError(
            f"{len(frame_of_tick)} frames at {video.fps} fps; allowed are {video.min_frames} to {video.max_frames} "
            "(video.min_frames, video.max_frames)"
        )
    waveform = fit_sound(sound, origin, audio.sample_rate, len(frame_of_tick) * audio.hop_length)
    return Clip(timeline, frame_of_tick, waveform, video_s, audio_s)


def _check_size(width_px: int, height_px: int) -> None:
    if not 0 < max(width_px, height_px) <= MAX_SIDE_PX:
        raise MediaError(f"pictures of {width_px} x {height_px} px; the longer side may have {MAX_SIDE_PX} px at most")


def _check_lengths(video_s: float, audio_s: float, declared_s: float | None, tick_s: float) -> None:
    if abs(video_s - audio_s) >= tick_s:
        raise MediaError(
            f"video ends at {video_s:.3f} s, audio at {audio_s:.3f} s: {abs(video_s - audio_s):.3f} s apart, "
            f"allowed is less than {tick_s:.3f} s"
        )
    if declared_s is not None and declared_s - max(video_s, audio_s) > CUT_OFF_S:
        raise MediaError(f"cut off: it ends at {max(video_s, audio_s):.3f} s, its header says {declared_s:.3f} s")
