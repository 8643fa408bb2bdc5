"""The sound of a clip: mono, with its place on the container's clock; resampled while it is decoded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np

from eap.data.media import MediaError, open_media

MAX_JUMP_S = 0.1
"""Audio whose timestamps jump by more has a hole (CHOSEN: rounding and packet sizes stay far below)."""

RESAMPLED_AT_ONCE = 16384
"""Samples: codecs give packets of a thousand, and calling the resampler costs more than they do (CHOSEN)."""


@dataclass(frozen=True)
class Sound:
    """Mono audio."""

    waveform: np.ndarray
    """Float32 ``[L]`` in [-1, 1]."""
    sample_rate: int
    start_s: float
    """Time of the first sample on the container's clock."""
    end_s: float
    """End of the last sample, as it stands in the file."""


def read_sound(path: Path, max_s: float, sample_rate: int | None = None, limit: str = "video.max_frames") -> Sound:
    """The audio of a clip, channels averaged, up to where the file says that it ends.

    It is resampled while it is decoded. Codecs fill their last packet with silence (AAC: up to 64 ms at 16 kHz); the
    stream's own duration leaves it out.

    Parameters
    ----------
    sample_rate
        Hz of the result; None: the file's own.
    limit
        What sets `max_s`, for the message.

    Raises
    ------
    MediaError
        If there is none, it cannot be decoded, has gaps, or runs on for more than `max_s`.
    """
    with open_media(path) as container:
        if not container.streams.audio:
            raise MediaError("no audio stream")
        stream = container.streams.best("audio")
        if stream is None or stream.codec_context is None:
            raise MediaError("the audio stream is of a kind that cannot be decoded")
        rate = stream.codec_context.sample_rate
        if not rate:
            raise MediaError("the audio stream has no sample rate")
        blocks = _AudioBlocks(container, stream, max_s, limit)
        parts = [np.zeros(0, np.float32), *resample_blocks(blocks, rate, sample_rate or rate)]
    if not blocks.n_samples:
        raise MediaError("the audio stream is empty")
    return Sound(np.concatenate(parts), sample_rate or rate, blocks.start_s, blocks.start_s + blocks.n_samples / rate)


def resample(waveform: np.ndarray, from_hz: int, to_hz: int) -> np.ndarray:
    """Float32 ``[L]`` at another sample rate, ``[about L to_hz / from_hz]``, without delay."""
    return np.concatenate(list(resample_blocks([waveform], from_hz, to_hz)))


def resample_blocks(blocks: Iterable[np.ndarray], from_hz: int, to_hz: int) -> Iterator[np.ndarray]:
    """`resample` for consecutive blocks of one waveform, so that only the result need fit into memory.

    ffmpeg's resampler: as exact as scipy's or torchaudio's (its delay of zero is tested), and here already; importing
    one of those would take longer than the work.
    """
    if from_hz == to_hz:
        yield from blocks
        return
    resampler = av.AudioResampler(format="fltp", layout="mono", rate=to_hz)
    for block in _joined(blocks):
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(block[None], np.float32), format="fltp", layout="mono")
        frame.sample_rate = from_hz
        yield from (part.to_ndarray()[0] for part in resampler.resample(frame))
    yield from (part.to_ndarray()[0] for part in resampler.resample(None))


def _joined(blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """The same samples in blocks of at least `RESAMPLED_AT_ONCE`, the last one excepted."""
    held: list[np.ndarray] = []
    for block in blocks:
        held.append(block)
        if sum(map(len, held)) >= RESAMPLED_AT_ONCE:
            yield np.concatenate(held)
            held = []
    if held:
        yield np.concatenate(held)


class _AudioBlocks:
    """Mono blocks of an audio stream, float32; the last one ends where the stream's duration says."""

    def __init__(self, container: Any, stream: Any, max_s: float, limit: str) -> None:
        self._container, self._stream, self._max_s, self._limit = container, stream, max_s, limit
        self.start_s = 0.0
        """Known, as `n_samples`, when the blocks have been read."""
        self.n_samples = 0

    def __iter__(self) -> Iterator[np.ndarray]:
        rate = self._stream.codec_context.sample_rate
        last = np.zeros(0, np.float32)
        for block in self._decoded(rate):
            if len(last):
                yield last
            last = block
        declared = self._stream.duration and round(self._stream.duration * self._stream.time_base * rate)
        surplus = self.n_samples - declared if declared else 0
        if 0 < surplus < len(last):
            last = last[:-surplus]
            self.n_samples = declared
        if len(last):
            yield last

    def _decoded(self, rate: int) -> Iterator[np.ndarray]:
        to_float = av.AudioResampler(format="fltp")  # rate and channels stay as they are: no filter, no delay
        for frame in self._container.decode(self._stream):
            if frame.time is None:
                raise MediaError(f"audio after {self.n_samples / rate:.3f} s has no timestamp")
            if not self.n_samples:
                self.start_s = frame.time
            jump = frame.time - self.start_s - self.n_samples / rate
            if abs(jump) > MAX_JUMP_S:
                raise MediaError(f"audio timestamps jump by {jump:.3f} s at {frame.time:.3f} s")
            for part in to_float.resample(frame):
                self.n_samples += part.samples
                yield part.to_ndarray().mean(0, dtype=np.float32)
            if self.n_samples > self._max_s * rate:
                raise MediaError(f"audio longer than {self._max_s:.2f} s ({self._limit})")
