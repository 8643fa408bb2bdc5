"""The ANT phase: an audio-driven neutral face from any source (suppl. A.1)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.optim import Adam

from eap.data.batch import Batch
from eap.data.clip_store import FRAME_CACHE_BYTES, ClipStore
from eap.data.index import used_datasets
from eap.data.layout import PreparedData
from eap.data.windows import WindowSampler
from eap.digest import code_digest, file_sha256
from eap.losses.adversarial import discriminator_loss, generator_loss
from eap.losses.objective import ant_weights, weighted_sum
from eap.models.ant import Identity
from eap.seeding import seed_everything
from eap.stage import Log, StageError, StageResult
from eap.training import processes
from eap.training.augment import augment_voice
from eap.training.build import build_ant, build_discriminator, load_student
from eap.training.checkpoint import Checkpoint, load_model, read_record, require_same
from eap.training.engine import critics_frames, finish, frozen, run_steps, sample_frames, warm_up
from eap.training.held_out import EarlyStop, held_out_batches, release, shown_frames, validate
from eap.training.implied import implied_loss
from eap.training.reconstruction import Reconstruction, build_reconstruction, judges_sha256
from eap.training.updates import Updates


class AntPhase:
    """Networks and optimizers of the phase, and its step."""

    def __init__(self, config: Any, reconstruction: Reconstruction) -> None:
        device = config.compute.device
        self.weights, self.critics = ant_weights(config.loss), config.critics
        self.lr_warmup, self.real_points = config.ant.lr_warmup, config.loss.drawn_at == "real"
        self.concord = config.loss.concord
        self.reconstruction = reconstruction.to(device)
        self.ant = build_ant(config).to(device)
        self.critic = build_discriminator(config, branches=1).to(device)
        moving = self.ant.motion_parameters()
        held = {id(p) for p in moving}
        painting = [p for p in self.ant.parameters() if id(p) not in held]
        betas = config.optimizer.betas
        self.optimizers = {
            "ant": Adam(
                [{"params": painting, "lr": config.ant.lr}, {"params": moving, "lr": config.ant.lr_motion}], betas=betas
            ),
            "critic": Adam(self.critic.parameters(), config.ant.lr_discriminator, betas),
        }
        self.modules = {"ant": self.ant, "critic": self.critic}
        self.updates = Updates(config.engine, device, self.modules, list(reconstruction.children()), averaged=["ant"])

    def motion(self, batch: Batch) -> tuple[Identity, Tensor, Tensor]:
        """The source's identity, the motion m, and L_shape: how far the face that m implies is from the real one."""
        identity = self.ant.encode_identity(batch.source_BCHW, batch.source_points_BP2, batch.source_pose_BP2)
        motion = self.ant.motion(identity, batch.content_mel_BTMW, batch.pose_BTP2, batch.mask_BT)
        return identity, motion, implied_loss(self.ant.shape(motion, None), batch, self.concord)

    def generate(self, batch: Batch, real_points: bool = False) -> tuple[Tensor, Tensor, Batch]:
        """Neutral frames (e = 0) at the rendered times, L_shape at all, and the batch at the rendered times.

        `real_points`: they are drawn at the landmarks of the real frames, not at those that m implies.
        """
        identity, motion, shape = self.motion(batch)
        shown = batch.rendered()
        deviation = shown.shape_BTP2 if real_points else None
        frames = self.ant.render(identity, batch.at_rendered(motion), shown.pose_BTP2, None, deviation)
        return frames, shape, shown

    def warm_up(self, draw: Callable[[int], Batch], steps: int, checkpoint: Checkpoint | None, every: int) -> None:
        """Steps of L_shape alone: nothing is rendered, so each costs a fraction of a full step. CHOSEN.

        Without it the picture ignores the voice for hundreds of full steps.
        """
        optimizer = Adam(self.ant.parameters(), self.lr_warmup)

        def step(batch: Batch, number: int) -> dict[str, float]:
            _, _, shape = self.motion(batch)
            values = self.updates.checked({"shape": shape.item()}, number, batch)
            self.updates.optimise(shape, optimizer)
            return values

        warm_up(step, draw, steps, optimizer, self.updates, checkpoint, every)

    def step(self, batch: Batch, number: int) -> dict[str, float]:
        """One step of D (L_adv, Eq. 3), then one of ANT: 5 L_lip + 10 L_per + 5 L_adv (Eqs. 1, 2, 4) + L_shape."""
        generated, shape, shown = self.generate(batch, self.real_points)
        real, _ = critics_frames(shown, self.critics.real)
        fake = sample_frames(generated, shown.mask_BT)
        loss_d = discriminator_loss(self.critic(real), self.critic(fake.detach()), self.critics.form)
        self.updates.optimise(loss_d, self.optimizers["critic"])

        terms = self.reconstruction.terms(generated, shown)
        with frozen(self.critic):
            terms["adv"] = generator_loss(self.critic(fake), self.critics.form)
        terms["shape"] = shape
        total, values = weighted_sum(terms, self.weights)
        logged = {"total": total.item(), **values, "discriminator": loss_d.item()}
        logged = self.updates.checked(logged, number, batch)
        self.updates.optimise(total, self.optimizers["ant"])
        return logged

    @torch.no_grad()
    def show(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The frames it generates for a batch, and the real ones."""
        self.ant.eval()
        generated, _, shown = self.generate(batch)
        self.ant.train()
        return generated, shown.target_BRCHW

    @torch.no_grad()
    def validate(self, batches: list[Batch]) -> dict[str, float]:
        """L_lip, L_per and L_shape on held-out batches."""
        if not batches:
            return {}
        self.ant.eval()
        rows = []
        for batch in batches:
            generated, shape, shown = self.generate(batch)
            rows.append(self.reconstruction.terms(generated, shown) | {"shape": shape})
        self.ant.train()
        return {term: sum(r[term].item() for r in rows) / len(rows) for term in rows[0]}


def start(phase: AntPhase, config: Any) -> dict[str, Any]:
    """Give ANT and D the weights of ``ant.start_from``; what the record says of it.

    Raises
    ------
    StageError
        If there is no such file, or its ANT hears or is built otherwise.
    """
    if config.ant.start_from is None:
        return {}
    path = Path(config.ant.start_from)
    if not path.is_file():
        raise StageError(
            f"ant.start_from: {path} is not a file; train it first (docs/adr/0034), or set ant.start_from: null"
        )
    record = read_record(path, "train-ant")
    require_same(path, record, config, "audio", "model")
    load_model(path, {"ant": phase.ant, "critic": phase.critic})
    return {"start_from": file_sha256(path), "started_on": all_datasets(record)}


def all_datasets(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Datasets that an ANT has learnt from: its own, and those of the ANT that it started from."""
    if "datasets" not in record:
        raise StageError(
            "the ANT to start from does not tell what it learnt from (an older version wrote it); train it again"
        )
    return [*record["datasets"], *record.get("started_on", [])]


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
    """Train ANT for ``ant.epochs`` epochs and write the model.

    CHOSEN: an epoch has as many samples as there are training clips, of every emotion, so that ANT's and ERA's epochs
    are of one length. Its targets are the neutral ones alone (any, without neutralization), each several times.

    Raises
    ------
    StageError
        If there is nothing to train on, or a loss is not finite (with step, term and clips).
    """
    with processes.joined(config.compute.device):
        return _train(config, seed, data, student, model, history, checkpoints, log)


def _train(
    config: Any, seed: int, data: PreparedData, student: Path, model: Path, history: Path, checkpoints: Path, log: Log
) -> StageResult:
    seed_everything(seed, config.compute.threads)
    store = ClipStore(data, config.model.image_size, FRAME_CACHE_BYTES, pose_shape=config.model.pose_shape)
    section = config.ant

    def sampler(split: str, rendered: int) -> WindowSampler:
        return WindowSampler(
            store, split, config.emotions, section.frames, config.audio, section.p_emotional_source,
            section.neutralization, rendered, config.critics.real == "any" and rendered > 0,
        )  # fmt: skip

    training, held_out = sampler("train", section.rendered_frames), sampler("validation", shown_frames(section))
    warming_up = sampler("train", 0)
    phase = AntPhase(config, build_reconstruction(config, load_student(student, config)))

    def draw(step: int, sampler: WindowSampler = training, key: str = "batch_size") -> Batch:
        size = getattr(section, key)
        mine = processes.share(size, f"ant.{key}")
        batch = sampler.neutral_batch(seed, step, size)
        if sampler is not held_out:
            batch = augment_voice(batch, section, config.audio.max_abs, np.random.default_rng([seed, step, 4]))
        return batch.rows(mine).to(config.compute.device)

    fixed = held_out_batches(lambda i: draw(i, held_out), held_out.neutral_ids, config.engine)
    record = {
        "stage": "train-ant", "code": code_digest(__name__), "seed": seed, "config": config.model_dump(mode="json"),
        "data": data.digest(), "student": file_sha256(student),
        "judges": judges_sha256(config), "pairing": training.pairing(), "datasets": used_datasets(data),
        **start(phase, config),
    }  # fmt: skip
    early_stop = EarlyStop.wanted(config.engine, phase.modules, phase.updates)
    others = {"updates": phase.updates} | ({"early_stop": early_stop} if early_stop else {})
    checkpoint = Checkpoint(checkpoints, record, phase.modules, phase.optimizers, others)
    if not checkpoint.path.is_file():
        steps, every = section.warmup_steps, section.checkpoint_every
        phase.warm_up(lambda step: draw(step, warming_up, "warmup_batch_size"), steps, checkpoint, every)
    steps_per_epoch = math.ceil(len(training.ids) / section.batch_size)
    rows = run_steps(
        name=f"ant seed {seed}",
        steps=section.epochs * steps_per_epoch,
        steps_per_epoch=steps_per_epoch,
        draw=draw,
        step=lambda batch, i: phase.updates.step(phase.step, batch, i),
        validate=lambda: validate(phase, fixed, phase.updates, lmd=early_stop is not None),
        checkpoint=checkpoint,
        checkpoint_every=section.checkpoint_every,
        log=log,
        early_stop=early_stop,
        critics=config.critics.form,
    )
    chosen = release(phase.updates, early_stop)
    return finish(
        model, phase.modules, record | chosen, history, rows, [data.splits, data.labels], f"ANT, seed {seed}", chosen
    )
