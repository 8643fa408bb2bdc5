"""Small media files and stage settings for the tests of `eap.data`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from real_clips import ABSENT, CHECKOUT, CLIPS

from eap.config import load_config, load_stage, stage_sections
from eap.data.media import iterate_images

GRID = "grid/s1_bbaf2n.mpg"
CREMA = "crema_d/1001_DFA_FEA_XX.flv"


def sections(stage: str, root: Path, overrides: Mapping[str, Any] | None = None) -> Any:
    """The settings of a stage: preset `clips`, one shard, no manifest, `overrides` on top."""
    values: dict[str, Any] = {"preset": "clips", "data": {"root": str(root), "manifest": None, "shards": 1}}
    for section, keys in (overrides or {}).items():
        values[section] = values.get(section, {}) | keys if isinstance(keys, Mapping) else keys
    return load_stage(stage, stage_sections(load_config(values, CHECKOUT / "workflow" / "presets"), stage))


def real_images(name: str, count: int | None = None) -> list[np.ndarray]:
    """The first `count` pictures of a real clip (all without); the test is skipped where there are no clips."""
    if not CLIPS.is_dir():
        pytest.skip(ABSENT)
    images = []
    for image in iterate_images(CLIPS / name):
        images.append(image)
        if len(images) == count:
            break
    return images


def tone(seconds: float, hz: float = 440, sample_rate: int = 16000) -> np.ndarray:
    """A sine, float32 ``[L]``."""
    times = np.arange(round(seconds * sample_rate)) / sample_rate
    return (0.5 * np.sin(2 * np.pi * hz * times)).astype(np.float32)


def write_media(
    path: Path,
    images: Iterable[np.ndarray] = (),
    waveform: np.ndarray | None = None,
    *,
    times_s: Iterable[float] | None = None,
    fps: int = 25,
    sample_rate: int = 16000,
    audio_start_s: float = 0.0,
    video_codec: str = "mpeg4",
    audio_codec: str = "pcm_s16le",
) -> Path:
    """A small file in the container of its suffix; `.mkv` keeps timestamps to the millisecond.

    Parameters
    ----------
    times_s
        When each image is shown; without: at `fps`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    images = list(images)
    with av.open(f"file:{path}", "w") as container:
        video = container.add_stream(video_codec, rate=fps) if images else None
        audio = container.add_stream(audio_codec, rate=sample_rate, layout="mono") if waveform is not None else None
        if video is not None:
            video.height, video.width = images[0].shape[:2]
            video.pix_fmt = "yuv420p"
            video.bit_rate = 4_000_000
            video.codec_context.time_base = Fraction(1, 1000) if times_s is not None else Fraction(1, fps)
            starts = [round(1000 * t) for t in times_s] if times_s is not None else range(len(images))
            for image, start in zip(images, starts, strict=True):
                frame = av.VideoFrame.from_ndarray(image, format="rgb24")
                frame.pts, frame.time_base = start, video.codec_context.time_base
                container.mux(video.encode(frame))
            container.mux(video.encode())
        if audio is not None:
            samples = np.round(np.clip(waveform, -1, 1) * 32767).astype(np.int16)
            for first in range(0, len(samples), 1024):
                frame = av.AudioFrame.from_ndarray(samples[None, first : first + 1024], format="s16", layout="mono")
                frame.sample_rate = sample_rate
                frame.pts = round(audio_start_s * sample_rate) + first
                frame.time_base = Fraction(1, sample_rate)
                container.mux(audio.encode(frame))
            container.mux(audio.encode())
    return path
