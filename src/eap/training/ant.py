"""The ANT phase: an audio-driven neutral face from any source (suppl. A.1)."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.optim import Adam

from eap.data.batch import Batch
from eap.data.clip_store import ClipStore
from eap.data.layout import PreparedData
from eap.data.windows import WindowSampler
from eap.digest import code_digest, file_sha256
from eap.losses.adversarial import discriminator_loss, generator_loss
from eap.losses.lip import lip_loss
from eap.losses.objective import ant_weights, check_finite, weighted_sum
from eap.models.ant import Identity
from eap.schemas import source_digest
from eap.seeding import seed_everything
from eap.stage import Log, StageResult
from eap.training.build import build_ant, build_discriminator, load_student
from eap.training.checkpoint import Checkpoint, save_model
from eap.training.engine import frozen, optimise, require_one_gpu, run_steps, sample_frames, write_history
from eap.training.reconstruction import Reconstruction, build_reconstruction

VALIDATION_BATCHES = 4
SHAPE_UNIT_PX = 50.0
"""About how many px at a 256 scale one canonical unit is, so that L_shape reads like L_lip."""


class AntPhase:
    """Networks and optimizers of the phase, and its step."""

    def __init__(self, config: Any, reconstruction: Reconstruction) -> None:
        device = config.compute.device
        self.weights = ant_weights(config.loss)
        self.reconstruction = reconstruction.to(device)
        self.ant = build_ant(config).to(device)
        self.critic = build_discriminator(config, branches=1).to(device)
        betas = config.optimizer.betas
        self.optimizers = {
            "ant": Adam(self.ant.parameters(), config.ant.lr, betas),
            "critic": Adam(self.critic.parameters(), config.ant.lr_discriminator, betas),
        }
        self.modules = {"ant": self.ant, "critic": self.critic}

    def motion(self, batch: Batch) -> tuple[Identity, Tensor, Tensor]:
        """The source's identity, the motion m, and L_shape: how far the lips that m implies are from the real ones."""
        identity = self.ant.encode_identity(batch.source_BCHW, batch.source_pose_BP2)
        motion = self.ant.motion(identity, batch.content_mel_BTMW, batch.pose_BTP2, batch.mask_BT)
        shape = lip_loss(SHAPE_UNIT_PX * self.ant.lips(motion), SHAPE_UNIT_PX * batch.lips_BTP2, batch.mask_BT)
        return identity, motion, shape

    def generate(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Neutral frames (e = 0), and L_shape of their motion."""
        identity, motion, shape = self.motion(batch)
        return self.ant.render(identity, motion, batch.pose_BTP2, None), shape

    def warm_up(self, draw: Callable[[int], Batch], steps: int) -> None:
        """Steps of L_shape alone: nothing is rendered, so each costs a fraction of a full step. CHOSEN.

        Without it the picture ignores the voice for hundreds of full steps.
        """
        for number in range(steps):
            batch = draw(number)
            _, _, shape = self.motion(batch)
            check_finite({"shape": shape.item()}, number, batch.clip_ids)
            optimise(self.optimizers["ant"], shape)
            if (number + 1) % 100 == 0:
                print(f"warm-up: step {number + 1}/{steps}, shape={shape.item():.4g}", flush=True)

    def step(self, batch: Batch, number: int) -> dict[str, float]:
        """One step of D (L_adv, Eq. 3), then one of ANT: 5 L_lip + 10 L_per + 5 L_adv (Eqs. 1, 2, 4) + L_shape."""
        generated, shape = self.generate(batch)
        real = sample_frames(batch.target_BTCHW, batch.mask_BT)
        fake = sample_frames(generated, batch.mask_BT)
        loss_d = discriminator_loss(self.critic(real), self.critic(fake.detach()))
        optimise(self.optimizers["critic"], loss_d)

        terms = self.reconstruction.terms(generated, batch.target_BTCHW, batch.mask_BT)
        with frozen(self.critic):
            terms["adv"] = generator_loss(self.critic(fake))
        terms["shape"] = shape
        total, values = weighted_sum(terms, self.weights)
        check_finite({**values, "discriminator": loss_d.item()}, number, batch.clip_ids)
        optimise(self.optimizers["ant"], total)
        return {"total": total.item(), **values, "discriminator": loss_d.item()}

    @torch.no_grad()
    def validate(self, batches: list[Batch]) -> dict[str, float]:
        """L_lip, L_per and L_shape on held-out batches."""
        if not batches:
            return {}
        self.ant.eval()
        rows = []
        for batch in batches:
            generated, shape = self.generate(batch)
            rows.append(self.reconstruction.terms(generated, batch.target_BTCHW, batch.mask_BT) | {"shape": shape})
        self.ant.train()
        return {term: sum(r[term].item() for r in rows) / len(rows) for term in rows[0]}


def train_ant(
    config: Any,
    seed: int,
    data: PreparedData,
    student: Path,
    model: Path,
    history: Path,
    checkpoints: Path,
    log: Log,
) -> StageResult:
    """Train ANT for ``ant.epochs`` passes over the training clips and write the model.

    Raises
    ------
    StageError
        If there is nothing to train on, or a loss is not finite (with step, term and clips).
    """
    require_one_gpu(config.compute.gpus)
    seed_everything(seed, config.compute.threads)
    store = ClipStore(data, config.model.image_size)
    section = config.ant

    def sampler(split: str) -> WindowSampler:
        return WindowSampler(
            store, split, config.emotions, section.frames, config.audio, section.p_emotional_source,
            section.neutralization,
        )  # fmt: skip

    training, held_out = sampler("train"), sampler("validation")
    phase = AntPhase(config, build_reconstruction(config, load_student(student, config)))
    device = config.compute.device
    fixed = [
        held_out.neutral_batch(seed, i, section.batch_size).to(device)
        for i in range(VALIDATION_BATCHES)
        if held_out.by_emotion["neutral"]
    ]
    sources = [data.splits, data.labels]
    record = {
        "stage": "train-ant", "code": code_digest(__name__), "seed": seed, "config": config.model_dump(mode="json"),
        "data": [source_digest(path) for path in sources], "student": file_sha256(student),
    }  # fmt: skip

    def draw(step: int) -> Batch:
        return training.neutral_batch(seed, step, section.batch_size).to(device)

    checkpoint = Checkpoint(checkpoints, record, phase.modules, phase.optimizers)
    if not checkpoint.path.is_file():
        phase.warm_up(draw, section.warmup_steps)
    steps_per_epoch = math.ceil(len(training.ids) / section.batch_size)
    rows = run_steps(
        name=f"ant seed {seed}",
        steps=section.epochs * steps_per_epoch,
        steps_per_epoch=steps_per_epoch,
        step=lambda i: phase.step(draw(i), i),
        validate=lambda: phase.validate(fixed),
        checkpoint=checkpoint,
        checkpoint_every=section.checkpoint_every,
        log=log,
    )
    save_model(model, phase.modules, record)
    picture = write_history(history, rows, sources, f"ANT, seed {seed}")
    last = {f"{part}_{term}": value for _, _, part, term, value in rows}
    return StageResult(last, (history, picture))
