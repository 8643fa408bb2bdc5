"""Score the test clips of one seed, each score beside its controls (suppl. B.1, method 7).

Every clip is generated from a frame of *another* clip of the same person, preferably of another emotion, with the test
clip's own voice and head pose.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd

from eap.data.cached_frames import resize_frame
from eap.data.clip_landmarks import detect_landmarks
from eap.data.clip_store import Clip, ClipStore
from eap.data.encode import PROVENANCE, write_video
from eap.data.layout import PreparedData
from eap.data.pose import LANDMARK_SCALE_PX
from eap.data.pseudo_labels import smoothed_deviation
from eap.data.row_groups import iterate_clips
from eap.evaluation.scores import Judged, clip_rows, pooled_rows
from eap.files import atomic_path, safe_name
from eap.models.syncnet import SyncExpert
from eap.schemas import write_table
from eap.seeding import seed_everything
from eap.stage import StageError, StageResult
from eap.synthesis import Synthesizer
from eap.training.build import load_sync_expert
from eap.training.sync_expert import embed_clip

VARIANTS = ("generated", "neutral", "real", "still")
"""generated: g = 1. neutral: g = 0. real: the real video at the model's size. still: the source frame, repeated."""

VIDEO_VARIANTS = {"real": "real", "neutral": "neutral", "generated": "emotional"}
"""Variants that are written as videos, and what the videos table calls them."""


@dataclass(frozen=True)
class Source:
    """The frame a video starts from."""

    clip: Clip
    at: int


def evaluate(
    config: Any, seed: int, data: PreparedData, era: Path, sync: Path, scores: Path, curves: Path, videos: Path
) -> StageResult:
    """Score up to ``evaluation.max_clips`` test clips; write the tables, and the videos beside the videos table.

    Raises
    ------
    StageError
        If there is no test clip.
    """
    seed_everything(seed, config.compute.threads)
    store = ClipStore(data, config.model.image_size)
    chosen = choose_clips(store, config.evaluation.max_clips)
    if not chosen:
        raise StageError("no test clip: change split.test or split.seed, or add clips")
    sound = dict(_sound(data, set(chosen)))
    face = Synthesizer(era, config)
    expert = load_sync_expert(sync).to(config.compute.device)
    score_rows: list[dict[str, Any]] = []
    video_rows: list[dict[str, Any]] = []
    judged: list[Judged] = []
    for clip_id in chosen:
        clip = store[clip_id]
        source = choose_source(store, clip)
        shown = render_variants(face, clip, source)
        video_rows += write_videos(config, seed, clip, source, shown, sound[clip_id], videos.parent)
        rows, curves_of_clip = score_clip(config, store, face, expert, clip, shown)
        score_rows += [{"seed": seed, **row} for row in rows]
        judged += curves_of_clip
        print(f"evaluate seed {seed}: {clip_id} scored from a frame of {source.clip.clip_id}", flush=True)
    score_rows += [{"seed": seed, **row} for row in pooled_rows(judged)]
    made = {"sources": [data.splits, data.labels], "config": config.model_dump(mode="json")}
    write_table(scores, "scores", score_rows, **made)
    write_table(curves, "curves", pd.concat([j.frame_rows(seed) for j in judged]), **made)
    write_table(videos, "videos", video_rows, **made)
    means = pd.DataFrame(score_rows).groupby(["variant", "metric"])["value"].mean().dropna()
    return StageResult(
        {f"{variant}/{metric}": value for (variant, metric), value in means.items()},
        (scores, *(videos.parent / row["path"] for row in video_rows[:4])),
    )


def choose_clips(store: ClipStore, most: int) -> list[str]:
    """Test clips, spread over speakers and emotions: one of each speaker in turn, each speaker's emotions in turn."""
    rows = store.clips.loc[store.ids("test")]
    per_speaker = [
        _in_turn([sorted(group.index) for _, group in own.groupby("emotion", sort=True)])
        for _, own in rows.groupby("speaker_id", sort=True)
    ]
    return _in_turn(per_speaker)[:most]


def _in_turn(groups: list[list[str]]) -> list[str]:
    """The first of each group, the second of each, and so on."""
    return [clip_id for turn in zip_longest(*groups) for clip_id in turn if clip_id is not None]


