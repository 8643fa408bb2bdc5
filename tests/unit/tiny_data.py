"""A small prepared data set of drawn talking faces, and a small configuration, for the tests of the later stages.

Two speakers, three emotions, clips of 30 frames at 64 px. The mouth follows the loudness of a tone, the brows follow
its pitch and the emotion, the head sways: everything that training should find is there and known. Frames, audio and
landmarks are drawn; mel, labels and shapes come from the stages that make them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from safetensors import safe_open
from safetensors.torch import save_file

from eap.config import Config, deep_merge, load_config, load_stage, stage_sections
from eap.data.jpeg import encode_jpeg
from eap.data.layout import PreparedData
from eap.data.mel import cache_mel
from eap.data.pseudo_labels import label_clips
from eap.schemas import to_table, write_table

PRESETS = Path(__file__).parents[2] / "workflow" / "presets"
SIZE = 64
FRAMES = 30
HOP = 640
EMOTIONS = ("neutral", "happy", "angry")
SKIN = {"ann": (224, 172, 140), "bob": (150, 105, 80)}
SPLIT_OF = {
    **{f"{who}/{name}.mp4": "train" for who in SKIN for name in ("neutral-0", "neutral-1", "happy-0", "angry-0")},
    **{f"{who}/neutral-2.mp4": "validation" for who in SKIN},
    **{"ann/happy-1.mp4": "test", "bob/angry-1.mp4": "test", "ann/angry-1.mp4": "train", "bob/happy-1.mp4": "train"},
}
"""Split of each of the 14 clips; both speakers and all emotions are in training."""

TINY: dict[str, Any] = {
    "preset": "clips",
    "seeds": [0],
    "emotions": list(EMOTIONS),
    "data": {"shards": 1},
    "video": {"size": SIZE},
    "audio": {"n_mels": 16, "content_context": 2, "emotion_context": 3},
    "model": {
        "image_size": 32, "base_channels": 8, "max_channels": 32, "max_skip_px": 8, "residual_blocks": 1, "d_model": 32,
        "d_feedforward": 64, "layers": 1, "heads": 2, "dropout": 0.1, "d_emotion": 16, "emotion_channels": 8,
        "emotion_pooled": False, "discriminator_channels": 8, "paint": "everywhere",
    },
    "student": {"channels": 8, "steps": 200, "batch_size": 16, "lr": 3.0e-3},
    "sync": {"channels": 4, "d_embedding": 16, "steps": 10, "clips_per_batch": 2, "windows_per_clip": 8},
    "judge": {"channels": 8, "steps": 20, "batch_size": 4},
    "perceptual": {"network": "student", "weights": "trained", "scales": 3},
    "ant": {"batch_size": 4, "frames": 4, "rendered_frames": 4, "epochs": 8, "warmup_steps": 0, "checkpoint_every": 10},
    "era": {"batch_size": 4, "frames": 4, "rendered_frames": 4, "epochs": 8, "warmup_steps": 0, "checkpoint_every": 10},
    "evaluation": {"max_clips": 2, "sync_offsets": 3},
    "compute": {"device": "cpu", "threads": 1},
}  # fmt: skip


def tiny_config(overrides: Mapping[str, Any] | None = None) -> Config:
    """The whole configuration; `overrides` on top of `TINY`."""
    return load_config(deep_merge(TINY, overrides or {}), PRESETS)


def sections(stage: str, overrides: Mapping[str, Any] | None = None) -> Any:
    """What a stage function gets as its first argument."""
    return load_stage(stage, stage_sections(tiny_config(overrides), stage))


def loudness(clip_id: str) -> np.ndarray:
    """Of each frame, 0 to 1: ``[FRAMES]``, another curve for each clip."""
    phase = np.random.default_rng(_seed(clip_id)).uniform(0, 6, 3)
    t = np.arange(FRAMES)
    curve = np.sin(0.9 * t + phase[0]) + np.sin(0.37 * t + phase[1]) + 0.5 * np.sin(1.7 * t + phase[2])
    return (curve - curve.min()) / np.ptp(curve)


def feeling(clip_id: str) -> np.ndarray:
    """How strong the clip's emotion is in each frame, 0 to 1: ``[FRAMES]`` (it shows in no neutral face)."""
    return 0.5 + 0.5 * np.sin(0.2 * np.arange(FRAMES) + _seed(clip_id))


