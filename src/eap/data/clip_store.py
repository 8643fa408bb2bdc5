"""Random access to prepared clips: one clip's row group is read, decoded once, and kept while memory allows."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from scipy.ndimage import gaussian_filter1d

from eap.data.jpeg import decode_jpeg
from eap.data.layout import PreparedData
from eap.data.pose import LANDMARK_SCALE_PX, N_POINTS, pose_only_landmarks, to_canonical
from eap.schemas import check_table, read_table
from eap.stage import StageError

POSE_SMOOTHING_FRAMES = 1.0
"""Width of the Gaussian that steadies landmarks before the pose is fitted (CHOSEN: a detector's jitter is no pose)."""


@dataclass(frozen=True)
class Clip:
    """One prepared clip."""

    clip_id: str
    speaker_id: str
    emotion: str
    frames_THWC: np.ndarray
    """uint8 RGB at the size that was asked for."""
    landmarks_TP2: np.ndarray
    """float32, px at a 256 scale, whatever the cached size."""
    pose_TP2: np.ndarray
    """Pose-only landmarks, same units."""
    shape_TP2: np.ndarray
    """Landmarks without pose, less the person's mean neutral ones: ``[T, 68, 2]``, canonical units."""
    mel_TM: np.ndarray
    va_T2: np.ndarray
    """Pseudo labels of valence and arousal."""

    def __len__(self) -> int:
        return len(self.frames_THWC)


class ClipStore:
    """The used clips of a prepared data set.

    Parameters
    ----------
    data
        The prepared folder.
    image_size
        Side to which cached frames are resized, px.
    cache_bytes
        Decoded clips kept in memory, at most.
    """

    def __init__(self, data: PreparedData, image_size: int, cache_bytes: int = 2 << 30) -> None:
        self.image_size = image_size
        self.clips = read_table(data.splits, "splits").set_index("clip_id")
        shapes = read_table(data.shapes, "shapes").set_index("speaker_id")
        self._shapes = {s: np.asarray(v, np.float32).reshape(N_POINTS, 2) for s, v in shapes["shape"].items()}
        self.deviation_scale = float(shapes["deviation_scale"].iloc[0])
        """Deviation from the neutral shape that the labels count as intensity 1; NaN if they were made otherwise."""
        self._rows = {table: _row_groups(data, table) for table in ("frames", "landmarks", "mel")}
        labels = read_table(data.labels, "labels", ["clip_id", "frame", "valence", "arousal"])
        self._labels = {
            clip_id: rows.sort_values("frame")[["valence", "arousal"]].to_numpy(np.float32, copy=True)
            for clip_id, rows in labels.groupby("clip_id")
        }
        self._cache: OrderedDict[str, Clip] = OrderedDict()
        self._cache_bytes = cache_bytes

    def ids(self, split: str) -> list[str]:
        """Clip ids of a split, sorted."""
        return sorted(self.clips.index[self.clips["split"] == split])

    def shape(self, speaker_id: str) -> np.ndarray:
        """A speaker's mean neutral shape in the canonical frame; the mean over speakers for one never seen."""
        return self._shapes.get(speaker_id, self._shapes["*"])

    def rows(self, clip_id: str) -> pd.Series:
        """The split table's row of a clip."""
        return self.clips.loc[clip_id]

    def __getitem__(self, clip_id: str) -> Clip:
        if clip_id in self._cache:
            self._cache.move_to_end(clip_id)
            return self._cache[clip_id]
        clip = self._load(clip_id)
        self._cache[clip_id] = clip
        while len(self._cache) > 1 and sum(c.frames_THWC.nbytes for c in self._cache.values()) > self._cache_bytes:
            self._cache.popitem(last=False)
        return clip

    def _load(self, clip_id: str) -> Clip:
        row = self.rows(clip_id)
        frames = self._read("frames", clip_id)
        landmarks = np.stack(self._read("landmarks", clip_id)["landmarks"]).reshape(-1, N_POINTS, 2)
        mel = np.stack(self._read("mel", clip_id)["mel"])
        va = self._find(self._labels, "labels", clip_id)
        lengths = {"frames": len(frames), "landmarks": len(landmarks), "mel": len(mel), "labels": len(va)}
        if len(set(lengths.values())) > 1:
            raise StageError(f"clip {clip_id}: the caches disagree in length ({lengths}); prepare it again")
        images = [decode_jpeg(jpeg) for jpeg in frames["jpeg"]]
        landmarks = landmarks * (LANDMARK_SCALE_PX / images[0].shape[0])
        shape = self.shape(row["speaker_id"])
        steady = gaussian_filter1d(landmarks, POSE_SMOOTHING_FRAMES, axis=0, mode="nearest")
        return Clip(
            clip_id=clip_id,
            speaker_id=row["speaker_id"],
            emotion=row["emotion"],
            frames_THWC=np.stack([resize_frame(image, self.image_size) for image in images]),
            landmarks_TP2=landmarks.astype(np.float32),
            pose_TP2=pose_only_landmarks(steady, shape).astype(np.float32),
            shape_TP2=(to_canonical(landmarks, shape) - shape).astype(np.float32),
            mel_TM=mel.astype(np.float32),
            va_T2=va,
        )

    def _read(self, table: str, clip_id: str) -> pd.DataFrame:
        path, group = self._find(self._rows[table], table, clip_id)
        return pq.ParquetFile(path).read_row_group(group).to_pandas().sort_values("frame")

    @staticmethod
    def _find(rows: dict[str, Any], table: str, clip_id: str) -> Any:
        if clip_id not in rows:
            raise StageError(f"clip {clip_id}: in the split, but not in table {table}; prepare it again")
        return rows[clip_id]


def resize_frame(image_HWC: np.ndarray, size: int) -> np.ndarray:
    """A square image at another size: area averaging down, bicubic up."""
    if image_HWC.shape[0] == size:
        return image_HWC
    method = cv2.INTER_AREA if size < image_HWC.shape[0] else cv2.INTER_CUBIC
    return cv2.resize(image_HWC, (size, size), interpolation=method)


def _row_groups(data: PreparedData, table: str) -> dict[str, tuple[Path, int]]:
    """File and row group of each clip, from the files' footers alone."""
    found: dict[str, tuple[Path, int]] = {}
    for path in data.shards(table):
        check_table(path, table)
        metadata = pq.read_metadata(path)
        for group in range(metadata.num_row_groups):
            found[metadata.row_group(group).column(0).statistics.min] = (path, group)
    return found
