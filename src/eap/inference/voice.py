"""A voice from any audio file, read in blocks: mel columns for the model, samples for the file that is written.

The file is decoded anew for each purpose, so that nothing of it has to be kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np

from eap.data.media import MediaError, open_media
from eap.data.mel import log_mel, pcm16_waveform
from eap.stage import StageError

SOUND_HZ = {11025: 44100, 22050: 44100, 44100: 44100}
"""Sample rate that is written, by the file's; of all others 48 kHz. What is written is not lower, since then the last
packet's padding could last longer than a video frame."""
OTHER_HZ = 48000

BLOCK_COLUMNS = 50
"""Mel columns made at once (2 s)."""


@dataclass(frozen=True)
class Voice:
    """An audio file, or a video's sound, that has been decoded once to see that it can be."""

    path: Path
    n_frames: int
    """Video frames that it lasts; the last one may be partly silent."""
    sample_rate: int
    """Of the sound that is written: 44.1 or 48 kHz."""
    channels: int
    """Of the sound that is written: 1 or 2."""

    def mel_blocks(self, audio: Any) -> Iterator[np.ndarray]:
        """Mel columns ``[n, n_mels]``, `n_frames` in all, as `log_mel` gives for the whole waveform.

        Parameters
        ----------
        audio
            Section ``audio`` of the configuration.
        """
        hop = audio.hop_length
        blocks = _fixed_blocks(_mono(self.path, audio.sample_rate), BLOCK_COLUMNS * hop, self.n_frames * hop)
        before: np.ndarray | None = None
        for block in blocks:
            # Through 16 bits, as in the prepared data
            waveform = pcm16_waveform(np.round(np.clip(block[0], -1, 1) * 32767).astype("<i2").tobytes())
            if before is None:
                yield log_mel(waveform, audio)
            else:  # pre-emphasis looks one sample back
                yield log_mel(np.concatenate([before, waveform]), audio)[1:]
            before = waveform[-hop:]

    def sound_blocks(self, fps: int) -> Iterator[np.ndarray]:
        """Samples ``[channels, sample_rate / fps]`` of each video frame, float32 in [-1, 1]."""
        samples = _samples(self.path, self.sample_rate, "mono" if self.channels == 1 else "stereo")
        per_frame = self.sample_rate // fps
        for block in _fixed_blocks(samples, per_frame, self.n_frames * per_frame):
            yield np.clip(block, -1, 1)


def open_voice(path: Path, audio: Any) -> Voice:
    """Decode a file once and say how long it is.

    Raises
    ------
    StageError
        If it is absent, holds no sound, or cannot be decoded to its end.
    """
    if not path.is_file():
        raise StageError(f"--audio: {path} is not a file")
    try:
        with open_media(path) as container:
            if not container.streams.audio:
                raise MediaError("no audio stream")
            stream = container.streams.best("audio")
            if stream is None or stream.codec_context is None or not stream.codec_context.sample_rate:
                raise MediaError("the audio stream is of a kind that cannot be decoded")
            codec = stream.codec_context
            rate, channels = codec.sample_rate, codec.channels
        n_samples = sum(block.shape[1] for block in _mono(path, audio.sample_rate))
        if not n_samples:
            raise MediaError("the audio stream is empty")
    except MediaError as error:
        raise StageError(
            f"--audio: {path}: {error}. Any format that ffmpeg reads will do (wav, mp3, m4a, ogg, flac, a video)"
        ) from None
    return Voice(path, -(-n_samples // audio.hop_length), SOUND_HZ.get(rate, OTHER_HZ), min(channels, 2))


def _mono(path: Path, sample_rate: int) -> Iterator[np.ndarray]:
    """Float32 ``[1, n]``: channels averaged, then resampled, as in preparation."""
    resampler = av.AudioResampler("fltp", "mono", sample_rate)
    for frame in _decoded(path):
        mean = frame.to_ndarray().mean(0, dtype=np.float32, keepdims=True)
        averaged = av.AudioFrame.from_ndarray(mean, "fltp", "mono")
        averaged.sample_rate = frame.sample_rate
        for part in resampler.resample(averaged):
            yield part.to_ndarray()
    for part in resampler.resample(None):
        yield part.to_ndarray()


def _samples(path: Path, sample_rate: int, layout: str) -> Iterator[np.ndarray]:
    """Float32 ``[C, n]`` at another rate and layout."""
    resampler = av.AudioResampler("fltp", layout, sample_rate)
    for frame in _decoded(path):
        frame.pts = None  # a hole in the timestamps is no hole in the speech
        for part in resampler.resample(frame):
            yield part.to_ndarray()
    for part in resampler.resample(None):
        yield part.to_ndarray()


def _decoded(path: Path) -> Iterator[av.AudioFrame]:
    """Decoded planar float frames; the silence with which a codec fills its last packet is left out."""
    with open_media(path) as container:
        stream = container.streams.best("audio")
        to_float = av.AudioResampler("fltp")
        held: av.AudioFrame | None = None
        n_samples = 0
        for frame in container.decode(stream):
            for part in to_float.resample(frame):
                if held is not None:
                    yield held
                held = part
                n_samples += part.samples
        if held is None:
            return
        declared = stream.duration and round(stream.duration * stream.time_base * held.sample_rate)
        surplus = n_samples - declared if declared else 0
        yield _shortened(held, surplus) if 0 < surplus < held.samples else held


def _shortened(frame: av.AudioFrame, surplus: int) -> av.AudioFrame:
    samples = np.ascontiguousarray(frame.to_ndarray()[:, :-surplus])
    short = av.AudioFrame.from_ndarray(samples, "fltp", frame.layout.name)
    short.sample_rate = frame.sample_rate
    return short


def _fixed_blocks(parts: Iterator[np.ndarray], size: int, total: int) -> Iterator[np.ndarray]:
    """``[C, n]`` parts of any length as blocks of `size` samples, `total` in all; silence where there are fewer."""
    held: list[np.ndarray] = []
    n_held = given = 0
    while given < total:
        wanted = min(size, total - given)
        while n_held < wanted and (part := next(parts, None)) is not None:
            held.append(part)
            n_held += part.shape[1]
        joined = np.concatenate(held, axis=1)
        block = joined[:, :wanted]
        held, n_held = [joined[:, wanted:]], max(n_held - wanted, 0)
        given += wanted
        yield np.pad(block, ((0, 0), (0, wanted - block.shape[1])))
