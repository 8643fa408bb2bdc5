"""Distil the landmarks that drive ANT into the differentiable student of L_lip."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.optim import Adam

from eap.data.clip_store import FRAME_CACHE_BYTES, ClipStore
from eap.data.layout import PreparedData
from eap.data.pose import LANDMARK_SCALE_PX, LIPS
from eap.data.windows import to_image
from eap.digest import code_digest
from eap.losses.objective import check_finite
from eap.models.lip_landmarks import LandmarkStudent
from eap.seeding import seed_everything
from eap.stage import Log, StageError, StageResult
from eap.training import processes
from eap.training.checkpoint import Checkpoint
from eap.training.engine import finish, optimise, run_steps

HELD_OUT_FRAMES = 128
CALIBRATION_FRAMES = 64
LIP_WEIGHT = 2.0
"""Extra weight of the lip points: without it the student answers the mean mouth, and L_lip cannot tell open from shut.
CHOSEN; measured in docs/adr/0005."""


def drawn_ids(ids: list[str], rng: np.random.Generator, size: int) -> list[str]:
    """The clips that a fresh generator chooses first, one per frame of a batch."""
    return [str(clip_id) for clip_id in rng.choice(ids, size)]


def draw_frames(store: ClipStore, ids: list[str], rng: np.random.Generator, size: int) -> tuple[Tensor, Tensor]:
    """Random frames ``[N, 3, H, W]`` in [-1, 1] and their landmarks ``[N, 68, 2]``, px at a 256 scale."""
    images, points = [], []
    for clip_id in drawn_ids(ids, rng, size):
        clip = store[clip_id]
        at = int(rng.integers(len(clip)))
        images.append(to_image(clip.frames[at]))
        points.append(torch.from_numpy(clip.points_TP2[at]))
    return torch.stack(images), torch.stack(points)


def augment(frames_NCHW: Tensor, landmarks_NP2: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Random similarity transforms, light, contrast and blur; landmarks move along.

    The student will judge generated frames, which are blurrier and less regular than any it was taught on.
    """
    n = len(frames_NCHW)
    angle, scale = rng.uniform(-0.1, 0.1, n), rng.uniform(0.94, 1.06, n)
    shift = rng.uniform(-0.05, 0.05, (n, 2))
    c, s = np.cos(angle) * scale, np.sin(angle) * scale
    forward = np.stack([np.stack([c, -s, shift[:, 0]], -1), np.stack([s, c, shift[:, 1]], -1)], -2)
    square = np.concatenate([forward, np.broadcast_to([[[0.0, 0.0, 1.0]]], (n, 1, 3))], 1)
    inverse = torch.from_numpy(np.linalg.inv(square)[:, :2]).float()
    grid = F.affine_grid(inverse, list(frames_NCHW.shape), align_corners=False)
    frames = F.grid_sample(frames_NCHW, grid, padding_mode="border", align_corners=False)
    unit = landmarks_NP2 / LANDMARK_SCALE_PX * 2 - 1
    matrix = torch.from_numpy(forward).float()
    moved = torch.einsum("nij,npj->npi", matrix[..., :2], unit) + matrix[:, None, :, 2]
    gain = torch.from_numpy(rng.uniform(0.7, 1.3, (n, 1, 1, 1))).float()
    bias = torch.from_numpy(rng.uniform(-0.2, 0.2, (n, 1, 1, 1))).float()
    frames = (frames * gain + bias).clamp(-1, 1)
    blurred = F.interpolate(F.avg_pool2d(frames, 2), scale_factor=2, mode="bilinear", align_corners=False)
    mix = torch.from_numpy(rng.uniform(0, 1, (n, 1, 1, 1)) * (rng.random((n, 1, 1, 1)) < 0.5)).float()
    return frames + mix * (blurred - frames), (moved + 1) / 2 * LANDMARK_SCALE_PX


def train_student(
    config: Any, data: PreparedData, model: Path, history: Path, checkpoints: Path, log: Log
) -> StageResult:
    """Train the student on the training split; report its error on the validation split in px at a 256 scale."""
    processes.require_one("train-student", config.compute.device)
    section, device = config.student, config.compute.device
    seed_everything(section.seed, config.compute.threads)
    store = ClipStore(data, config.model.image_size, FRAME_CACHE_BYTES)
    ids, held_out = store.ids("train"), store.ids("validation")
    if not ids:
        raise StageError("no training clip; see the set-aside reasons in the clips table")
    rng = np.random.default_rng([section.seed, 9])
    mean_shape = torch.stack([torch.from_numpy(store[c].points_TP2.mean(0)) for c in ids[:64]]).mean(0)
    student = LandmarkStudent(section.channels, config.model.image_size, mean_shape).to(device)
    optimizer = Adam(student.parameters(), section.lr)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, section.lr, section.steps)

    def draw(number: int) -> tuple[Tensor, Tensor]:
        rng = np.random.default_rng([section.seed, number])
        frames, landmarks = augment(*draw_frames(store, ids, rng, section.batch_size), rng)
        return frames.to(device), landmarks.to(device)

    def step(batch: tuple[Tensor, Tensor], number: int) -> dict[str, float]:
        error = (student(batch[0]) - batch[1]).norm(dim=-1)
        values = {"error_px": error.mean().item(), "lip_error_px": error[:, LIPS].mean().item()}
        names = drawn_ids(ids, np.random.default_rng([section.seed, number]), section.batch_size)
        check_finite(values, number, names)
        optimise(optimizer, error.mean() + LIP_WEIGHT * error[:, LIPS].mean())
        schedule.step()
        return values

    fixed = draw_frames(store, held_out, rng, HELD_OUT_FRAMES) if held_out else None

    @torch.no_grad()
    def validate() -> dict[str, float]:
        if fixed is None:
            return {}
        error = (student(fixed[0].to(device)).cpu() - fixed[1]).norm(dim=-1)
        return {"error_px": error.mean().item(), "lip_error_px": error[:, LIPS].mean().item()}

    record = {
        "stage": "train-student", "channels": section.channels, "image_size": config.model.image_size,
        "config": config.model_dump(mode="json"), "data": data.digest(),
    }  # fmt: skip
    identity = {**record, "code": code_digest(__name__)}
    rows = run_steps(
        name="student",
        steps=section.steps,
        steps_per_epoch=max(len(ids) // section.batch_size, 1),
        draw=draw,
        step=step,
        validate=validate,
        checkpoint=Checkpoint(
            checkpoints, identity, {"student": student}, {"student": optimizer}, {"schedule": schedule}
        ),
        checkpoint_every=max(section.steps // 10, 1),
        log=log,
    )
    calibrate(student, draw_frames(store, ids, rng, CALIBRATION_FRAMES)[0].to(device))
    return finish(model, {"student": student}, record, history, rows, [data.splits], "landmark student")


@torch.no_grad()
def calibrate(student: LandmarkStudent, frames_NCHW: Tensor) -> None:
    """Set each layer's scale to its mean activation on real faces, so that L_per weighs the layers alike."""
    student.feature_scale.fill_(1.0)
    means = [feature.mean() for feature in student.features(frames_NCHW)]
    student.feature_scale.copy_(torch.stack(means).clamp_min(1e-6))
