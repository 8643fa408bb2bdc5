"""Networks from the configuration."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from eap.models.ant import ANT
from eap.models.discriminator import Discriminator
from eap.models.era import Classifier, EmotionDecoder, EmotionEncoder, Regressor, VABackbone
from eap.models.face_judge import D_FEATURES, FaceJudge
from eap.models.lip_landmarks import LandmarkStudent
from eap.models.syncnet import SyncExpert
from eap.stage import StageError
from eap.training.checkpoint import load_model, read_record


def build_ant(config: Any) -> ANT:
    """ANT from the `audio` and `model` sections."""
    model = config.model
    return ANT(
        n_mels=config.audio.n_mels,
        mel_width=2 * config.audio.content_context + 1,
        base_channels=model.base_channels,
        max_channels=model.max_channels,
        residual_blocks=model.residual_blocks,
        d_model=model.d_model,
        d_feedforward=model.d_feedforward,
        layers=model.layers,
        heads=model.heads,
        dropout=model.dropout,
        d_emotion=model.d_emotion,
        skip_strides=tuple(s for s in (1, 2, 4, 8) if _skip_px(model, s) <= model.max_skip_px),
        warp=model.warp,
        flow_px=model.flow_px,
        paint_px=model.paint_px or model.image_size,
        separable=model.convolution == "separable",
        mouth_only=model.paint == "mouth",
    )


def _skip_px(model: Any, stride: int) -> int:
    """Side of the source's map at a stride: of the picture at stride 1, of what is encoded of it beyond."""
    return model.image_size if stride == 1 else (model.paint_px or model.image_size) // stride


def build_era(config: Any) -> dict[str, nn.Module]:
    """ERA's networks from the `audio`, `model` and `emotions` sections, by their names in model files."""
    d, audio = config.model.d_emotion, config.audio
    return {
        "emotion_encoder": EmotionEncoder(
            audio.n_mels,
            2 * audio.emotion_context + 1,
            config.model.emotion_channels,
            d,
            config.model.emotion_pooled,
        ),
        "backbone": VABackbone(config.model.emotion_channels, d),
        "theta": Regressor(d),
        "phi": Classifier(d, len(config.emotions)),
        "psi": EmotionDecoder(d),
    }


def build_discriminator(config: Any, branches: int) -> Discriminator:
    """D (one branch) or D_E (one branch per class, or what `critics.emotion_head` says)."""
    head = "multi_branch" if branches == 1 else config.critics.emotion_head
    return Discriminator(config.model.discriminator_channels, branches, head)


def build_student(channels: int, image_size: int) -> LandmarkStudent:
    """An untrained landmark student; its mean shape comes with its weights."""
    return LandmarkStudent(channels, image_size, torch.full((68, 2), 128.0))


def load_student(path: Path, config: Any) -> LandmarkStudent:
    """The trained landmark student, frozen; it must have been trained at `config.model.image_size`."""
    record = read_record(path, "train-student")
    _require_size(path, record, config, "train-student")
    student = build_student(record["channels"], record["image_size"])
    load_model(path, {"student": student})
    return student.requires_grad_(False).eval()


def load_face_judge(path: Path, config: Any) -> tuple[FaceJudge, tuple[str, ...]]:
    """Judge "faces", frozen, and its classes; it must have been trained at `config.model.image_size`."""
    record = read_record(path, "train-judge")
    _require_size(path, record, config, "train-judge")
    judge = FaceJudge(record["channels"], D_FEATURES, len(record["classes"]))
    load_model(path, {"judge": judge})
    return judge.requires_grad_(False).eval(), tuple(record["classes"])


def _require_size(path: Path, record: Mapping[str, Any], config: Any, stage: str) -> None:
    if record["image_size"] != config.model.image_size:
        raise StageError(
            f"{path}: trained on frames of {record['image_size']} px, but model.image_size is "
            f"{config.model.image_size}; run {stage} again"
        )


def load_sync_expert(path: Path) -> SyncExpert:
    """The trained sync expert, frozen."""
    record = read_record(path, "train-sync")
    expert = SyncExpert(record["n_mels"], record["channels"], record["d_embedding"])
    load_model(path, {"sync": expert})
    return expert.requires_grad_(False).eval()