def emotion_of(clip_id: str) -> str:
    """The emotion in a clip's name."""
    return clip_id.split("/")[1].split("-")[0]


def landmarks(clip_id: str) -> np.ndarray:
    """The 68 points of each frame, float32 ``[FRAMES, 68, 2]``, px at `SIZE`."""
    emotion, t = emotion_of(clip_id), np.arange(FRAMES)
    face = np.stack([_face(*now, emotion) for now in zip(loudness(clip_id), feeling(clip_id), strict=True)])
    sway = 0.06 * np.sin(0.25 * t + _seed(clip_id) % 7)
    c, s = np.cos(sway), np.sin(sway)
    turned = np.einsum("tij,tpj->tpi", np.stack([np.stack([c, -s], -1), np.stack([s, c], -1)], -2), face)
    shift = np.stack([1.5 * np.sin(0.3 * t), np.cos(0.2 * t)], -1)[:, None]
    return (turned * SIZE * 0.3 + SIZE * 0.5 + shift).astype(np.float32)


def draw(points_P2: np.ndarray, speaker: str) -> np.ndarray:
    """The face with these points, uint8 RGB ``[SIZE, SIZE, 3]``."""
    scale = 4
    canvas = np.full((SIZE * scale, SIZE * scale, 3), (60, 80, 110), np.uint8)

    def fill(points: np.ndarray, colour: tuple[int, int, int]) -> None:
        cv2.fillPoly(canvas, [np.round(points * scale).astype(np.int32)], colour, cv2.LINE_AA)

    middle = points_P2[[0, 16]].mean(0)
    crown = middle + (points_P2[15:0:-1] - middle) * [1, -0.9]
    fill(np.concatenate([points_P2[:17], crown]), SKIN[speaker])
    for first, last, colour in ((36, 42, (250, 250, 250)), (42, 48, (250, 250, 250)), (48, 60, (190, 60, 70))):
        fill(points_P2[first:last], colour)
    fill(points_P2[60:68], (40, 10, 15))
    for first, last in ((17, 22), (22, 27), (27, 31), (31, 36)):
        line = np.round(points_P2[first:last] * scale).astype(np.int32)
        cv2.polylines(canvas, [line], False, (50, 30, 20), 2 * scale, cv2.LINE_AA)
    return cv2.resize(canvas, (SIZE, SIZE), interpolation=cv2.INTER_AREA)


def sound(clip_id: str) -> np.ndarray:
    """int16 ``[FRAMES * HOP]``: a tone as loud as `loudness` says; the happier the higher, the angrier the lower."""
    octaves = {"neutral": 0.0, "happy": 1.5, "angry": -1.5}[emotion_of(clip_id)] * feeling(clip_id)
    phase = 2 * np.pi * np.cumsum(np.repeat(600 * 2**octaves, HOP)) / 16000
    return np.round(16000 * np.repeat(0.02 + 0.9 * loudness(clip_id), HOP) * np.sin(phase)).astype(np.int16)


