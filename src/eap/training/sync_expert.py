"""Train the sync expert: matching windows of lips and sound lie close, all others far."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.optim import Adam

from eap.data.clip_store import Clip, ClipStore
from eap.data.layout import PreparedData
from eap.data.windows import to_image
from eap.models.syncnet import WINDOW, SyncExpert
from eap.schemas import source_digest
from eap.seeding import seed_everything
from eap.stage import Log, StageError, StageResult
from eap.training.checkpoint import save_model
from eap.training.engine import optimise, run_steps, write_history

VALIDATION_BATCHES = 4


def clip_windows(frames_TCHW: Tensor, mel_TM: Tensor, starts: np.ndarray) -> tuple[Tensor, Tensor]:
    """Windows of five frames ``[L, 5, 3, H, W]`` and of their mel columns ``[L, M, 5]``."""
    rows = torch.from_numpy(starts)[:, None] + torch.arange(WINDOW)
    return frames_TCHW[rows], mel_TM[rows].transpose(1, 2)


def draw_windows(
    store: ClipStore, ids: list[str], rng: np.random.Generator, clips: int, windows: int
) -> tuple[Tensor, Tensor]:
    """Windows of several clips: ``[clips x windows, ...]``, each clip's windows at different times."""
    lips, sound = [], []
    for clip_id in rng.choice(ids, clips, replace=len(ids) < clips):
        clip: Clip = store[str(clip_id)]
        last = len(clip) - WINDOW + 1
        starts = rng.choice(last, min(windows, last), replace=False)
        frames, mel = clip_windows(torch.from_numpy(clip.frames_THWC), torch.from_numpy(clip.mel_TM), starts)
        lips.append(to_image(frames.numpy()))
        sound.append(mel)
    return torch.cat(lips), torch.cat(sound)


def match_loss(expert: SyncExpert, lips: Tensor, sound: Tensor) -> tuple[Tensor, Tensor]:
    """Cross-entropy of finding each window's sound among all of the batch, and of finding its lips; and the accuracy.

    Distances are Euclidean and not normalised, as LSE will use them. Chance is ``ln N``, ``1 / N``.
    """
    distance = torch.cdist(expert.embed_video(lips), expert.embed_audio(sound))
    logits = -F.softplus(expert.scale) * distance
    target = torch.arange(len(logits), device=logits.device)
    loss = (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2
    return loss, (logits.argmax(1) == target).float().mean()


def train_sync(config: Any, data: PreparedData, model: Path, history: Path, log: Log) -> StageResult:
    """Train the expert on the training split; `nothing_learnt` is 1 if held-out loss does not beat chance."""
    section, device = config.sync, config.compute.device
    seed_everything(section.seed, config.compute.threads)
    store = ClipStore(data, config.model.image_size)
    ids, held_out = store.ids("train"), store.ids("validation")
    if not ids:
        raise StageError("no training clip; see the set-aside reasons in the clips table")
    expert = SyncExpert(config.audio.n_mels, section.channels, section.d_embedding).to(device)
    optimizer = Adam(expert.parameters(), section.lr, config.optimizer.betas)

    def draw(split: list[str], stream: int, number: int) -> tuple[Tensor, Tensor]:
        rng = np.random.default_rng([section.seed, stream, number])
        lips, sound = draw_windows(store, split, rng, section.clips_per_batch, section.windows_per_clip)
        return lips.to(device), sound.to(device)

    def step(number: int) -> dict[str, float]:
        loss, accuracy = match_loss(expert, *draw(ids, 0, number))
        optimise(optimizer, loss)
        return {"loss": loss.item(), "accuracy": accuracy.item()}

    @torch.no_grad()
    def validate() -> dict[str, float]:
        if not held_out:
            return {}
        expert.eval()
        rows = [match_loss(expert, *draw(held_out, 1, i)) for i in range(VALIDATION_BATCHES)]
        expert.train()
        loss, accuracy = (sum(column).item() / len(rows) for column in zip(*rows, strict=True))
        chance = math.log(section.clips_per_batch * section.windows_per_clip)
        return {"loss": loss, "accuracy": accuracy, "nothing_learnt": float(loss >= chance)}

    rows = run_steps(
        name="sync", steps=section.steps, steps_per_epoch=max(len(ids) // section.clips_per_batch, 1), step=step,
        validate=validate, checkpoint=None, checkpoint_every=max(section.steps // 10, 1), log=log,
    )  # fmt: skip
    record = {
        "stage": "train-sync", "n_mels": config.audio.n_mels, "channels": section.channels,
        "d_embedding": section.d_embedding, "config": config.model_dump(mode="json"),
        "data": [source_digest(data.splits)],
    }  # fmt: skip
    save_model(model, {"sync": expert}, record)
    write_history(history, rows, [data.splits])
    return StageResult({f"{part}_{term}": value for _, _, part, term, value in rows}, (model, history))
