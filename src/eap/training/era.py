"""The ERA phase: emotion heard in the voice, added to ANT (suppl. A.2; steps (a), (b), (c) of method 4)."""

from __future__ import annotations

import math
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
from eap.losses.classification import classification_loss
from eap.losses.emotion_adversarial import emotion_discriminator_loss, emotion_generator_loss
from eap.losses.intensity import decode_loss, norm_loss, va_loss
from eap.losses.metric import metric_loss, pool_embeddings
from eap.losses.objective import backbone_weights, check_finite, era_weights, weighted_sum
from eap.schemas import source_digest
from eap.seeding import seed_everything
from eap.stage import Log, StageResult
from eap.training.build import build_ant, build_discriminator, build_era, load_student
from eap.training.checkpoint import Checkpoint, load_model, read_record, require_same, save_model
from eap.training.engine import frozen, optimise, require_one_gpu, run_steps, sample_frames, write_history
from eap.training.reconstruction import Reconstruction, build_reconstruction

VALIDATION_BATCHES = 4


class EraPhase:
    """Networks and optimizers of the phase, and its three-part step."""

    def __init__(self, config: Any, reconstruction: Reconstruction) -> None:
        device = config.compute.device
        self.p_zero_emotion = config.era.p_zero_emotion
        self.margin = config.loss.margin
        self.era_weights, self.backbone_weights = era_weights(config.loss), backbone_weights(config.loss)
        self.reconstruction = reconstruction.to(device)
        self.ant = build_ant(config).to(device)
        self.critic = build_discriminator(config, branches=1).to(device)
        self.emotion_critic = build_discriminator(config, branches=len(config.emotions)).to(device)
        era = {name: module.to(device) for name, module in build_era(config).items()}
        self.emotion_encoder, self.backbone = era["emotion_encoder"], era["backbone"]
        self.theta, self.phi, self.psi = era["theta"], era["phi"], era["psi"]
        self.modules = {"ant": self.ant, **era, "critic": self.critic, "emotion_critic": self.emotion_critic}
        self.optimizers = self._optimizers(config)

    def _optimizers(self, config: Any) -> dict[str, Adam]:
        era, betas = config.era, config.optimizer.betas
        door = list(self.ant.style_emotion.parameters())
        rest = [p for name, p in self.ant.named_parameters() if not name.startswith("style_emotion.")]
        emotion = [*self.emotion_encoder.parameters(), *self.psi.parameters(), *door]
        return {
            "ant": Adam(rest, era.lr_ant, betas),
            "emotion": Adam(emotion, era.lr_emotion, betas),
            "backbone": Adam(self.backbone.parameters(), era.lr_backbone, betas),
            "heads": Adam([*self.theta.parameters(), *self.phi.parameters()], era.lr_heads, betas),
            "critics": Adam([*self.critic.parameters(), *self.emotion_critic.parameters()], era.lr_emotion, betas),
        }

    def generate(self, batch: Batch, e_BTD: Tensor) -> Tensor:
        """Frames with emotion e."""
        return self.ant(
            batch.source_BCHW, batch.source_pose_BP2, batch.content_mel_BTMW, batch.pose_BTP2, batch.mask_BT, e_BTD
        )

    def features(self, frames_BTCHW: Tensor) -> Tensor:
        """F on each frame, ``[B, T, d_e]``."""
        return self.backbone(frames_BTCHW.flatten(0, 1)).unflatten(0, frames_BTCHW.shape[:2])

    def step(self, batch: Batch, number: int) -> dict[str, float]:
        """One step of D and D_E (a), of F, theta and phi on real frames (b), of ANT and E_E (c)."""
        e = self.emotion_encoder(batch.emotion_mel_BTMW)
        # CHOSEN (method 2): some neutral samples run with e = 0, so that e = 0 stays the neutral face.
        zero_B = batch.neutral_B & (torch.rand(len(batch.neutral_B)) < self.p_zero_emotion).to(e.device)
        generated = self.generate(batch, e * (~zero_B)[:, None, None])
        fake = sample_frames(generated, batch.mask_BT)

        loss_d, loss_de = self._critics_losses(batch, fake.detach())
        optimise(self.optimizers["critics"], loss_d + loss_de)
        backbone_values, seen = self._backbone_step(batch)
        terms = self._terms(batch, e, generated, fake, seen)
        total, values = weighted_sum(terms, self.era_weights)
        logged = {
            "total": total.item(), **values, **{f"real_{k}": v for k, v in backbone_values.items()},
            "discriminator": loss_d.item(), "emotion_discriminator": loss_de.item(),
        }  # fmt: skip
        check_finite(logged, number, batch.clip_ids)
        names = ("ant", "emotion", "heads")
        for name in names:
            self.optimizers[name].zero_grad(set_to_none=True)
        total.backward()
        for name in names:
            self.optimizers[name].step()
        return logged

    def _critics_losses(self, batch: Batch, fake: Tensor) -> tuple[Tensor, Tensor]:
        """(a) L_adv of D (Eq. 3) and L_e-adv of D_E (Eq. 5)."""
        real = sample_frames(batch.target_BTCHW, batch.mask_BT)
        loss_d = discriminator_loss(self.critic(real), self.critic(fake))
        loss_de = emotion_discriminator_loss(self.emotion_critic(real), self.emotion_critic(fake), batch.emotion_B)
        return loss_d, loss_de

    def _backbone_step(self, batch: Batch) -> tuple[dict[str, float], Tensor]:
        """(b) ``10 L_inten + 5 L_cls`` on real frames; returns the values and F's features of them, without graph."""
        seen = self.features(batch.target_BTCHW)
        terms = {
            "inten": va_loss(self.theta(seen), batch.va_BT2, batch.mask_BT),
            "cls": classification_loss(self.phi(seen), batch.emotion_B, batch.mask_BT),
        }
        total, values = weighted_sum(terms, self.backbone_weights)
        self.optimizers["backbone"].zero_grad(set_to_none=True)
        optimise(self.optimizers["heads"], total)
        self.optimizers["backbone"].step()
        return values, seen.detach()

    def _terms(self, batch: Batch, e: Tensor, generated: Tensor, fake: Tensor, seen: Tensor) -> dict[str, Tensor]:
        """(c) every term of ANT and E_E. F, theta, phi are frozen on generated frames: they must not collude with G."""
        mask, labels, emotion = batch.mask_BT, batch.va_BT2, batch.emotion_B
        terms = self.reconstruction.terms(generated, batch.target_BTCHW, mask)
        heard_va = self.theta(e)
        with frozen(self.critic, self.emotion_critic, self.backbone, self.theta, self.phi):
            terms["adv"] = generator_loss(self.critic(fake))
            terms["e_adv"] = emotion_generator_loss(self.emotion_critic(fake), emotion)
            shown = self.features(generated)
            shown_va, shown_class = self.theta(shown), self.phi(shown)
        terms["inten"] = va_loss(heard_va, labels, mask) + va_loss(shown_va, labels, mask)
        terms["cls"] = classification_loss(self.phi(e), emotion, mask) + classification_loss(shown_class, emotion, mask)
        terms["metric"] = metric_loss(
            pool_embeddings(e, mask), pool_embeddings(seen, mask), emotion, ~batch.neutral_B, self.margin
        )
        terms["norm"] = norm_loss(e, labels, mask)
        # psi alone learns here: theta and e have objectives of their own.
        terms["decode"] = decode_loss(self.psi(heard_va.detach()), e, mask)
        return terms

    @torch.no_grad()
    def validate(self, batches: list[Batch]) -> dict[str, float]:
        """Held-out L_lip and L_per, and L_inten and L_cls of the voice alone."""
        if not batches:
            return {}
        self.ant.eval()
        rows = []
        for batch in batches:
            e = self.emotion_encoder(batch.emotion_mel_BTMW)
            terms = self.reconstruction.terms(self.generate(batch, e), batch.target_BTCHW, batch.mask_BT)
            terms["inten"] = va_loss(self.theta(e), batch.va_BT2, batch.mask_BT)
            terms["cls"] = classification_loss(self.phi(e), batch.emotion_B, batch.mask_BT)
            rows.append({name: term.item() for name, term in terms.items()})
        self.ant.train()
        return {term: sum(row[term] for row in rows) / len(rows) for term in rows[0]}


