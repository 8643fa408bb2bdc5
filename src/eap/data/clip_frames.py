"""One media file to its part of the frame cache: face crops at the constant rate, audio, its row of table ``media``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pyarrow as pa

from eap.data.alignment import Clip, read_clip
from eap.data.crop import CropBox, FaceLocator, crop_image
from eap.data.jpeg import encode_jpeg
from eap.data.media import MediaError, iterate_video, to_image
from eap.data.row_groups import FRAMES_PER_GROUP
from eap.schemas import SCHEMAS, write_table

HELD_BYTES = 128 << 20
"""Decoded frames are held up to this size, so that short clips are decoded once, long ones twice (CHOSEN)."""


@dataclass(frozen=True)
class ClipJob:
    """What is read, and where its parts go."""

    clip_id: str
    path: Path
    sound_path: Path
    """The same file, or the sound's own."""
    frames: Path
    """Table ``frames`` of this clip alone, to be written."""
    pcm16: Path
    """Its samples as bytes, to be written."""


class HeldFrames:
    """A clip's decoded frames for a second look: from memory while they fit into it, decoded again otherwise."""

    def __init__(self, path: Path, limit_bytes: int) -> None:
        self._path, self._room = path, limit_bytes
        self._held: list[av.VideoFrame] | None = []

    def add(self, frame: av.VideoFrame) -> None:
        """Keep the next frame."""
        self._room -= sum(plane.buffer_size for plane in frame.planes)
        if self._room < 0:
            self._held = None
        elif self._held is not None:
            self._held.append(frame)

    def __iter__(self) -> Iterator[av.VideoFrame]:
        return iter(self._held) if self._held is not None else iterate_video(self._path)


def prepare_clip(job: ClipJob, video: Any, audio: Any) -> dict[str, Any]:
    """Write a clip's frames and samples; a clip that cannot be used comes back with its reason, it never raises.

    Parameters
    ----------
    video, audio
        Sections of the configuration.

    Returns
    -------
    dict
        The row of table ``media``.
    """
    try:
        locator, held = FaceLocator(video.detect_every), HeldFrames(job.path, HELD_BYTES)

        def visit(index: int, frame: av.VideoFrame) -> None:
            locator.visit(index, frame)
            held.add(frame)

        clip = read_clip(job.path, job.sound_path, video, audio, visit)
        box = locator.crop_box(held, video.crop_scale)
        tables = _frame_tables(job.clip_id, _encoded(held, clip, box, video))
        write_table(job.frames, "frames", tables)
    except MediaError as error:
        return media_row(job.clip_id, str(error))
    # What decoders and dlib raise on unforeseen material; faults of the code (KeyError, ...) still stop the run
    except (av.error.FFmpegError, cv2.error, OSError, ValueError, ArithmeticError, RuntimeError, MemoryError) as error:
        return media_row(job.clip_id, f"{type(error).__name__}: {error}")
    job.pcm16.write_bytes(np.round(clip.waveform * 32767).astype("<i2").tobytes())
    return media_row(job.clip_id, None) | _media_columns(clip, box)


def media_row(clip_id: str, reason: str | None) -> dict[str, Any]:
    """A row of table ``media`` without measurements."""
    return {"clip_id": clip_id, "status": "set_aside" if reason else "used", "stage": "frames", "reason": reason}


def _encoded(frames: HeldFrames, clip: Clip, box: CropBox, video: Any) -> Iterator[bytes]:
    """JPEG of each tick; a frame that serves several ticks is encoded once."""
    shown = np.bincount(clip.frame_of_tick)
    for frame, times in zip(frames, shown, strict=False):
        if times:
            yield from [encode_jpeg(crop_image(to_image(frame), box, video.size), video.jpeg_quality)] * int(times)


def _frame_tables(clip_id: str, jpegs: Iterator[bytes]) -> Iterator[pa.Table]:
    """Row groups of the frames, so that neither writing nor reading holds a long clip."""
    first, group = 0, []
    for jpeg in jpegs:
        group.append(jpeg)
        if len(group) == FRAMES_PER_GROUP:
            yield _frame_table(clip_id, first, group)
            first, group = first + len(group), []
    if group:
        yield _frame_table(clip_id, first, group)


def _frame_table(clip_id: str, first: int, jpegs: list[bytes]) -> pa.Table:
    frames = pa.array(range(first, first + len(jpegs)), pa.int32())
    return pa.Table.from_arrays([pa.array([clip_id] * len(jpegs)), frames, pa.array(jpegs)], schema=SCHEMAS["frames"])


def _media_columns(clip: Clip, box: CropBox) -> dict[str, Any]:
    return {
        "n_frames": len(clip.frame_of_tick),
        "source_fps": clip.timeline.fps,
        "source_width_px": clip.timeline.width_px,
        "source_height_px": clip.timeline.height_px,
        "video_duration_s": clip.video_duration_s,
        "audio_duration_s": clip.audio_duration_s,
        "crop_x_px": box.x,
        "crop_y_px": box.y,
        "crop_size_px": box.size,
    }
