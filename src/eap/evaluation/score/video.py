"""A video as it is scored: frames at 25 fps on one clock with 16 kHz sound, pictures at 256 px."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from eap.data.alignment import check_whole, clock_origin, fit_sound, ticks
from eap.data.crop import CropBox, FaceLocator, crop_image
from eap.data.listing import content_fault
from eap.data.media import MediaError, Timeline, iterate_images, iterate_video, read_timeline
from eap.data.sound import Sound, read_sound
from eap.evaluation.score.settings import CROP_SCALE, MAX_S, SIZE_PX
from eap.evaluation.syncnet import FPS, SAMPLE_RATE, SAMPLES_PER_FRAME

LIMIT = "the longest that eap score takes"
KEY_FRAMES_EVERY = 5
"""Frames between two in which the face of a crop is looked for (CHOSEN, as preset `paper`)."""

Draw = Callable[[np.ndarray], np.ndarray]
"""From an RGB uint8 picture ``[H, W, 3]`` to a smaller one."""


@dataclass(frozen=True)
class Source:
    """A video file whose timing and sound are known and whose pictures are not yet decoded."""

    path: Path
    timeline: Timeline
    frame_of_tick: np.ndarray
    """The source frame that each frame at 25 fps shows, int64 ``[T]``."""
    pcm16: np.ndarray | None
    """int16 at 16 kHz, sample 0 at frame 0; at most 640 a frame; None where there is no usable sound."""
    sound_fault: str | None
    """Why there is none."""

    def __len__(self) -> int:
        return len(self.frame_of_tick)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, px."""
        return self.timeline.width_px, self.timeline.height_px


def open_source(path: Path) -> Source:
    """Timing and sound of a video of any frame rate, constant or not.

    Raises
    ------
    MediaError
        If its pictures cannot be used.
    """
    if not path.is_file():
        raise MediaError("no such file")
    if fault := content_fault(path, path.stat().st_size):
        raise MediaError(fault)
    timeline = read_timeline(path, MAX_S, limit=LIMIT)
    sound, fault = _sound(path)
    first = float(timeline.times_s[0])
    origin = first if sound is None else clock_origin(timeline, sound, FPS)
    start, end = (
        (first, timeline.end_s) if sound is None else (min(first, sound.start_s), max(timeline.end_s, sound.end_s))
    )
    check_whole(timeline.declared_s, start, end)
    frame_of_tick = ticks(timeline.times_s - origin, timeline.end_s - origin, FPS)
    pcm16 = None
    if sound is not None:
        there = int((sound.end_s - origin) * SAMPLE_RATE + 1e-6)
        waveform = fit_sound(sound, origin, min(max(there, 0), len(frame_of_tick) * SAMPLES_PER_FRAME))
        # 32768, so that 16-bit sound comes out as it went in
        pcm16 = np.clip(np.round(waveform * 32768), -32768, 32767).astype(np.int16)
    return Source(path, timeline, frame_of_tick, pcm16, fault)


def draw_frames(source: Source, *draws: Draw) -> list[np.ndarray]:
    """Every frame at 25 fps, drawn in each of the given ways: uint8 ``[T, h, w, 3]`` each, decoded once."""
    shown = np.bincount(source.frame_of_tick)
    drawn: list[list[np.ndarray]] = [[] for _ in draws]
    for image, times in zip(iterate_images(source.path), shown, strict=False):
        for frames, draw in zip(drawn, draws, strict=True):
            frames += [draw(image)] * int(times) if times else []
    return [np.stack(frames) for frames in drawn]


def whole_frame(size: tuple[int, int]) -> Draw:
    """Draw the whole picture at a width and height."""

    def draw(image: np.ndarray) -> np.ndarray:
        if image.shape[1::-1] == size:
            return image
        shrinks = image.shape[0] > size[1]
        return cv2.resize(image, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)

    return draw


def scoring_size(source: Source) -> tuple[int, int]:
    """Width and height at which whole frames are scored: the shorter side has 256 px."""
    width, height = source.size
    scale = SIZE_PX / min(width, height)
    return round(width * scale), round(height * scale)


def face_square(source: Source) -> CropBox:
    """The square around a clip's face.

    Raises
    ------
    MediaError
        If there is no face, or two.
    """
    locator = FaceLocator(KEY_FRAMES_EVERY)
    for index, frame in enumerate(iterate_video(source.path)):
        locator.visit(index, frame)
    return locator.crop_box(iterate_video(source.path), CROP_SCALE)


def cropped_frame(box: CropBox) -> Draw:
    """Draw a square of the picture at 256 px."""
    return lambda image: crop_image(image, box, SIZE_PX)


def _sound(path: Path) -> tuple[Sound | None, str | None]:
    try:
        return read_sound(path, MAX_S + 1, SAMPLE_RATE, LIMIT), None
    except MediaError as error:
        return None, str(error)
