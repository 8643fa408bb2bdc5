"""Head pose of the video that is made: the source's own, or the movement in a driving video."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter1d

from eap.data.alignment import ticks
from eap.data.clip_landmarks import detect_landmarks, detector_weights
from eap.data.clip_store import POSE_SMOOTHING_FRAMES
from eap.data.crop import CropBox, crop_box, crop_image, find_faces
from eap.data.faces import predict_landmarks
from eap.data.landmarks import fill_gaps
from eap.data.media import MediaError, iterate_video, to_image
from eap.data.pose import LANDMARK_SCALE_PX, apply_transform, compose_transforms, invert_transform, pose_transform
from eap.inference.source import largest
from eap.stage import StageError

KEY_FRAMES_S = 0.5
"""A driving video is searched for its face this often, to place the crop (CHOSEN)."""

Poses = Callable[[int, int], np.ndarray]
"""Pose-only landmarks of frames start to stop, float32 ``[n, 68, 2]``, px at a 256 scale."""


def still_pose(transform_23: np.ndarray, shape_P2: np.ndarray) -> Poses:
    """The source's own pose, held."""
    pose = apply_transform(transform_23[None], shape_P2).astype(np.float32)
    return lambda start, stop: np.repeat(pose, stop - start, axis=0)


def driven_pose(transform_23: np.ndarray, shape_P2: np.ndarray, driving_T23: np.ndarray) -> Poses:
    """The source's pose, moved as the driving head moves about its own mean pose.

    Movement is taken in the face's own units, so that neither place nor size of the driving face matters (CHOSEN). A
    driving video that is shorter than the voice runs back and forth, so that the head never jumps.
    """
    mean = driving_T23.mean(0, keepdims=True)  # of similarities: a similarity
    from_mean = compose_transforms(invert_transform(mean), driving_T23)
    moved_T23 = compose_transforms(transform_23[None], from_mean)

    def poses(start: int, stop: int) -> np.ndarray:
        index = back_and_forth(np.arange(start, stop), len(moved_T23))
        return apply_transform(moved_T23[index], shape_P2).astype(np.float32)

    return poses


def back_and_forth(index: np.ndarray, length: int) -> np.ndarray:
    """0, 1, .. length - 1, length - 2, .. 1, 0, 1, .. for ascending indices of any size."""
    period = max(2 * (length - 1), 1)
    folded = index % period
    return np.minimum(folded, period - folded) if length > 1 else np.zeros_like(index)


def read_driving(path: Path, n_frames: int, config: Any, shape_P2: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """Head pose in each frame of a driving video, at `video.fps`.

    Only as much as the voice lasts is read. A frame's landmarks take 544 bytes; nothing else is kept.

    Returns
    -------
    transforms_T23
        From the canonical frame to the driving face's square, ``[T <= n_frames, 2, 3]``.
    notes
        What happens if it is not as long as the voice, or shows several faces.

    Raises
    ------
    StageError
        If the file is no video or shows no face for longer than preparation would accept.
    """
    if not path.is_file():
        raise StageError(f"--pose: {path} is not a file")
    try:
        frame_of_tick, whole = _timing(path, n_frames, config.video.fps)
        box, several = _locate(path, int(frame_of_tick[-1]) + 1, len(frame_of_tick) / config.video.fps, config)
        squares = _squares(path, frame_of_tick, box, config.video.size)
        found = detect_landmarks(
            squares, config.landmarks.detector, config.landmarks.detect_every, detector_weights(config.landmarks)
        )
    except MediaError as error:
        raise StageError(f"--pose: {path}: {error}") from None
    n_missing = found[1].count("missing")
    points, status, gap = fill_gaps(*found, config.landmarks.max_gap)
    if gap is not None or n_missing > (1 - config.landmarks.min_coverage) * len(status):
        where = f", {gap[1]} in a row from frame {gap[0]} on" if gap else ""
        raise StageError(
            f"--pose: {path}: no face in {n_missing} of {len(status)} frames{where}; at "
            f"most {config.landmarks.max_gap} in a row, and {1 - config.landmarks.min_coverage:.0%} of all, may lack it"
        )
    steady = gaussian_filter1d(
        points * (LANDMARK_SCALE_PX / config.video.size), POSE_SMOOTHING_FRAMES, axis=0, mode="nearest"
    )
    notes = (several, _length_note(len(steady), n_frames, whole, config.video.fps))
    return pose_transform(steady, shape_P2), tuple(note for note in notes if note)


def _timing(path: Path, n_frames: int, fps: int) -> tuple[np.ndarray, bool]:
    """The source frame of each tick, for `n_frames` ticks at most; and whether the video ends there."""
    times: list[float] = []
    whole = True
    for frame in iterate_video(path):
        if frame.time is None or (times and frame.time <= times[-1]):
            raise MediaError(f"frame {len(times)} has no timestamp, or one that goes back")
        if times and frame.time - times[0] > (n_frames + 1) / fps:
            whole = False
            break
        times.append(frame.time)
    if len(times) < 2:
        raise MediaError(f"{len(times)} video frames: not a video")
    shown = np.array(times) - times[0]
    chosen = ticks(shown, shown[-1] + float(np.median(np.diff(shown))), fps)
    return chosen[:n_frames], whole and len(chosen) <= n_frames


def _locate(path: Path, n_source: int, seconds: float, config: Any) -> tuple[CropBox, str]:
    """The face's square from landmarks in some frames, the largest face in each; and a note if there were several."""
    every = max(round(KEY_FRAMES_S * n_source / seconds), 1)
    landmarks, several = [], 0
    for frame in islice(iterate_video(path), 0, n_source, every):
        image = to_image(frame)
        faces = find_faces(image, 0) or find_faces(image, 1)
        several += len(faces) > 1
        if faces:
            landmarks.append(predict_landmarks(image, largest(faces)))
    if not landmarks:
        raise MediaError("no face was found; it must show one from the front")
    note = f"the driving video shows several faces in {several} of its key frames; the largest is used"
    return crop_box(np.stack(landmarks), config.video.crop_scale), note if several else ""


def _squares(path: Path, frame_of_tick: np.ndarray, box: CropBox, size: int) -> Iterator[np.ndarray]:
    """The face's square in each tick, ``[size, size, 3]``."""
    shown = np.bincount(frame_of_tick)
    for frame, times in zip(iterate_video(path), shown, strict=False):
        if times:
            yield from [crop_image(to_image(frame), box, size)] * int(times)


def _length_note(n_driving: int, n_frames: int, whole: bool, fps: int) -> str:
    if n_driving < n_frames:
        return (
            f"the driving video lasts {n_driving / fps:.2f} s, the voice {n_frames / fps:.2f} s: its movement runs "
            "back and forth"
        )
    return "" if whole else f"the driving video is longer than the voice: its first {n_frames / fps:.2f} s are used"