def write_tiny_data(root: Path) -> PreparedData:
    """The prepared folder with every table that training and evaluation read."""
    data = PreparedData(root)
    points = {clip_id: landmarks(clip_id) for clip_id in sorted(SPLIT_OF)}
    frames = {c: [encode_jpeg(draw(p, c.split("/")[0]), 95) for p in points[c]] for c in points}
    write_table(data.shard("frames", 0), "frames", [_rows("frames", c, jpeg=frames[c]) for c in points])
    write_table(
        data.shard("landmarks", 0),
        "landmarks",
        [
            _rows("landmarks", c, landmarks=list(points[c].reshape(FRAMES, -1)), status=["detected"] * FRAMES)
            for c in points
        ],
    )
    write_table(
        data.shard("audio", 0),
        "audio",
        [to_table("audio", [{"clip_id": c, "n_samples": FRAMES * HOP, "pcm16": sound(c).tobytes()}]) for c in points],
    )
    cache_mel(sections("mel"), data.shard("audio", 0), data.shard("mel", 0))
    clips = [
        {
            "clip_id": c, "path": c, "dataset": "drawn", "speaker_id": c.split("/")[0], "labelled": True,
            "emotion": emotion_of(c), "status": "used", "stage": "landmarks", "n_frames": FRAMES, "shard": 0,
        }
        for c in points
    ]  # fmt: skip
    write_table(data.clips, "clips", clips)
    label_clips(sections("labels"), data, data.labels, data.shapes)
    splits = [
        {k: clip[k] for k in ("clip_id", "speaker_id", "emotion")} | {"split": SPLIT_OF[clip["clip_id"]]}
        for clip in clips
    ]
    write_table(data.splits, "splits", splits, sources=[data.clips])
    return data


def _rows(table: str, clip_id: str, **columns: list[Any]) -> Any:
    names = list(columns)
    return to_table(
        table,
        [
            {"clip_id": clip_id, "frame": i, **dict(zip(names, values, strict=True))}
            for i, values in enumerate(zip(*columns.values(), strict=True))
        ],
    )


def _seed(clip_id: str) -> int:
    return sorted(SPLIT_OF).index(clip_id)


def _face(mouth: float, feeling: float, emotion: str) -> np.ndarray:
    """68 points in units of about half a face, y down; `mouth` and `feeling` are 0 .. 1."""
    angle = np.linspace(np.pi, 0, 17)
    jaw = np.stack([np.cos(angle), 0.1 + 1.05 * np.sin(angle)], -1)
    raise_brow = {"neutral": 0.0, "happy": -0.25, "angry": 0.2}[emotion] * feeling
    inner = {"neutral": 0.0, "happy": 0.0, "angry": 0.15}[emotion] * feeling
    x = np.linspace(-0.75, -0.2, 5)
    arch = inner * np.linspace(0, 1, 5) - 0.08 * np.sin(np.linspace(0, np.pi, 5))
    left = np.stack([x, -0.55 + raise_brow + arch], -1)
    right = left[::-1] * [-1, 1]
    bridge = np.stack([np.zeros(4), np.linspace(-0.3, 0.15, 4)], -1)
    nostrils = np.stack([np.linspace(-0.2, 0.2, 5), 0.25 + 0.05 * np.sin(np.linspace(0, np.pi, 5))], -1)
    eye = np.array([[-1, 0], [-0.4, -0.5], [0.4, -0.5], [1, 0], [0.4, 0.5], [-0.4, 0.5]]) * [0.18, 0.16]
    corners = {"neutral": 0.0, "happy": -0.08, "angry": 0.05}[emotion] * feeling
    around = np.linspace(np.pi, -np.pi, 13)[:-1]
    outer = np.stack([0.4 * np.cos(around), 0.6 - (0.12 + 0.16 * mouth) * np.sin(around)], -1)
    within = np.linspace(np.pi, -np.pi, 9)[:-1]
    hole = np.stack([0.3 * np.cos(within), 0.6 - (0.02 + 0.16 * mouth) * np.sin(within)], -1)
    outer[[0, 6], 1] += corners
    eyes = [eye + np.array([x, -0.3]) for x in (-0.42, 0.42)]
    return np.concatenate([jaw, left, right, bridge, nostrils, *eyes, outer, hole])


def rewritten(model: Path, path: Path, record: Mapping[str, Any]) -> Path:
    """A copy of a model file whose record is another."""
    with safe_open(model, "pt") as file:
        weights = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a dict)
    save_file(weights, path, {"record": json.dumps(record)})
    return path
