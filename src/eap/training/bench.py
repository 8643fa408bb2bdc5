"""What one step costs: seconds, parameters and operations of every part."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import torch
from face_alignment.models import FAN
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from eap.config import Config
from eap.data.batch import Batch
from eap.data.fan import MODULES
from eap.models.fan import FanLandmarks
from eap.models.perceptual import Vgg19Features
from eap.seeding import seed_everything
from eap.training.ant import AntPhase
from eap.training.build import build_student
from eap.training.era import EraPhase
from eap.training.processes import require_device
from eap.training.reconstruction import Reconstruction


def random_batch(config: Any, size: int, frames: int, rendered: int | None = None) -> Batch:
    """A batch of noise in the shapes and ranges of a real one, `rendered` of its times rendered; half of it neutral."""
    side, audio, b, t = config.model.image_size, config.audio, size, frames
    r = t if rendered is None else rendered
    emotion = torch.arange(b) % 2
    batch = Batch(
        source_BCHW=torch.rand(b, 3, side, side) * 2 - 1,
        source_points_BP2=torch.rand(b, 68, 2) * 256,
        source_pose_BP2=torch.rand(b, 68, 2) * 256,
        target_BRCHW=torch.rand(b, r, 3, side, side) * 2 - 1,
        pose_BTP2=torch.rand(b, t, 68, 2) * 256,
        content_mel_BTMW=torch.randn(b, t, audio.n_mels, 2 * audio.content_context + 1),
        emotion_mel_BTMW=torch.randn(b, t, audio.n_mels, 2 * audio.emotion_context + 1),
        shape_BTP2=torch.randn(b, t, 68, 2) * 0.1,
        emotion_B=emotion,
        neutral_B=emotion == 0,
        va_BT2=torch.rand(b, t, 2) * 2 - 1,
        mask_BT=torch.ones(b, t, dtype=torch.bool),
        clip_ids=tuple(f"noise {i}" for i in range(b)),
        rendered_BR=torch.rand(b, t).topk(r, dim=1).indices.sort(dim=1).values,
    )
    if config.critics.real == "any":
        return replace(batch, other_BCHW=torch.rand(b, 3, side, side) * 2 - 1, other_emotion_B=emotion)
    return batch


def random_judges(config: Any) -> Reconstruction:
    """The losses' frozen networks as they are configured, with random weights, which cost what trained ones cost."""
    student = build_student(config.student.channels, config.model.image_size)
    vgg = Vgg19Features(None) if config.perceptual.network == "vgg19" else None
    fan = FanLandmarks(FAN(MODULES)) if config.loss.lip_estimator == "fan" else None
    return Reconstruction(student, vgg, config.perceptual.scales, fan)


def time_steps(config: Config) -> dict[str, Any]:
    """One ANT step and one ERA step with every loss, on noise.

    Pre-trained weights cost what random ones cost, so random ones stand in and the result says so.
    """
    require_device(config.compute.device)
    seed_everything(config.seeds[0], config.compute.threads)
    reconstruction = random_judges(config)
    ant, era = AntPhase(config, reconstruction), EraPhase(config, reconstruction)
    results: dict[str, Any] = {
        "preset": config.preset,
        "image_size": config.model.image_size,
        "perceptual": f"{config.perceptual.network} with random weights",
        "landmark_estimator": f"{config.loss.lip_estimator} with random weights",
        "device": config.compute.device,
        "threads": config.compute.threads,
    }
    for name, phase, section in (("ant", ant, config.ant), ("era", era, config.era)):
        batch = random_batch(config, section.batch_size, section.frames, section.rendered_frames).to(
            config.compute.device
        )
        began = time.monotonic()
        losses = phase.step(batch, 0)
        results[f"{name}_step_s"] = round(time.monotonic() - began, 2)
        results[f"{name}_batch"] = [section.batch_size, section.frames]
        results[f"{name}_losses"] = {term: round(value, 4) for term, value in losses.items()}
    results["parts"] = cost_of_parts(config, ant, era, reconstruction)
    return results


@torch.no_grad()
def cost_of_parts(config: Config, ant: AntPhase, era: EraPhase, reconstruction: nn.Module) -> dict[str, Any]:
    """Parameters (M) and forward GFLOPs of each part for one clip of one frame (2 FLOPs per multiply-add)."""
    batch = random_batch(config, 1, 1).to(config.compute.device)
    frame = batch.target_BRCHW[0]
    ant.ant.eval()
    model = ant.ant
    identity = model.encode_identity(batch.source_BCHW, batch.source_points_BP2, batch.source_pose_BP2)
    motion = model.motion(identity, batch.content_mel_BTMW, batch.pose_BTP2, batch.mask_BT)
    e = era.emotion_encoder(batch.emotion_mel_BTMW, batch.mask_BT)
    parts: dict[str, tuple[nn.Module, Any]] = {
        "identity encoder (per clip)": (model.identity_encoder, lambda: model.identity_encoder(batch.source_BCHW)),
        "audio encoder": (model.audio_encoder, lambda: model.audio_encoder(batch.content_mel_BTMW)),
        "pose encoder": (model.pose_encoder, lambda: model.pose_encoder(batch.pose_BTP2)),
        "transformer": (
            model.transformer,
            lambda: model.transformer(torch.zeros(1, 3, config.model.d_model, device=motion.device)),
        ),
        "generator G": (model.generator, lambda: model.render(identity, motion, batch.pose_BTP2, None)),
        "ANT, all": (model, lambda: ant.generate(batch)),
        "emotion encoder E_E": (
            era.emotion_encoder,
            lambda: era.emotion_encoder(batch.emotion_mel_BTMW, batch.mask_BT),
        ),
        "VA backbone F": (era.backbone, lambda: era.backbone(frame)),
        "theta": (era.theta, lambda: era.theta(e)),
        "phi": (era.phi, lambda: era.phi(e)),
        "psi": (era.psi, lambda: era.psi(batch.va_BT2)),
        "discriminator D": (ant.critic, lambda: ant.critic(frame)),
        "discriminator D_E": (era.emotion_critic, lambda: era.emotion_critic(frame)),
        "L_lip and L_per (a generated and a real frame)": (
            reconstruction,
            lambda: reconstruction.terms(batch.target_BRCHW * 0, batch),
        ),
    }
    return {name: _cost(module, call) for name, (module, call) in parts.items()}


def _cost(module: nn.Module, call: Any) -> dict[str, float]:
    with FlopCounterMode(display=False) as counter:
        call()
    return {
        "parameters_m": round(sum(p.numel() for p in module.parameters()) / 1e6, 3),
        "gflops": round(counter.get_total_flops() / 1e9, 3),
    }