def train_era(
    config: Any,
    seed: int,
    data: PreparedData,
    student: Path,
    ant: Path,
    model: Path,
    history: Path,
    checkpoints: Path,
    log: Log,
) -> StageResult:
    """Train ERA on top of a trained ANT for ``era.epochs`` passes over the training clips and write the model.

    Raises
    ------
    StageError
        If the training clips hold fewer than two emotions, or a loss is not finite (with step, term and clips).
    """
    require_one_gpu(config.compute.gpus)
    seed_everything(seed, config.compute.threads)
    store = ClipStore(data, config.model.image_size)
    section, device = config.era, config.compute.device

    def sampler(split: str) -> WindowSampler:
        return WindowSampler(
            store, split, config.emotions, section.frames, config.audio, section.p_emotional_source
        )  # fmt: skip

    training, held_out = sampler("train"), sampler("validation")
    phase = EraPhase(config, build_reconstruction(config, load_student(student, config)))
    require_same(ant, read_record(ant, "train-ant"), config, "audio", "model")
    load_model(ant, {"ant": phase.ant, "critic": phase.critic})
    fixed = [
        held_out.any_batch(seed, i, section.batch_size).to(device) for i in range(VALIDATION_BATCHES) if held_out.ids
    ]
    steps_per_epoch = math.ceil(len(training.ids) / section.batch_size)
    sources = [data.splits, data.labels]
    record = {
        "stage": "train-era", "code": code_digest(__name__), "seed": seed, "config": config.model_dump(mode="json"),
        "data": [source_digest(path) for path in sources], "student": file_sha256(student), "ant": file_sha256(ant),
    }  # fmt: skip
    rows = run_steps(
        name=f"era seed {seed}",
        steps=section.epochs * steps_per_epoch,
        steps_per_epoch=steps_per_epoch,
        step=lambda i: phase.step(training.emotional_batch(seed, i, section.batch_size).to(device), i),
        validate=lambda: phase.validate(fixed),
        checkpoint=Checkpoint(checkpoints, record, phase.modules, phase.optimizers),
        checkpoint_every=section.checkpoint_every,
        log=log,
    )
    save_model(model, phase.modules, record)
    picture = write_history(history, rows, sources, f"ERA, seed {seed}")
    last = {f"{part}_{term}": value for _, _, part, term, value in rows}
    return StageResult(last, (history, picture))
