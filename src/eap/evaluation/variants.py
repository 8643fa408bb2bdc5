"""Which test clips are scored, from which source face, and beside which controls.

Every clip is generated from a frame of *another* clip of the same person, preferably of another emotion, with the test
clip's own voice and head pose.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import av
import numpy as np
import pandas as pd

from eap.data.cached_frames import resize_frame
from eap.data.clip_landmarks import detect_landmarks
from eap.data.clip_store import Clip, ClipStore
from eap.data.layout import PreparedData
from eap.data.pose import LANDMARK_SCALE_PX
from eap.data.row_groups import iterate_clips
from eap.evaluation.levels import level_key
from eap.schemas import read_table

GENERATED = ("generated", "neutral", "shuffled", "rolled")
"""Made by a model. generated: g = 1. neutral: g = 0. shuffled: g = 1 with another clip's voice, scored against this
clip and its own voice: what is left of a score is not owed to the voice. rolled: g = 1 with the clip's own voice, begun
`ROLL_FRAMES` later and its end put first: the same sounds at the wrong times. Sentences that share their timing (GRID)
help a shuffled voice, not this one."""

CONTROLS = ("real", "reencoded", "still", "shifted")
"""Made by no model. real: the recording at the model's size. reencoded: that through x264 at `evaluation.crf`, as the
written videos are. still: the source frame, repeated. shifted: the recording, its sound `SHIFT_FRAMES` too early."""

VARIANTS = (*GENERATED, *CONTROLS)
SHIFT_FRAMES = 5
ROLL_FRAMES = 37
"""About 1.5 s (CHOSEN); half of a clip that is shorter than `SHORT_FRAMES`, or it would come around to its start."""
SHORT_FRAMES = 62


@dataclass(frozen=True)
class Source:
    """The frame a video starts from."""

    clip: Clip
    at: int

    @property
    def frame_HWC(self) -> np.ndarray:
        """The picture, uint8 RGB."""
        return self.clip.frames[self.at]

    @property
    def points_P2(self) -> np.ndarray:
        """Its landmarks, px at a 256 scale; the exact ones where they are known."""
        return self.clip.points_TP2[self.at]

    @property
    def pose_P2(self) -> np.ndarray:
        """Its pose-only landmarks, same units."""
        return self.clip.pose_TP2[self.at]


def read_levels(data: PreparedData) -> pd.DataFrame:
    """Columns level, sentence and labelled of each clip id: what the catalog says about how, and what, was spoken."""
    columns = ["clip_id", "intensity_level", "sentence", "labelled"]
    clips = read_table(data.clips, "clips", columns).set_index("clip_id")
    return clips.rename(columns={"intensity_level": "level"}).astype(object).where(clips.notna().to_numpy(), None)


def read_sound(data: PreparedData, clip_ids: set[str]) -> Iterator[tuple[str, np.ndarray]]:
    """int16 samples of the given clips."""
    for path in data.shards("audio"):
        for clip_id, table in iterate_clips(path, "audio"):
            if clip_id in clip_ids:
                yield clip_id, np.frombuffer(table["pcm16"][0].as_py(), np.int16)


def choose_clips(store: ClipStore, most: int) -> list[str]:
    """Test clips, spread over speakers and emotions: one of each speaker in turn, each speaker's emotions in turn.

    Every speaker begins with another emotion, and within an emotion with another clip: otherwise a few clips of many
    people would all be angry, and all of the level whose name sorts first. The very first clip, which the grid shows,
    is of the level whose name sorts last.
    """
    rows = store.clips.loc[store.ids("test")]
    per_speaker = []
    for first, (_, own) in enumerate(rows.groupby("speaker_id", sort=True)):
        emotions = [sorted(group.index) for _, group in own.groupby("emotion", sort=True)]
        per_speaker.append(in_turn(_turned([_turned(ids, first + i - 1) for i, ids in enumerate(emotions)], first)))
    return in_turn(per_speaker)[:most]


def _turned(values: list[Any], by: int) -> list[Any]:
    """The list from another place on, its beginning at the end."""
    at = by % len(values)
    return values[at:] + values[:at]


def in_turn(groups: list[list[str]]) -> list[str]:
    """The first of each group, the second of each, and so on."""
    return [clip_id for turn in zip_longest(*groups) for clip_id in turn if clip_id is not None]


def choose_source(store: ClipStore, clip: Clip) -> Source:
    """The middle frame of another clip of the same person: of another emotion, and not neutral, if there is one.

    Of several the first by name is taken: angry, of the level whose name sorts first (the weakest, where levels are
    numbered). The input-bias test takes the strongest (`choose_source_of`). A person with a single clip lends its own
    first frame.
    """
    same = store.clips[store.clips["speaker_id"] == clip.speaker_id]
    others = same[same.index != clip.clip_id]
    if others.empty:
        return Source(clip, 0)
    preference = [
        (row.emotion == clip.emotion, row.emotion == "neutral", clip_id)
        for clip_id, row in zip(others.index, others.itertuples(), strict=True)
    ]
    source = store[min(preference)[-1]]
    return Source(source, len(source) // 2)


def choose_source_of(store: ClipStore, clip: Clip, emotion: str, levels: pd.Series) -> Source | None:
    """The frame labelled strongest of another clip of this person and `emotion`, of the highest level there is.

    Parameters
    ----------
    levels
        Level of each clip id (`read_levels`).
    """
    same = store.clips[(store.clips["speaker_id"] == clip.speaker_id) & (store.clips["emotion"] == emotion)]
    others = [clip_id for clip_id in sorted(same.index) if clip_id != clip.clip_id]
    if not others:
        return None
    source = store[max(others, key=lambda clip_id: level_key(levels.get(clip_id) or "unspecified"))]
    strength = np.linalg.norm(source.va_T2, axis=1)
    return Source(source, int(strength.argmax()) if np.ptp(strength) > 0 else len(source) // 2)


def choose_voice(store: ClipStore, chosen: list[str], clip: Clip) -> Clip | None:
    """Whose voice variant "shuffled" takes: another test clip, of the same person and another emotion where there is.

    None if the clip is the only one of all.
    """
    pools = ([clip_id for clip_id in pool if clip_id != clip.clip_id] for pool in (chosen, store.clips.index))
    others = next(filter(None, pools), None)
    if others is None:
        return None

    def preference(clip_id: str) -> tuple[bool, bool, bool, str]:
        row = store.rows(clip_id)
        # After the clip in order, then from the start: voices do not all go to the first clip.
        return row["speaker_id"] != clip.speaker_id, row["emotion"] == clip.emotion, clip_id < clip.clip_id, clip_id

    return store[min(others, key=preference)]


def fit_length(mel_TM: np.ndarray, length: int) -> np.ndarray:
    """A voice's mel columns cut, or repeated from the start, to `length` frames."""
    return np.resize(mel_TM, (length, mel_TM.shape[1]))


