"""Decoding with PyAV: containers, frames with their timestamps.

What cannot be decoded or trusted (no audio, damage, holes) raises `MediaError`; its message becomes the clip's reason.
"""

from __future__ import annotations

import math
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.reformatter import VideoReformatter

MAX_SIDE_PX = 4096
"""Larger pictures are refused before any is decoded (CHOSEN: twice the side of full HD); the config may ask less."""


class _Reformatters(threading.local):
    """One converter per kind of pixel and thread: a frame's own is set up anew for each frame, longer than it works."""

    def __init__(self) -> None:
        self.of: defaultdict[str, VideoReformatter] = defaultdict(VideoReformatter)


_reformatters = _Reformatters()


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


@contextmanager
def open_media(path: Path) -> Iterator[Any]:
    """An open container; every fault of ffmpeg inside the block becomes a `MediaError`."""
    try:
        # "file:" keeps ffmpeg from reading a protocol or a pattern into an odd name
        with av.open(f"file:{path}", metadata_errors="replace") as container:
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
        yield from _frames(container)


def _frames(container: Any) -> Iterator[av.VideoFrame]:
    if not container.streams.video:
        raise MediaError("no video stream")
    stream = container.streams.best("video")
    if stream is None or stream.codec_context is None:
        raise MediaError("the video stream is of a kind that cannot be decoded")
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


def to_image(frame: av.VideoFrame, pixels: str = "rgb24") -> np.ndarray:
    """A frame as RGB uint8 ``[H, W, 3]``, turned upright where the file says that the camera was not.

    With `pixels` "gray" its brightness, ``[H, W]``.
    """
    image = _reformatters.of[pixels].reformat(frame, format=pixels).to_ndarray()
    return np.ascontiguousarray(np.rot90(image, frame.rotation // 90)) if frame.rotation % 360 else image


def read_timeline(
    path: Path,
    max_s: float,
    visit: Callable[[int, av.VideoFrame], None] = lambda index, frame: None,
    limit: str = "video.max_frames",
    max_fps: float = math.inf,
    max_side_px: int = MAX_SIDE_PX,
) -> Timeline:
    """Timestamps of a video's frames, without converting any picture.

    Parameters
    ----------
    max_s, max_fps, max_side_px
        Videos that are longer, have more frames than ``max_s * max_fps``, or larger pictures, are refused as soon as
        this shows.
    visit
        Called with the number of each frame and the frame, so that others need not decode it again.
    limit
        What sets `max_s`, for the message.

    Raises
    ------
    MediaError
        If it cannot be decoded, or if its timestamps are absent or not ascending.
    """
    times: list[float] = []
    last: av.VideoFrame | None = None
    with open_media(path) as container:
        declared = container.duration / av.time_base if container.duration else None
        for frame in _frames(container):
            if frame.time is None:
                raise MediaError(f"video frame {len(times)} has no timestamp")
            if times and frame.time <= times[-1]:
                raise MediaError(f"video timestamps go back from {times[-1]:.3f} to {frame.time:.3f} s")
            if times and frame.time - times[0] > max_s:
                raise MediaError(f"longer than {max_s:.2f} s ({limit})")
            if len(times) >= max_s * max_fps:
                raise MediaError(f"more than {max_fps:g} frames per second (video.max_source_fps)")
            if max(frame.width, frame.height) > max_side_px:
                raise MediaError(
                    f"pictures of {frame.width} x {frame.height} px; {max_side_px} at most (video.max_side_px)"
                )
            visit(len(times), frame)
            times.append(frame.time)
            last = frame
    if last is None or len(times) < 2:
        raise MediaError(f"{len(times)} video frames: not a video")
    step = float(np.median(np.diff(times)))
    own = float(last.duration * last.time_base) if last.duration else step
    fps = (len(times) - 1) / (times[-1] - times[0])
    return Timeline(np.array(times), times[-1] + own, fps, last.width, last.height, declared)


def _check_size(width_px: int, height_px: int) -> None:
    if not 0 < max(width_px, height_px) <= MAX_SIDE_PX:
        raise MediaError(f"pictures of {width_px} x {height_px} px; the longer side may have {MAX_SIDE_PX} px at most")
