"""Write videos that any player opens: H.264 and AAC, through PyAV."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av
import numpy as np

from eap.files import atomic_path

PROVENANCE = "AI-generated face (eap)"


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
    """Encode frames and sound.

    Parameters
    ----------
    frames_THWC
        uint8 RGB, even sides; an array, or any frames one after the other.
    crf
        x264 quality, 0 (lossless) to 51.
    pcm16
        int16 mono samples at `sample_rate`, or None for a silent video.
    comment
        Kept in the container's metadata; `PROVENANCE` for generated faces.
    preset
        x264's speed, from ``ultrafast`` to ``placebo``.
    repeatable
        Equal frames give equal files. Off 256 px x264's macroblock tree reads memory that it did not write, and a file
        of 32, 64 or 96 px differs from one run to the next (measured, x264 of PyAV 18.1); True switches it off.
    """
    options = {"crf": str(crf), "preset": preset, "threads": "1"} | ({"x264-params": "mbtree=0"} if repeatable else {})
    with atomic_path(path) as temporary, av.open(str(temporary), "w", format="mp4") as container:
        container.metadata["comment"] = comment
        video = container.add_stream("libx264", rate=fps, options=options)
        images = iter(frames_THWC)
        first = next(images)
        video.height, video.width = first.shape[:2]
        video.pix_fmt = "yuv420p"
        video.time_base = Fraction(1, fps)
        sound = container.add_stream("aac", rate=sample_rate, layout="mono") if pcm16 is not None else None
        for image in chain([first], images):
            container.mux(video.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")))
        container.mux(video.encode())
        if sound is not None:
            block = av.AudioFrame.from_ndarray(np.ascontiguousarray(pcm16)[None], format="s16", layout="mono")
            block.sample_rate = sample_rate
            block.pts = 0
            resampler = av.AudioResampler(format="fltp", layout="mono", rate=sample_rate, frame_size=1024)
            for part in [*resampler.resample(block), *resampler.resample(None)]:
                container.mux(sound.encode(part))
            container.mux(sound.encode())
