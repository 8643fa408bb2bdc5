"""From media files to the frame cache: one shard's face crops and audio, and what became of each clip."""

from __future__ import annotations

import multiprocessing
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import IO, Any

import av
import cv2
import numpy as np
import pyarrow as pa

from eap.data.alignment import Clip, read_clip
from eap.data.crop import CropBox, crop_image, locate_face
from eap.data.faces import predictor_path
from eap.data.jpeg import encode_jpeg
from eap.data.media import MediaError, iterate_images, iterate_video, to_image
from eap.schemas import read_table, to_table, write_table
from eap.stage import StageError, StageResult


@dataclass(frozen=True)
class PreparedClip:
    """What one clip gave: its row of table ``media``, and, if it is used, frames and audio."""

    row: dict[str, Any]
    jpegs: list[bytes] = field(default_factory=list)
    pcm16: bytes = b""


def extract_frames(config: Any, catalog: Path, shard: int, frames: Path, audio: Path, media: Path) -> StageResult:
    """Decode the listed clips of one shard.

    Parameters
    ----------
    config
        Sections of stage ``frames``.
    catalog
        Table ``catalog``.
    frames, audio, media
        Tables to write. `frames` and `audio` hold the used clips, one row group each; `media` holds every listed clip
        with status ``used`` or ``set_aside``.
    """
    predictor_path()  # its absence is the installation's fault, not the clips'
    listed = read_table(catalog, "catalog", ["clip_id", "path", "status", "shard"])
    listed = listed[(listed.status == "listed") & (listed.shard == shard)]
    rows: list[dict[str, Any]] = []
    settings = {"sources": [catalog], "config": config.model_dump(mode="json") | {"shard": shard}}
    # Audio waits in a temporary file while frames are written: memory does not grow with the shard
    with tempfile.TemporaryFile() as spool:
        clips = _prepare_all(config, list(zip(listed.clip_id, listed.path, strict=True)))
        write_table(frames, "frames", _frame_tables(clips, rows, spool), **settings)
        spool.seek(0)
        write_table(audio, "audio", _audio_tables(rows, spool, config.audio.hop_length), **settings)
    write_table(media, "media", rows, **settings)
    used = [row for row in rows if row["status"] == "used"]
    n_frames = sum(row["n_frames"] for row in used)
    return StageResult({"n_used": len(used), "n_set_aside": len(rows) - len(used), "n_frames": n_frames})


def prepare_clip(clip: tuple[str, str], root: Path, video: Any, audio: Any) -> PreparedClip:
    """Frames and audio of one clip; a clip that cannot be used comes back with its reason, it never raises.

    Parameters
    ----------
    clip
        Clip id and path relative to `root`.
    video, audio
        Sections of the configuration.
    """
    clip_id, path = clip[0], root / clip[1]
    try:
        decoded = read_clip(path, video, audio)
        key_frames = partial(_key_frames, path, video.detect_every)
        box = locate_face(key_frames, video.crop_scale)
        jpegs = list(_encode(path, decoded, box, video))
    except MediaError as error:
        return PreparedClip(_row(clip_id, str(error)))
    # What decoders and dlib raise on unforeseen material; faults of the code (KeyError, ...) still stop the run
    except (av.error.FFmpegError, cv2.error, OSError, ValueError, RuntimeError, MemoryError) as error:
        return PreparedClip(_row(clip_id, f"{type(error).__name__}: {error}"))
    pcm16 = np.round(decoded.waveform * 32767).astype("<i2").tobytes()
    return PreparedClip(_row(clip_id, None) | _media_columns(decoded, box), jpegs, pcm16)


def _prepare_all(config: Any, clips: list[tuple[str, str]]) -> Iterator[PreparedClip]:
    prepare = partial(prepare_clip, root=Path(config.data.root).absolute(), video=config.video, audio=config.audio)
    if config.data.workers == 1 or len(clips) < 2:
        yield from map(prepare, clips)
        return
    # spawn: forked children would inherit ffmpeg's and OpenCV's threads in an undefined state
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(config.data.workers, len(clips)), context, initializer=_single_thread) as pool:
        try:
            yield from pool.map(prepare, clips)
        except BrokenProcessPool as error:
            raise StageError(
                "a worker process died while decoding (out of memory, or a decoder crashed); run again with "
                "data.workers: 1 to see at which clip"
            ) from error


def _single_thread() -> None:
    cv2.setNumThreads(1)


def _key_frames(path: Path, every: int) -> Iterator[np.ndarray]:
    return (to_image(frame) for frame in islice(iterate_video(path), 0, None, every))


def _encode(path: Path, clip: Clip, box: CropBox, video: Any) -> Iterator[bytes]:
    """JPEG of each tick; a frame that serves several ticks is encoded once."""
    shown = np.bincount(clip.frame_of_tick)
    for image, times in zip(iterate_images(path), shown, strict=False):
        if times:
            yield from [encode_jpeg(crop_image(image, box, video.size), video.jpeg_quality)] * int(times)


def _row(clip_id: str, reason: str | None) -> dict[str, Any]:
    return {"clip_id": clip_id, "status": "set_aside" if reason else "used", "stage": "frames", "reason": reason}


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


def _frame_tables(clips: Iterable[PreparedClip], rows: list[dict[str, Any]], spool: IO[bytes]) -> Iterator[pa.Table]:
    """One table per used clip; on the way, keeps each clip's row and puts its audio into `spool`."""
    for clip in clips:
        rows.append(clip.row)
        if clip.jpegs:
            spool.write(clip.pcm16)
            frames = [{"clip_id": clip.row["clip_id"], "frame": i, "jpeg": jpeg} for i, jpeg in enumerate(clip.jpegs)]
            yield to_table("frames", frames)


def _audio_tables(rows: list[dict[str, Any]], spool: IO[bytes], hop_length: int) -> Iterator[pa.Table]:
    for row in rows:
        if row["status"] == "used":
            n_samples = row["n_frames"] * hop_length
            pcm16 = spool.read(2 * n_samples)
            yield to_table("audio", [{"clip_id": row["clip_id"], "n_samples": n_samples, "pcm16": pcm16}])
