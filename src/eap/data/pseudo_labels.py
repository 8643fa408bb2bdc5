"""Pseudo labels of valence and arousal per frame, and each speaker's mean neutral shape.

That labels are pseudo labels of emotional intensity is KNOWN; where they come from is CHOSEN. `SOURCES` holds one
function per source; each fills the same columns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.lib.stride_tricks import sliding_window_view

from eap.data.jpeg import decode_jpeg
from eap.data.layout import PreparedData
from eap.data.phantom.truth import read_truth
from eap.data.pose import mean_shape, to_canonical
from eap.data.row_groups import clip_groups, iterate_clips, iterate_groups
from eap.schemas import N_POINTS, read_table, to_table, write_table
from eap.stage import StageError, StageResult

DIRECTION_DEG: dict[str, float] = {
    "happy": 20,
    "surprised": 80,
    "fear": 115,
    "angry": 135,
    "disgusted": 155,
    "contempt": 165,
    "sad": 210,
    "calm": 315,
}
"""Angle of each class on Russell's circumplex (valence along 0, arousal along 90 degrees); neutral has none. CHOSEN."""

EXPRESSIVE = np.array([0, 1, 2, 14, 15, 16, *range(17, 48)])
"""Points whose deviation counts as emotion: upper jaw, brows, nose, eyes (indices, ``[37]``).

Lips (48-67) are excluded, or speech would count as emotion. So is the lower jaw (3-13): it opens with every
vowel. CHOSEN.
"""

SMOOTHING_S = 0.2
"""Shapes are averaged over this window before their deviation is taken (CHOSEN).

A deviation is a length: the jitter of single-frame landmarks never cancels in it, it only adds. Averaged out of the
shapes first, it does; and a blink of three frames counts for less. Emotion moves more slowly than this.
"""

LANDMARKS_VERSION, PHANTOM_VERSION, EMONET_VERSION = "1", "1", "1"

Labels = Callable[[str], np.ndarray]
"""Valence and arousal ``[T, 2]`` of a clip id."""


@dataclass(frozen=True)
class Prepared:
    """What a source may look at."""

    data: PreparedData
    clips: pd.DataFrame
    """The used ones: columns clip_id, speaker_id, emotion."""
    landmarks: dict[str, np.ndarray]
    """``[T, 68, 2]`` px of each clip."""
    shapes: list[dict[str, Any]]
    """Rows of `speaker_shapes`."""


def label_clips(config: Any, data: PreparedData, labels: Path, shapes: Path) -> StageResult:
    """Label every frame of every used clip.

    Parameters
    ----------
    config
        Sections of stage ``labels``.
    data
        The prepared data: reads ``clips`` and all shards of ``landmarks``.
    labels
        Table ``labels`` to write, one row group per clip.
    shapes
        Table ``shapes`` to write: one row per speaker, and ``*``, their mean.

    Raises
    ------
    StageError
        If no clip is used.
    """
    columns = ["clip_id", "speaker_id", "emotion", "status", "crop_x_px", "crop_y_px", "crop_size_px"]
    clips = read_table(data.clips, "clips", columns)
    clips = clips[clips.status == "used"].drop(columns="status").sort_values("clip_id", ignore_index=True)
    if clips.empty:
        raise StageError("no clip is used: the reasons are in the table `clips`; nothing can be labelled")
    settings = {"sources": [data.clips, *data.shards("landmarks")], "config": config.model_dump(mode="json")}
    landmarks = read_landmarks(data, set(clips.clip_id))
    shape_rows = speaker_shapes(clips, landmarks)
    label, version, metrics = SOURCES[config.labels.source](config, Prepared(data, clips, landmarks, shape_rows))
    points = phantom_points(config, clips, landmarks) if config.labels.points == "phantom" else None
    moved = shape_rows if points is None else speaker_shapes(clips, points)
    more = {"deviation_scale": metrics.get("deviation_scale")}
    rows = [row | more | {"detected_shape": old["shape"]} for row, old in zip(moved, shape_rows, strict=True)]
    write_table(shapes, "shapes", rows, **settings)
    write_table(labels, "labels", _label_tables(clips, label, points, config.labels.source, version), **settings)
    n_frames = sum(len(landmarks[clip_id]) for clip_id in clips.clip_id)
    return StageResult(
        {"n_clips": len(clips), "n_speakers": clips.speaker_id.nunique(), "n_frames": n_frames} | metrics
    )


