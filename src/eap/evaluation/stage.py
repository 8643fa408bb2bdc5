"""Score one seed of one experiment: the test clips, the input-bias and saturation tests, the embeddings, the grid."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd

from eap.data.clip_store import Clip, ClipStore
from eap.data.encode import PROVENANCE, write_video
from eap.data.layout import PreparedData
from eap.digest import file_sha256
from eap.evaluation.bias import bias_rows
from eap.evaluation.embeddings import embedding_rows
from eap.evaluation.faces import load_faces
from eap.evaluation.judges import Judges
from eap.evaluation.networks import load_networks
from eap.evaluation.pictures import Pictures
from eap.evaluation.points import read_judge
from eap.evaluation.saturation import saturation_rows
from eap.evaluation.scores import MODEL, Judged, accuracy_rows, clip_rows, pooled_rows
from eap.evaluation.setup import Setup
from eap.evaluation.variants import (
    Source,
    choose_clips,
    choose_source,
    choose_voice,
    find_landmarks,
    fit_length,
    read_levels,
    read_sound,
    read_video,
    roll_voice,
)
from eap.files import atomic_path, safe_name
from eap.schemas import write_table
from eap.seeding import seed_everything
from eap.stage import StageError, StageResult
from eap.synthesis import Synthesizer
from eap.training.build import load_sync_expert
from eap.training.processes import require_device
from eap.training.sync_expert import embed_clip

VIDEO_VARIANTS = {"real": "real", "neutral": "neutral", "generated": "emotional"}
"""Variants that are written as videos, and what the videos table calls them."""

TABLES = ("scores", "curves", "videos", "bias", "saturation", "embeddings", "grid")
"""What the stage writes into its folder."""


def evaluate(
    config: Any, seed: int, data: PreparedData, era: Path, sync: Path, judge: Path, faces: Path, out: Path
) -> StageResult:  # fmt: skip
    """Score up to ``evaluation.max_clips`` test clips and write `TABLES`, with videos and pictures beside them.

    Parameters
    ----------
    config
        Sections of stage ``evaluate``.
    era, sync, judge, faces
        The trained model, the sync expert's, judge "points" as stage ``controls`` wrote it, and judge "faces".
    out
        Folder of this seed's tables.

    Raises
    ------
    StageError
        If there is no test clip.
    """
    require_device(config.compute.device)
    seed_everything(seed, config.compute.threads)
    store = ClipStore(data, config.model.image_size, pose_shape=config.model.pose_shape, scored=True)
    chosen = choose_clips(store, config.evaluation.max_clips)
    if not chosen:
        raise StageError("no test clip: change split.test or split.seed, or add clips")
    face = Synthesizer(era, config)
    networks, weights = load_networks(config.evaluation.weights)
    points = read_judge(judge, config.video.fps)
    judges = Judges(store, points, load_faces(faces, config, store), face, networks.emonet, config.emotions)
    expert = load_sync_expert(sync).to(config.compute.device)
    setup = Setup(config, seed, store, read_levels(data), face, expert, judges, Pictures(networks), chosen, out)
    tables: dict[str, Any] = dict(zip(("scores", "curves", "videos"), score_clips(setup, data), strict=True))
    tables["bias"], tables["grid"] = bias_rows(
        setup, dict(read_sound(data, set(chosen[: config.evaluation.grid_clips])))
    )
    tables["saturation"] = saturation_rows(setup)
    tables["embeddings"] = embedding_rows(setup)
    made = {
        "sources": [data.splits, data.labels],
        "config": config.model_dump(mode="json"),
        "metadata": {"eap.weights": json.dumps(weights), MODEL: file_sha256(era)},
    }
    for name in TABLES:
        rows = tables[name]
        frame = rows if isinstance(rows, pd.DataFrame) else pd.DataFrame(rows)
        write_table(out / f"{name}.parquet", name, frame.assign(seed=seed), **made)
    means = pd.DataFrame(tables["scores"]).groupby(["variant", "metric"])["value"].mean().dropna()
    return StageResult(
        {f"{variant}/{metric}": value for (variant, metric), value in means.items()},
        (out / "scores.parquet", *(out / row["path"] for row in tables["videos"][:4])),
    )


def score_clips(setup: Setup, data: PreparedData) -> tuple[list[dict[str, Any]], pd.DataFrame, list[dict[str, Any]]]:
    """Rows of tables ``scores``, ``curves`` and ``videos``, without the seed."""
    sound = dict(read_sound(data, set(setup.chosen)))
    score_rows: list[dict[str, Any]] = []
    video_rows: list[dict[str, Any]] = []
    judged: list[Judged] = []
    for clip_id in setup.chosen:
        clip = setup.store[clip_id]
        source = choose_source(setup.store, clip)
        shown = render_variants(setup, clip, source)
        video_rows += write_videos(setup, clip, source, shown, sound[clip_id])
        rows, read = score_clip(setup, clip, source, shown, sound[clip_id])
        score_rows += rows
        judged += read
        print(f"evaluate seed {setup.seed}: {clip_id} scored from a frame of {source.clip.clip_id}", flush=True)
    score_rows += pooled_rows(judged) + setup.pictures.pooled_rows()
    return score_rows, pd.concat([j.frame_rows(setup.seed) for j in judged]), video_rows


def render_variants(setup: Setup, clip: Clip, source: Source) -> dict[str, np.ndarray]:
    """uint8 frames ``[T, H, W, 3]`` of what the model makes; "shuffled" is absent where there is no other voice."""

    def speak(mel_TM: np.ndarray, gain: float) -> np.ndarray:
        return setup.face.speak(source.frame_HWC, source.points_P2, source.pose_P2, mel_TM, clip.pose_TP2, gain)

    shown = {
        "generated": speak(clip.mel_TM, 1.0),
        "neutral": speak(clip.mel_TM, 0.0),
        "rolled": speak(roll_voice(clip.mel_TM), 1.0),
    }
    voice = choose_voice(setup.store, setup.chosen, clip)
    if voice is None:
        print(f"evaluate: {clip.clip_id} is the only clip, so there is no other voice for 'shuffled'", flush=True)
    else:
        shown["shuffled"] = speak(fit_length(voice.mel_TM, len(clip)), 1.0)
    return shown


def score_clip(
    setup: Setup, clip: Clip, source: Source, shown: dict[str, np.ndarray], pcm16: np.ndarray
) -> tuple[list[dict[str, Any]], list[Judged]]:
    """Rows of the scores table, and what each judge saw frame by frame.

    Of the controls only judge "era" is asked here, since it is this model's own; the others judged them once.
    """
    offsets, level = setup.config.evaluation.sync_offsets, setup.level(clip.clip_id)
    rows: list[dict[str, Any]] = []
    judged = [setup.judges.hear(clip)]
    for variant, frames in shown.items():
        landmarks = find_landmarks(frames)
        embedded = embed_clip(setup.expert, frames, clip.mel_TM)
        rows += clip_rows(clip, variant, landmarks, *embedded, offsets, level)
        rows += setup.pictures.rows(clip, variant, frames, landmarks, pcm16, level)
        judged += setup.judges.judge(clip, variant, frames, landmarks, source.clip)
    controls = {
        "real": clip.frames_THWC,
        "reencoded": read_video(setup.out / video_folder(clip) / "real.mp4"),
        "still": np.broadcast_to(source.frame_HWC, clip.frames_THWC.shape),
    }
    judged += [setup.judges.see(clip, name, frames) for name, frames in controls.items()]
    return rows + accuracy_rows(judged, setup.labelled(clip.clip_id), level), judged


def video_folder(clip: Clip) -> Path:
    """Folder of a clip's videos, relative to the tables'."""
    return Path("videos") / safe_name(clip.clip_id)


def write_videos(
    setup: Setup, clip: Clip, source: Source, shown: dict[str, np.ndarray], pcm16: np.ndarray
) -> list[dict[str, Any]]:
    """Write the source picture and the videos of a clip under ``videos/<clip>``; returns their rows."""
    config, name = setup.config, video_folder(clip)
    picture = name / "source.png"
    with atomic_path(setup.out / picture) as temporary:
        cv2.imwrite(str(temporary), source.frame_HWC[..., ::-1])
    paths = {"source": picture}
    for variant, label in VIDEO_VARIANTS.items():
        paths[label] = name / f"{label}.mp4"
        write_video(
            setup.out / paths[label],
            clip.frames_THWC if variant == "real" else shown[variant],
            config.video.fps,
            config.evaluation.crf,
            pcm16,
            config.audio.sample_rate,
            "real video" if label == "real" else PROVENANCE,
            repeatable=True,
        )
    row = {
        "clip_id": clip.clip_id,
        "speaker_id": clip.speaker_id,
        "emotion": clip.emotion,
        "source_clip_id": source.clip.clip_id,
        "source_emotion": source.clip.emotion,
    }
    return [{**row, "variant": label, "path": path.as_posix()} for label, path in paths.items()]
