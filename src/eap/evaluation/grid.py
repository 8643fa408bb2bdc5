"""The qualitative grid (paper, section C): the same voice, sources of every emotion, every gain, as files and rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from eap.data.clip_store import Clip
from eap.data.encode import PROVENANCE, write_video
from eap.evaluation.setup import Setup
from eap.evaluation.variants import Source
from eap.files import atomic_path, safe_name

GAINS = (0.0, 0.5, 1.0, 1.5)
"""g of the saturation test and of the grid: neutral, half, as heard, exaggerated."""
JPEG_QUALITY = 90


def real_rows(setup: Setup, clip: Clip, pcm16: np.ndarray) -> list[dict[str, Any]]:
    """The real recording: its video and its picture."""
    frames = clip.frames[: setup.probe_frames]
    return _write(setup, clip, None, None, frames, pcm16, "real")


def source_rows(setup: Setup, clip: Clip, source: Source) -> list[dict[str, Any]]:
    """The source's picture."""
    name = f"source-{source.clip.emotion}"
    return _write(setup, clip, source, None, source.frame_HWC[None], None, name)


def tile_rows(
    setup: Setup, clip: Clip, source: Source, gain: float, frames_THWC: np.ndarray, pcm16: np.ndarray
) -> list[dict[str, Any]]:
    """One cell: what the voice makes of this source at this gain, as video and as picture."""
    return _write(setup, clip, source, gain, frames_THWC, pcm16, f"{source.clip.emotion}-g{gain:g}")


def _write(
    setup: Setup,
    clip: Clip,
    source: Source | None,
    gain: float | None,
    frames_THWC: np.ndarray,
    pcm16: np.ndarray | None,
    name: str,
) -> list[dict[str, Any]]:
    """Write a picture, and a video where there is sound; returns their rows."""
    config, path = setup.config, Path("grid") / safe_name(clip.clip_id) / name
    strength = np.linalg.norm(clip.va_T2[: len(frames_THWC)], axis=1)
    # A neutral clip has no strongest frame: its middle shows a face that speaks.
    at = int(strength.argmax()) if np.ptp(strength) > 0 else len(frames_THWC) // 2
    row = {
        "clip_id": clip.clip_id, "speaker_id": clip.speaker_id, "emotion": clip.emotion,
        "level": setup.level(clip.clip_id), "gain": gain,
        "source_clip_id": None if source is None else source.clip.clip_id,
        "source_emotion": None if source is None else source.clip.emotion,
    }  # fmt: skip
    picture = path.with_name(f"{name}.jpg")
    with atomic_path(setup.out / picture) as temporary:
        cv2.imwrite(str(temporary), frames_THWC[at][..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    rows = [{**row, "kind": "picture", "frame": at, "path": picture.as_posix()}]
    if pcm16 is not None:
        video = path.with_name(f"{name}.mp4")
        samples = pcm16[: len(frames_THWC) * config.audio.hop_length]
        comment = "real video" if source is None else PROVENANCE
        write_video(
            setup.out / video, frames_THWC, config.video.fps, config.evaluation.crf, samples,
            config.audio.sample_rate, comment, repeatable=True,
        )  # fmt: skip
        rows.append({**row, "kind": "video", "frame": None, "path": video.as_posix()})
    return rows