def read_landmarks(data: PreparedData, clip_ids: set[str]) -> dict[str, np.ndarray]:
    """Landmarks of the given clips, float32 ``[T, 68, 2]`` in px."""
    found = {}
    for path in data.shards("landmarks"):
        for clip_id, table in iterate_clips(path, "landmarks"):
            if clip_id in clip_ids:
                values = table["landmarks"].combine_chunks().values.to_numpy()
                found[clip_id] = values.reshape(-1, N_POINTS, 2)
    lost = clip_ids - set(found)
    if lost:
        raise StageError(f"no landmarks of {min(lost)!r} and {len(lost) - 1} more; run stage landmarks for every shard")
    return found


def speaker_shapes(clips: pd.DataFrame, landmarks: dict[str, np.ndarray]) -> list[dict[str, Any]]:
    """Rows of table ``shapes``: mean shape in the canonical frame over a speaker's neutral clips, or over all clips.

    Parameters
    ----------
    clips
        Columns clip_id, speaker_id, emotion.
    landmarks
        ``[T, 68, 2]`` of each clip.
    """
    rows = []
    for speaker, own in clips.groupby("speaker_id", sort=True):
        neutral = own[own.emotion == "neutral"]
        chosen = own if neutral.empty else neutral
        points = np.concatenate([landmarks[clip_id] for clip_id in chosen.clip_id])
        made_from = "all clips" if neutral.empty else "neutral clips"
        rows.append({"speaker_id": speaker, "shape": mean_shape(points), "n_frames": len(points)})
        rows[-1]["made_from"] = made_from
    return [{**row, "shape": row["shape"].ravel()} for row in rows]


def smoothed_deviation(landmarks_TP2: np.ndarray, shape_P2: np.ndarray, fps: int) -> np.ndarray:
    """Root-mean-square distance of the expressive points from a shape, ``[T]``, in canonical units.

    Parameters
    ----------
    landmarks_TP2
        ``[T, 68, 2]`` px; NaN rows (no face) give NaN wherever the smoothing reaches them.
    shape_P2
        ``[68, 2]`` in the canonical frame.
    fps
        Frames per second: shapes are averaged over `SMOOTHING_S` first.
    """
    window = max(round(SMOOTHING_S * fps), 1)
    before = window // 2
    padded = np.pad(to_canonical(landmarks_TP2, shape_P2), ((before, window - 1 - before), (0, 0), (0, 0)), "edge")
    # Not a running sum, which would carry one missing frame's NaN to the clip's end.
    aligned = sliding_window_view(padded, window, axis=0).mean(-1)
    difference = (aligned - shape_P2)[:, EXPRESSIVE]
    return np.sqrt((difference**2).sum(-1).mean(-1))


def landmark_labels(config: Any, prepared: Prepared) -> tuple[Labels, str, dict[str, float]]:
    """Source ``landmarks``: how far a face is from its own neutral mean, along its class's direction (CHOSEN).

    Intensity 1 is the `labels.percentile`-th percentile of the deviation of all non-neutral frames; larger deviations
    count as 1. Neutral and unlabelled clips are (0, 0).

    Returns
    -------
    tuple
        Labels by clip id; the source's version; metrics.
    """
    clips, landmarks = prepared.clips, prepared.landmarks
    shape_of = {row["speaker_id"]: np.asarray(row["shape"]).reshape(N_POINTS, 2) for row in prepared.shapes}
    emotional = clips[clips.emotion != "neutral"]
    deviations = {
        row.clip_id: smoothed_deviation(landmarks[row.clip_id], shape_of[row.speaker_id], config.video.fps)
        for row in emotional.itertuples()
    }
    emotion_of = dict(zip(emotional.clip_id, emotional.emotion, strict=True))
    frames = np.concatenate(list(deviations.values())) if deviations else np.zeros(0)
    scale = float(np.percentile(frames, config.labels.percentile)) if len(frames) else 0.0

    def label(clip_id: str) -> np.ndarray:
        if clip_id not in deviations or scale == 0:
            return np.zeros((len(landmarks[clip_id]), 2))
        angle = np.deg2rad(DIRECTION_DEG[emotion_of[clip_id]])
        intensity = np.clip(deviations[clip_id] / scale, 0, 1)
        return intensity[:, None] * np.array([np.cos(angle), np.sin(angle)])

    return label, LANDMARKS_VERSION, {"deviation_scale": scale, "n_emotional_clips": float(len(emotional))}


