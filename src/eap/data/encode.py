"""Write videos that any player opens: H.264 and AAC, through PyAV."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc

from eap.files import atomic_path

PROVENANCE = "AI-generated face (eap)"

AAC_FRAME = 1024


class VideoWriter:
    """An open video, to which pictures and sound are given side by side; see `open_video`.

    The muxer holds back whichever of the two is ahead: given in turn, memory does not grow with the video.
    """

    def __init__(self, container: Any, picture: Any, sound: Any | None) -> None:
        self._container, self._picture, self._sound = container, picture, sound
        self._n_samples = 0
        self._framed = sound and av.AudioResampler("fltp", sound.layout, sound.rate, frame_size=AAC_FRAME)

    def add_frame(self, image_HWC: np.ndarray) -> None:
        """The next picture, RGB uint8 of the video's size."""
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image_HWC), format="rgb24")
        self._container.mux(self._picture.encode(frame))

    def add_sound(self, samples_CL: np.ndarray) -> None:
        """The next samples of each channel: float32 in [-1, 1], or int16."""
        kind = "s16p" if samples_CL.dtype == np.int16 else "fltp"
        block = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples_CL), kind, self._sound.layout.name)
        block.sample_rate = self._sound.rate
        block.pts, block.time_base = self._n_samples, Fraction(1, self._sound.rate)
        self._n_samples += block.samples
        self._encode_sound(block)

    def finish(self) -> None:
        """Write what the encoders hold back."""
        self._container.mux(self._picture.encode())
        if self._sound is not None:
            self._encode_sound(None)
            self._container.mux(self._sound.encode())

    def _encode_sound(self, block: av.AudioFrame | None) -> None:
        for part in self._framed.resample(block):
            self._container.mux(self._sound.encode(part))


@contextmanager
def open_video(
    path: Path,
    size: tuple[int, int],
    fps: int,
    crf: int,
    *,
    sample_rate: int | None,
    channels: int = 1,
    metadata: Mapping[str, str],
    preset: str = "medium",
    threads: int = 1,
    repeatable: bool = False,
) -> Iterator[VideoWriter]:
    """A video that appears at `path` when the block ends well, and nothing if it does not.

    Parameters
    ----------
    size
        Width and height, px; even.
    crf
        x264 quality, 0 (lossless) to 51.
    sample_rate, channels
        Of the sound (1 or 2 channels); None: a silent video. AAC fills its last packet of 1024 samples with silence,
        which players leave out and simple decoders do not: from 44.1 kHz on that is less than a frame.
    metadata
        Kept in the container: mp4 knows ``comment``, ``description``, ``title`` and a few more.
    preset
        x264's speed, from ``ultrafast`` to ``placebo``.
    threads
        Of x264; more than one changes the file, though not its quality.
    repeatable
        Equal frames give equal files. Off 256 px x264's macroblock tree reads memory that it did not write, and a file
        of 32, 64 or 96 px differs from one run to the next (measured, x264 of PyAV 18.1); True switches it off.
    """
    with atomic_path(path) as temporary, av.open(f"file:{temporary}", "w", format="mp4") as container:
        container.metadata.update(metadata)
        options = {"crf": str(crf), "preset": preset, "threads": str(threads)}
        options |= {"x264-params": "mbtree=0"} if repeatable else {}
        picture = container.add_stream("libx264", rate=fps, options=options)
        picture.width, picture.height = size
        picture.pix_fmt = "yuv420p"
        picture.time_base = Fraction(1, fps)
        _tag_colours(picture.codec_context)
        layout = "mono" if channels == 1 else "stereo"
        sound = container.add_stream("aac", rate=sample_rate, layout=layout) if sample_rate else None
        writer = VideoWriter(container, picture, sound)
        yield writer
        writer.finish()


def write_video(
    path: Path,
    frames_THWC: Iterable[np.ndarray],
    fps: int,
    crf: int,
    pcm16: np.ndarray | None,
    sample_rate: int,
    comment: str,
    preset: str = "medium",
    repeatable: bool = False,
) -> None:
    """Encode frames and sound that are at hand.

    Parameters
    ----------
    frames_THWC
        uint8 RGB, even sides; an array, or any frames one after the other.
    pcm16
        int16 mono samples at `sample_rate`, or None for a silent video.
    comment
        Kept in the container's metadata; `PROVENANCE` for generated faces.
    fps, crf, preset, repeatable
        As in `open_video`.
    """
    images = iter(frames_THWC)
    first = next(images)
    height, width = first.shape[:2]
    with open_video(
        path, (width, height), fps, crf,
        sample_rate=None if pcm16 is None else sample_rate, metadata={"comment": comment}, preset=preset,
        repeatable=repeatable,
    ) as video:  # fmt: skip
        hop, at = sample_rate // fps, 0
        for image in chain([first], images):
            video.add_frame(image)
            if pcm16 is not None and len(pcm16) > at:
                video.add_sound(pcm16[None, at : at + hop])
            at += hop
        if pcm16 is not None and len(pcm16) > at:
            video.add_sound(pcm16[None, at:])


def _tag_colours(codec: Any) -> None:
    """Say what the numbers mean: without it, players take large pictures for BT.709 and show other colours.

    The matrix is the one that the conversion from RGB uses, ffmpeg's default.
    """
    codec.colorspace = Colorspace.SMPTE170M
    codec.color_primaries = ColorPrimaries.BT709
    codec.color_trc = ColorTrc.IEC61966_2_1
    codec.color_range = ColorRange.MPEG