def roll_voice(mel_TM: np.ndarray) -> np.ndarray:
    """A voice's mel columns rolled by `ROLL_FRAMES`: what was said at t is said so much later, wrapping around."""
    return np.roll(mel_TM, ROLL_FRAMES if len(mel_TM) >= SHORT_FRAMES else len(mel_TM) // 2, axis=0)


def delay(values_T: np.ndarray, frames: int = SHIFT_FRAMES) -> np.ndarray:
    """A series of frames (or of their landmarks) that comes `frames` later; its first is held."""
    return values_T[np.maximum(np.arange(len(values_T)) - frames, 0)]


def read_video(path: Path) -> np.ndarray:
    """uint8 RGB frames ``[T, H, W, 3]`` of a video."""
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def find_landmarks(frames_THWC: np.ndarray, detect_every: int = 1) -> np.ndarray:
    """dlib's landmarks ``[T, 68, 2]``, px at a 256 scale, NaN where no face is found. A still is looked at once."""
    still = bool((frames_THWC == frames_THWC[:1]).all())
    looked_at = frames_THWC[:1] if still else frames_THWC
    large = np.stack([resize_frame(np.ascontiguousarray(frame), int(LANDMARK_SCALE_PX)) for frame in looked_at])
    landmarks, _ = detect_landmarks(large, detector="dlib", detect_every=detect_every)
    return np.repeat(landmarks, len(frames_THWC), axis=0) if still else landmarks
