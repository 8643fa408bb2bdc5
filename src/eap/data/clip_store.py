"""Random access to prepared clips: points, mel and labels of a clip at once, its frames when they are asked for."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter1d

from eap.data.cached_frames import ClipFrames, FrameReader
from eap.data.clip_landmarks import DETECTOR, detect_landmarks
from eap.data.layout import PreparedData
from eap.data.pose import LANDMARK_SCALE_PX, N_POINTS, mean_shape, pose_only_landmarks, to_canonical
from eap.data.row_groups import Group, OpenTables, clip_groups
from eap.schemas import read_table, table_note
from eap.stage import StageError

CLIP_CACHE_BYTES = 256 << 20
"""Points, mel and labels of about 1,400 clips of 3 s (CHOSEN)."""
FRAME_CACHE_BYTES = 3 << 30
"""For stages that see the same frames again and again (CHOSEN: 116,000 frames of 96 px; taken as they are read)."""

SHAPE_CLIPS = 3
"""Neutral clips of a person (any, without a neutral one) of which dlib's neutral shape is made, where another detector
made the cached one."""

POSE_SMOOTHING_FRAMES = 1.0
"""Width of the Gaussian that steadies landmarks before the pose is fitted (CHOSEN: a detector's jitter is no pose)."""


@dataclass(frozen=True)
class Clip:
    """One prepared clip."""

    clip_id: str
    speaker_id: str
    emotion: str
    frames: ClipFrames
    """uint8 RGB at the size that was asked for, decoded as they are indexed."""
    landmarks_TP2: np.ndarray
    """As they were detected: float32, px at a 256 scale, whatever the cached size; interpolated over short gaps."""
    detected_T: np.ndarray
    """False where they were interpolated, or not found."""
    points_TP2: np.ndarray
    """The landmarks that ANT moves, same units: the same, or the exact ones of a rendered corpus (`labels.points`)."""
    pose_TP2: np.ndarray
    """Pose-only landmarks, same units."""
    shape_TP2: np.ndarray
    """Those points without pose, less the person's mean neutral ones: ``[T, 68, 2]``, canonical units."""
    mel_TM: np.ndarray
    va_T2: np.ndarray
    """Pseudo labels of valence and arousal."""

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def frames_THWC(self) -> np.ndarray:
        """All frames, decoded now; who needs a part indexes `frames`."""
        return self.frames[:]

    @property
    def seen_landmarks_TP2(self) -> np.ndarray:
        """`landmarks_TP2`, NaN where no face was detected: what scores compare with."""
        return np.where(self.detected_T[:, None, None], self.landmarks_TP2, np.float32(np.nan))

    @property
    def n_bytes(self) -> int:
        """Memory that it takes, without frames."""
        arrays = (self.landmarks_TP2, self.points_TP2, self.pose_TP2, self.shape_TP2, self.mel_TM, self.va_T2)
        return sum(array.nbytes for array in arrays)


class ClipStore:
    """The used clips of a prepared data set.

    Parameters
    ----------
    data
        The prepared folder.
    image_size
        Side to which cached frames are resized, px.
    frame_cache_bytes
        Decoded frames kept in memory, at most; 0 suits who seldom sees a frame twice.
    clip_cache_bytes
        The clips' other arrays that are kept, at most.
    pose_shape
        Whose neutral shape is posed (``model.pose_shape``): the person's own, or the mean over people.
    scored
        Videos are compared with the clips, so that `Clip.landmarks_TP2` must be dlib's (KNOWN: LMD); where the cached
        ones are another detector's (``landmarks.detector``), dlib looks at the cached frames of each clip anew.
    """

    def __init__(
        self,
        data: PreparedData,
        image_size: int,
        frame_cache_bytes: int = 0,
        clip_cache_bytes: int = CLIP_CACHE_BYTES,
        pose_shape: str = "own",
        scored: bool = False,
    ) -> None:
        self._pose_shape = pose_shape
        self.image_size = image_size
        self.clips = read_table(data.splits, "splits").set_index("clip_id")
        shapes = read_table(data.shapes, "shapes").set_index("speaker_id")
        self._shapes, self._detected = (
            {s: np.asarray(v, np.float32).reshape(N_POINTS, 2) for s, v in shapes[column].items()}
            for column in ("shape", "detected_shape")
        )
        learnt_from = self.clips["speaker_id"][self.clips["split"] == "train"].unique()
        self.mean_shape = np.mean([self._shapes[s] for s in learnt_from], axis=0)
        """Mean over training's people of their neutral shapes."""
        self.exact_points = any(not np.array_equal(own, self._detected[s]) for s, own in self._shapes.items())
        """Whether ANT moves points that no detector found (`labels.points`)."""
        self.deviation_scale = float(shapes["deviation_scale"].iloc[0])
        """Deviation from the neutral shape that the labels count as intensity 1; NaN if they were made otherwise."""
        self._rows = {table: _row_groups(data.shards(table), table) for table in ("frames", "landmarks", "mel")}
        self._rows["labels"] = _row_groups([data.labels], "labels")
        self._files = OpenTables()
        self._large: FrameReader | None = None
        if scored and any(table_note(path, DETECTOR) for path in data.shards("landmarks")):
            self._large = FrameReader(self._files, int(LANDMARK_SCALE_PX), 0)
            self._detected = {}  # of dlib's landmarks, as they are asked for
            self.deviation_scale = float("nan")  # it measures another detector's deviations
        self._reader = FrameReader(self._files, image_size, frame_cache_bytes)
        self._cache: OrderedDict[str, Clip] = OrderedDict()
        self._room = clip_cache_bytes
        self._lock = threading.RLock()

    def ids(self, split: str) -> list[str]:
        """Clip ids of a split, sorted."""
        return sorted(self.clips.index[self.clips["split"] == split])

    def shape(self, speaker_id: str) -> np.ndarray:
        """A speaker's mean neutral shape in the canonical frame, of all neutral clips."""
        return self._shapes[speaker_id]

    def detected_shape(self, speaker_id: str) -> np.ndarray:
        """The same of `Clip.landmarks_TP2`, beside which a detector's landmarks of any video are read."""
        if speaker_id not in self._detected:
            own = self.clips[self.clips["speaker_id"] == speaker_id]
            chosen = sorted(own.index[own["emotion"] == "neutral"]) or sorted(own.index)
            points = np.concatenate([self[clip_id].seen_landmarks_TP2 for clip_id in chosen[:SHAPE_CLIPS]])
            self._detected[speaker_id] = mean_shape(points[np.isfinite(points).all((1, 2))])
        return self._detected[speaker_id]

    def rows(self, clip_id: str) -> pd.Series:
        """The split table's row of a clip."""
        return self.clips.loc[clip_id]

    def __getitem__(self, clip_id: str) -> Clip:
        with self._lock:  # the next batch is drawn while this one is learnt from
            if clip_id in self._cache:
                self._cache.move_to_end(clip_id)
                return self._cache[clip_id]
            clip = self._load(clip_id)
            self._cache[clip_id] = clip
            self._room -= clip.n_bytes
            while len(self._cache) > 1 and self._room < 0:
                self._room += self._cache.popitem(last=False)[1].n_bytes
            return clip

    def _load(self, clip_id: str) -> Clip:
        row = self.rows(clip_id)
        frames = ClipFrames(self._reader, clip_id, *self._find("frames", clip_id))
        found = self._read("landmarks", clip_id)
        landmarks = np.stack(found["landmarks"]).reshape(-1, N_POINTS, 2)
        mel = np.stack(self._read("mel", clip_id)["mel"])
        labels = self._read("labels", clip_id)
        va = labels[["valence", "arousal"]].to_numpy(np.float32, copy=True)
        lengths = {"frames": len(frames), "landmarks": len(landmarks), "mel": len(mel), "labels": len(va)}
        if len(set(lengths.values())) > 1:
            raise StageError(f"clip {clip_id}: the caches disagree in length ({lengths}); prepare it again")
        known = labels["points"].notna()
        if known.any() and not known.all():
            raise StageError(f"clip {clip_id}: table labels holds points of some frames only; label it again")
        scale = LANDMARK_SCALE_PX / self._reader.cached_size(*self._find("frames", clip_id))
        landmarks = (landmarks * scale).astype(np.float32)
        detected = (found["status"] != "interpolated").to_numpy()
        exact = np.stack(labels["points"]).reshape(-1, N_POINTS, 2) * scale if known.all() else None
        points = landmarks if exact is None else exact.astype(np.float32)
        if self._large is not None:
            large = ClipFrames(self._large, clip_id, *self._find("frames", clip_id))
            landmarks, _ = detect_landmarks(large[:], "dlib")
            detected = np.isfinite(landmarks).all((1, 2))
        shape = self.shape(row["speaker_id"]) if self._pose_shape == "own" else self.mean_shape
        steady = gaussian_filter1d(points, POSE_SMOOTHING_FRAMES, axis=0, mode="nearest")
        return Clip(
            clip_id=clip_id,
            speaker_id=row["speaker_id"],
            emotion=row["emotion"],
            frames=frames,
            landmarks_TP2=landmarks,
            detected_T=detected,
            points_TP2=points,
            pose_TP2=pose_only_landmarks(steady, shape).astype(np.float32),
            shape_TP2=(to_canonical(points, shape) - shape).astype(np.float32),
            mel_TM=mel.astype(np.float32),
            va_T2=va,
        )

    def _read(self, table: str, clip_id: str) -> pd.DataFrame:
        return self._files.read(*self._find(table, clip_id)).to_pandas().sort_values("frame")

    def _find(self, table: str, clip_id: str) -> tuple[Path, list[Group]]:
        if clip_id not in self._rows[table]:
            raise StageError(f"clip {clip_id}: in the split, but not in table {table}; prepare it again")
        return self._rows[table][clip_id]


def _row_groups(paths: list[Path], table: str) -> dict[str, tuple[Path, list[Group]]]:
    """File and row groups of each clip, from the files' footers alone."""
    return {clip_id: (path, groups) for path in paths for clip_id, groups in clip_groups(path, table).items()}
