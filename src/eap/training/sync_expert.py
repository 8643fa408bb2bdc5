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

from eap.data.clip_store import FRAME_CACHE_BYTES, ClipStore
from eap.data.layout import PreparedData
from eap.data.windows import to_image
from eap.digest import code_digest
from eap.losses.objective import check_finite
from eap.models.syncnet import WINDOW, SyncExpert
from eap.seeding import seed_everything
from eap.stage import Log, StageError, StageResult
from eap.training import processes
from eap.training.checkpoint import Checkpoint
from eap.training.engine import finish, optimise, run_steps

VALIDATION_BATCHES = 4
EMBED_WINDOWS = 64
"""Windows embedded at once."""


def clip_windows(frames_TCHW: Tensor, mel_TM: Tensor, starts: np.ndarray) -> tuple[Tensor, Tensor]:
    """Windows of five frames ``[L, 5, 3, H, W]`` and of their mel columns ``[L, M, 5]``."""
    rows = torch.from_numpy(starts)[:, None] + torch.arange(WINDOW)
    return frames_TCHW[rows], mel_TM[rows].transpose(1, 2)


def drawn_ids(ids: list[str], rng: np.random.Generator, clips: int) -> list[str]:
    """The clips that a fresh generator chooses first; all different, if there are enough."""
    return [str(clip_id) for clip_id in rng.choice(ids, clips, replace=len(ids) < clips)]


def draw_windows(
    store: ClipStore, ids: list[str], rng: np.random.Generator, clips: int, windows: int
) -> tuple[Tensor, Tensor]:
    """Windows of several clips at different times: lips ``[C, L, 5, 3, H, W]`` in [-1, 1], sound ``[C, L, M, 5]``.

    L is `windows`, or what the shortest of the drawn clips has.
    """
    drawn = [store[clip_id] for clip_id in drawn_ids(ids, rng, clips)]
    length = min(windows, *(len(clip) - WINDOW + 1 for clip in drawn))
    lips, sound = [], []
    for clip in drawn:
        starts = rng.choice(len(clip) - WINDOW + 1, length, replace=False)
        frames, mel = clip_windows(torch.from_numpy(clip.frames_THWC), torch.from_numpy(clip.mel_TM), starts)
        lips.append(to_image(frames.numpy()))
        sound.append(mel)
    return torch.stack(lips), torch.stack(sound)


def match_loss(expert: SyncExpert, lips_CL: Tensor, sound_CL: Tensor) -> tuple[Tensor, Tensor]:
    """Cross-entropy of finding each window's sound among those of its own clip, and its lips; and the accuracy.

    Only the clip's own windows compete: across clips the speaker's face and voice would give the answer away.
    Distances are Euclidean and not normalised, as LSE will use them. Chance is ``ln L`` and ``1 / L``.
    """
    clips, length = lips_CL.shape[:2]
    lips = expert.embed_video(lips_CL.flatten(0, 1)).unflatten(0, (clips, length))
    sound = expert.embed_audio(sound_CL.flatten(0, 1)).unflatten(0, (clips, length))
    logits = -F.softplus(expert.scale) * torch.cdist(lips, sound)
    target = torch.arange(length, device=logits.device).repeat(clips)
    by_lips, by_sound = logits.flatten(0, 1), logits.transpose(1, 2).flatten(0, 1)
    loss = (F.cross_entropy(by_lips, target) + F.cross_entropy(by_sound, target)) / 2
    return loss, (by_lips.argmax(1) == target).float().mean()


@torch.no_grad()
def embed_clip(expert: SyncExpert, frames_THWC: np.ndarray, mel_TM: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The expert's embeddings of every window of a clip: video ``[L, D]`` and audio ``[L, D]``, L = T - 4."""
    device = expert.scale.device
    rows = _every_window(len(mel_TM))
    frames = torch.from_numpy(np.ascontiguousarray(frames_THWC))[rows]
    video = [expert.embed_video(to_image(part.numpy()).to(device)) for part in frames.split(EMBED_WINDOWS)]
    return torch.cat(video).cpu().numpy(), embed_sound(expert, mel_TM)


@torch.no_grad()
def embed_sound(expert: SyncExpert, mel_TM: np.ndarray) -> np.ndarray:
    """The expert's embeddings of every window of sound, ``[L, D]``."""
    mel = torch.from_numpy(mel_TM)[_every_window(len(mel_TM))].transpose(1, 2)
    return expert.embed_audio(mel.to(expert.scale.device)).cpu().numpy()


def _every_window(length: int) -> Tensor:
    return torch.arange(length - WINDOW + 1)[:, None] + torch.arange(WINDOW)


def train_sync(config: Any, data: PreparedData, model: Path, history: Path, checkpoints: Path, log: Log) -> StageResult:
    """Train the expert on the training split; its held-out loss stands beside the loss of chance."""
    processes.require_one("train-sync", config.compute.device)
    section, device = config.sync, config.compute.device
    seed_everything(section.seed, config.compute.threads)
    store = ClipStore(data, config.model.image_size, FRAME_CACHE_BYTES)
    ids, held_out = store.ids("train"), store.ids("validation")
    if not ids:
        raise StageError("no training clip; see the set-aside reasons in the clips table")
    expert = SyncExpert(config.audio.n_mels, section.channels, section.d_embedding).to(device)
    optimizer = Adam(expert.parameters(), section.lr)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, section.lr, section.steps)

    def draw(split: list[str], stream: int, number: int) -> tuple[Tensor, Tensor]:
        rng = np.random.default_rng([section.seed, stream, number])
        lips, sound = draw_windows(store, split, rng, section.clips_per_batch, section.windows_per_clip)
        return lips.to(device), sound.to(device)

    def step(batch: tuple[Tensor, Tensor], number: int) -> dict[str, float]:
        loss, accuracy = match_loss(expert, *batch)
        names = drawn_ids(ids, np.random.default_rng([section.seed, 0, number]), section.clips_per_batch)
        check_finite({"loss": loss.item()}, number, names)
        optimise(optimizer, loss)
        schedule.step()
        return {"loss": loss.item(), "accuracy": accuracy.item()}

    @torch.no_grad()
    def validate() -> dict[str, float]:
        if not held_out:
            return {}
        expert.eval()
        batches = [draw(held_out, 1, i) for i in range(VALIDATION_BATCHES)]
        rows = [match_loss(expert, *batch) for batch in batches]
        expert.train()
        loss, accuracy = (sum(column).item() / len(rows) for column in zip(*rows, strict=True))
        chance = sum(math.log(lips.shape[1]) for lips, _ in batches) / len(batches)
        return {"loss": loss, "chance_loss": chance, "accuracy": accuracy}

    record = {
        "stage": "train-sync", "n_mels": config.audio.n_mels, "channels": section.channels,
        "d_embedding": section.d_embedding, "config": config.model_dump(mode="json"),
        "data": data.digest(),
    }  # fmt: skip
    identity = {**record, "code": code_digest(__name__)}
    rows = run_steps(
        name="sync",
        steps=section.steps,
        steps_per_epoch=max(len(ids) // section.clips_per_batch, 1),
        draw=lambda number: draw(ids, 0, number),
        step=step,
        validate=validate,
        checkpoint=Checkpoint(checkpoints, identity, {"sync": expert}, {"sync": optimizer}, {"schedule": schedule}),
        checkpoint_every=max(section.steps // 10, 1),
        log=log,
    )
    return finish(model, {"sync": expert}, record, history, rows, [data.splits], "sync expert")