def phantom_labels(config: Any, prepared: Prepared) -> tuple[Labels, str, dict[str, float]]:
    """Source ``phantom``: valence and arousal with which the phantom corpus was rendered; exact."""
    clips, landmarks = prepared.clips, prepared.landmarks
    truth = read_truth(Path(config.data.root), clips.clip_id)

    def label(clip_id: str) -> np.ndarray:
        values = truth[clip_id][["valence", "arousal"]].to_numpy()
        _check_length(clip_id, len(values), len(landmarks[clip_id]))
        return values

    return label, PHANTOM_VERSION, {"n_emotional_clips": float((clips.emotion != "neutral").sum())}


def _check_length(clip_id: str, n_rendered: int, n_prepared: int) -> None:
    if n_rendered != n_prepared:
        raise StageError(
            f"{clip_id!r}: {n_rendered} frames were rendered, {n_prepared} are prepared; "
            "render the corpus and prepare it again"
        )


def phantom_points(config: Any, clips: pd.DataFrame, landmarks: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The landmarks that each clip of the phantom corpus was drawn from, float32 ``[T, 68, 2]``, px of the crop.

    dlib's differ from them by 2.2 px on average (at 256), as much as a slight expression moves a point.
    """
    truth = read_truth(Path(config.data.root), clips.clip_id)
    found = {}
    for row in clips.itertuples():
        scale = config.video.size / row.crop_size_px
        points = np.stack(truth[row.clip_id]["landmarks"]).reshape(-1, N_POINTS, 2)
        _check_length(row.clip_id, len(points), len(landmarks[row.clip_id]))
        # Whole numbers are pixels' centres, in the picture as in the crop
        points = (points - (row.crop_x_px, row.crop_y_px) + 0.5) * scale - 0.5
        found[row.clip_id] = points.astype(np.float32)
    return found


def emonet_labels(config: Any, prepared: Prepared) -> tuple[Labels, str, dict[str, float]]:
    """Source ``emonet``: what EmoNet, which was trained on people's ratings of faces, reads in each cached frame.

    Neutral clips keep what it reads there. The version names the weights: they decide the labels.

    **Deviation:** EmoNet was tested on squares of 1.8 times the landmarks' size around their centre; it is given the
    cached crops as they are (`video.crop_scale`, the forehead's side favoured), whose rest of the picture is not kept.
    """
    from eap.data.emonet import EmoNetReader

    reader = EmoNetReader(config.labels.emonet, config.compute)
    found: dict[str, np.ndarray] = {}
    for path in prepared.data.shards("frames"):
        for clip_id, groups in clip_groups(path, "frames").items():
            if clip_id in prepared.landmarks:
                jpegs = (rows.sort_by("frame")["jpeg"].to_pylist() for rows in iterate_groups(path, groups))
                found[clip_id] = np.concatenate([reader(np.stack([decode_jpeg(j) for j in part])) for part in jpegs])
    for clip_id, points in prepared.landmarks.items():
        if len(found.get(clip_id, ())) != len(points):
            raise StageError(
                f"{clip_id!r}: {len(found.get(clip_id, ()))} cached frames, but landmarks of {len(points)}; "
                "prepare it again"
            )
    mean = np.concatenate(list(found.values())).mean(0)
    version = f"{EMONET_VERSION}+{reader.weights_sha256[:12]}"
    return found.__getitem__, version, {"mean_valence": float(mean[0]), "mean_arousal": float(mean[1])}


SOURCES: dict[str, Callable[[Any, Prepared], tuple[Labels, str, dict[str, float]]]] = {
    "landmarks": landmark_labels,
    "phantom": phantom_labels,
    "emonet": emonet_labels,
}
"""What `labels.source` can name."""


def _label_tables(
    clips: pd.DataFrame, label: Labels, points: dict[str, np.ndarray] | None, source: str, version: str
) -> Iterator[pa.Table]:
    for clip_id in clips.clip_id:
        values = label(clip_id)
        columns = {"clip_id": clip_id, "frame": range(len(values)), "valence": values[:, 0], "arousal": values[:, 1]}
        columns["points"] = None if points is None else list(points[clip_id].reshape(len(values), -1))
        yield to_table("labels", pd.DataFrame(columns | {"source": source, "source_version": version}))