def choose_source(store: ClipStore, clip: Clip) -> Source:
    """The middle frame of another clip of the same person: of another emotion, and not neutral, if there is one.

    A person with a single clip lends its own first frame.
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


def render_variants(face: Synthesizer, clip: Clip, source: Source) -> dict[str, np.ndarray]:
    """uint8 frames ``[T, H, W, 3]`` of each of `VARIANTS`."""
    still = source.clip.frames[source.at]

    def speak(gain: float) -> np.ndarray:
        return face.speak(still, source.clip.pose_TP2[source.at], clip.mel_TM, clip.pose_TP2, gain)

    return {
        "generated": speak(1.0),
        "neutral": speak(0.0),
        "real": clip.frames_THWC,
        "still": np.broadcast_to(still, (len(clip), *still.shape)),
    }


def score_clip(
    config: Any, store: ClipStore, face: Synthesizer, expert: SyncExpert, clip: Clip, shown: dict[str, np.ndarray]
) -> tuple[list[dict[str, Any]], list[Judged]]:
    """Rows of the scores table (without seed), and what each judge saw frame by frame."""
    rows: list[dict[str, Any]] = []
    judged = [Judged(clip, "generated", "audio", face.hear(clip.mel_TM)[1])]
    for variant, frames in shown.items():
        landmarks = find_landmarks(frames)
        video, audio = embed_clip(expert, frames, clip.mel_TM)
        rows += clip_rows(clip, variant, landmarks, video, audio, config.evaluation.sync_offsets)
        judged.append(Judged(clip, variant, "era", face.see(frames)))
        if np.isfinite(store.deviation_scale):
            seen = smoothed_deviation(landmarks, store.shape(clip.speaker_id), config.video.fps) / store.deviation_scale
            judged.append(Judged(clip, variant, "landmarks", None, np.clip(seen, 0, 1)))
    return rows, judged


def find_landmarks(frames_THWC: np.ndarray) -> np.ndarray:
    """dlib's landmarks ``[T, 68, 2]``, px at a 256 scale, NaN where no face is found. A still is looked at once."""
    still = bool((frames_THWC == frames_THWC[:1]).all())
    looked_at = frames_THWC[:1] if still else frames_THWC
    large = np.stack([resize_frame(np.ascontiguousarray(frame), int(LANDMARK_SCALE_PX)) for frame in looked_at])
    landmarks, _ = detect_landmarks(large, detector="dlib", detect_every=1)
    return np.repeat(landmarks, len(frames_THWC), axis=0) if still else landmarks


def write_videos(
    config: Any, seed: int, clip: Clip, source: Source, shown: dict[str, np.ndarray], pcm16: np.ndarray, folder: Path
) -> list[dict[str, Any]]:
    """Write the source picture and the videos of a clip under ``videos/<clip>``; returns their rows."""
    name = Path("videos") / safe_name(clip.clip_id)
    picture = name / "source.png"
    with atomic_path(folder / picture) as temporary:
        cv2.imwrite(str(temporary), source.clip.frames[source.at][..., ::-1])
    paths = {"source": picture}
    for variant, label in VIDEO_VARIANTS.items():
        paths[label] = name / f"{label}.mp4"
        write_video(
            folder / paths[label],
            shown[variant],
            config.video.fps,
            config.evaluation.crf,
            pcm16,
            config.audio.sample_rate,
            "real video" if label == "real" else PROVENANCE,
        )
    row = {
        "seed": seed,
        "clip_id": clip.clip_id,
        "speaker_id": clip.speaker_id,
        "emotion": clip.emotion,
        "source_clip_id": source.clip.clip_id,
        "source_emotion": source.clip.emotion,
    }
    return [{**row, "variant": label, "path": path.as_posix()} for label, path in paths.items()]


def _sound(data: PreparedData, clip_ids: set[str]) -> Iterator[tuple[str, np.ndarray]]:
    """int16 samples of the given clips."""
    for path in data.shards("audio"):
        for clip_id, table in iterate_clips(path, "audio"):
            if clip_id in clip_ids:
                yield clip_id, np.frombuffer(table["pcm16"][0].as_py(), np.int16)
