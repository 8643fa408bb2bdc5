"""The ERA phase: emotion heard in the voice, added to ANT (suppl. A.2), in steps (a), (b), (c)."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Adam

from eap.data.batch import Batch
from eap.data.clip_store import FRAME_CACHE_BYTES, ClipStore
from eap.data.index import used_datasets
from eap.data.layout import PreparedData
from eap.data.windows import WindowSampler
from eap.digest import code_digest, file_sha256
from eap.losses.adversarial import discriminator_loss, generator_loss
from eap.losses.classification import classification_loss
from eap.losses.emotion_adversarial import emotion_discriminator_loss, emotion_generator_loss
from eap.losses.intensity import decode_loss, norm_loss, va_loss
from eap.losses.metric import contrastive_loss, metric_loss, pool_embeddings
from eap.losses.objective import backbone_weights, era_weights, weighted_sum
from eap.models.ant import Identity
from eap.seeding import seed_everything
from eap.stage import Log, StageResult
from eap.training import processes
from eap.training.ant import all_datasets
from eap.training.augment import LIPS_AND_EMOTION, augment_voice
from eap.training.build import build_ant, build_discriminator, build_era, load_student
from eap.training.checkpoint import Checkpoint, load_model, read_record, require_same
from eap.training.engine import critics_frames, finish, frozen, run_steps, sample_frames, warm_up
from eap.training.held_out import EarlyStop, held_out_batches, release, shown_frames, validate
from eap.training.implied import implied_loss
from eap.training.neutral_shape import fit_neutral_shape
from eap.training.processes import gathered
from eap.training.reconstruction import Reconstruction, build_reconstruction, judges_sha256
from eap.training.updates import Updates


class Drawn(NamedTuple):
    """What ANT makes of a batch."""

    frames: Tensor
    """``[B, R, 3, H, W]``, for L_lip, L_per, L_adv and L_mouth."""
    implied: Tensor
    """Deviations of the landmarks at all times, ``[B, T, 68, 2]``."""
    shown: Batch
    """The batch at the rendered times."""
    judged: Tensor
    """Those whose emotion is judged: `frames`, or the same drawn at implied landmarks."""


class EraPhase:
    """Networks and optimizers of the phase, and its three-part step."""

    def __init__(self, config: Any, reconstruction: Reconstruction) -> None:
        device = config.compute.device
        self.p_zero_emotion = config.era.p_zero_emotion
        self.loss, self.critics = config.loss, config.critics
        self.frozen_ant, self.real_points = config.era.ant == "frozen", config.loss.drawn_at == "real"
        self.judged_at_implied = self.real_points and config.loss.judged_at == "implied"
        self.lr_warmup, self.lr_motion = config.era.lr_warmup, config.era.lr_motion
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
        averaged = ["ant", *era]
        self.updates = Updates(config.engine, device, self.modules, list(reconstruction.children()), averaged)

    def _optimizers(self, config: Any) -> dict[str, Adam]:
        era, betas = config.era, config.optimizer.betas
        doors = self._doors()
        rest = [p for p in self.ant.parameters() if all(p is not door for door in doors)]
        emotion = [*self.emotion_encoder.parameters(), *self.psi.parameters(), *doors]
        own = {}
        if self.frozen_ant:
            for parameter in rest:
                parameter.requires_grad_(False)
        else:
            own["ant"] = Adam(rest, era.lr_ant, betas)
        return own | {
            "emotion": Adam(emotion, era.lr_emotion, betas),
            "backbone": Adam(self.backbone.parameters(), era.lr_backbone, betas),
            "heads": Adam([*self.theta.parameters(), *self.phi.parameters()], era.lr_heads, betas),
            "critics": Adam([*self.critic.parameters(), *self.emotion_critic.parameters()], era.lr_emotion, betas),
        }

    def _doors(self) -> list[nn.Parameter]:
        """What lets emotion into ANT: W_e and H_e."""
        return [*self.ant.style_emotion.parameters(), *self.ant.shape_emotion.parameters()]

    def motion(self, batch: Batch) -> tuple[Identity, Tensor]:
        """The source's identity and the motion m."""
        identity = self.ant.encode_identity(batch.source_BCHW, batch.source_points_BP2, batch.source_pose_BP2)
        return identity, self.ant.motion(identity, batch.content_mel_BTMW, batch.pose_BTP2, batch.mask_BT)

    def generate(self, batch: Batch, e_BTD: Tensor, training: bool = False) -> Drawn:
        """Frames with emotion e at the rendered times, drawn at the landmarks that m and e imply.

        `training`: as the losses want them (`loss.drawn_at`, `loss.judged_at`).
        """
        identity, motion = self.motion(batch)
        implied = self.ant.shape(motion, e_BTD)
        shown, motion, e = batch.rendered(), batch.at_rendered(motion), batch.at_rendered(e_BTD)
        deviation = shown.shape_BTP2 if training and self.real_points else None
        frames = self.ant.render(identity, motion, shown.pose_BTP2, e, deviation)
        if training and self.judged_at_implied:
            judged = self.ant.render(identity, motion, shown.pose_BTP2, e)
        else:
            judged = frames
        return Drawn(frames, implied, shown, judged)

    def hear(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """e of each frame, and what of it drives the face.

        CHOSEN: some neutral samples run with e = 0, so that e = 0 stays the neutral face.
        """
        e = self.emotion_encoder(batch.emotion_mel_BTMW, batch.mask_BT)
        chance_B = processes.draw_rows(torch.rand, len(batch.neutral_B))
        zero_B = batch.neutral_B & (chance_B < self.p_zero_emotion).to(e.device)
        return e, e * (~zero_B)[:, None, None]

    def features(self, frames_BTCHW: Tensor) -> Tensor:
        """F on each frame, ``[B, T, d_e]``."""
        return self.backbone(frames_BTCHW.flatten(0, 1)).unflatten(0, frames_BTCHW.shape[:2])

    def step(self, batch: Batch, number: int) -> dict[str, float]:
        """One step of D and D_E (a), of F, theta and phi on real frames (b), of ANT and E_E (c)."""
        e, driving = self.hear(batch)
        drawn = self.generate(batch, driving, training=True)
        fake, judged = self._fakes(drawn)

        loss_d, loss_de = self._critics_losses(drawn.shown, fake.detach(), judged.detach())
        self.updates.optimise(loss_d + loss_de, self.optimizers["critics"])
        backbone_values, seen = self._backbone_step(drawn.shown)
        terms = self._terms(batch, e, drawn, fake, judged, seen)
        total, values = weighted_sum(terms, self.era_weights)
        logged = {
            "total": total.item(), **values, **{f"real_{k}": v for k, v in backbone_values.items()},
            "discriminator": loss_d.item(), "emotion_discriminator": loss_de.item(),
        }  # fmt: skip
        logged = self.updates.checked(logged, number, batch)
        steps = [self.optimizers[name] for name in ("ant", "emotion", "heads") if name in self.optimizers]
        self.updates.optimise(total, *steps)
        return logged

    def _fakes(self, drawn: Drawn) -> tuple[Tensor, Tensor]:
        """A generated frame of each clip for D, and one for D_E; the same, unless emotion is judged elsewhere."""
        fake = sample_frames(drawn.frames, drawn.shown.mask_BT)
        if drawn.judged is drawn.frames:
            return fake, fake
        return fake, sample_frames(drawn.judged, drawn.shown.mask_BT)

    def _critics_losses(self, batch: Batch, fake: Tensor, judged: Tensor) -> tuple[Tensor, Tensor]:
        """(a) L_adv of D (Eq. 3) and L_e-adv of D_E (Eq. 5)."""
        real, real_emotion = critics_frames(batch, self.critics.real)
        form = self.critics.form
        loss_d = discriminator_loss(self.critic(real), self.critic(fake), form)
        logits = self.emotion_critic(real), self.emotion_critic(judged)
        loss_de = emotion_discriminator_loss(*logits, batch.emotion_B, real_emotion, form)
        return loss_d, loss_de

    def _emotion_terms(self, e_BTD: Tensor, batch: Batch) -> dict[str, Tensor]:
        """L_inten and L_cls of an embedding, be it heard or seen."""
        return {
            "inten": self.intensity_loss(self.theta(e_BTD), batch),
            "cls": classification_loss(self.phi(e_BTD), batch.emotion_B, batch.mask_BT),
        }

    def _seen(self, batch: Batch) -> tuple[dict[str, Tensor], Tensor]:
        """L_inten and L_cls on real frames, and F's features of them."""
        seen = self.features(batch.target_BRCHW)
        return self._emotion_terms(seen, batch), seen

    def _backbone_step(self, batch: Batch) -> tuple[dict[str, float], Tensor]:
        """(b) ``10 L_inten + 5 L_cls`` on real frames; returns the values and F's features of them, without graph."""
        terms, seen = self._seen(batch)
        total, values = weighted_sum(terms, self.backbone_weights)
        self.updates.optimise(total, self.optimizers["heads"], self.optimizers["backbone"])
        return values, seen.detach()

    def _terms(
        self, batch: Batch, e: Tensor, drawn: Drawn, fake: Tensor, judged: Tensor, seen: Tensor
    ) -> dict[str, Tensor]:
        """(c) every term of ANT and E_E.

        F, theta, phi are frozen on generated frames: they must not collude with G.
        """
        shown = drawn.shown
        terms = self.reconstruction.terms(drawn.frames, shown) | self._heard(batch, e)
        with frozen(self.critic, self.emotion_critic, self.backbone, self.theta, self.phi):
            terms["adv"] = generator_loss(self.critic(fake), self.critics.form)
            terms["e_adv"] = emotion_generator_loss(self.emotion_critic(judged), shown.emotion_B, self.critics.form)
            visible = self._emotion_terms(self.features(drawn.judged), shown)
        for name, term in visible.items():
            terms[name] = terms[name] + term
        terms["shape"] = implied_loss(drawn.implied, batch, self.loss.concord)
        terms["metric"] = self._metric(e, seen, batch, shown)
        return terms

    def _metric(self, e: Tensor, seen: Tensor, batch: Batch, shown: Batch) -> Tensor:
        """L_metric between the voices' embeddings and F's features of the faces, over all processes' rows."""
        pooled = pool_embeddings(e, batch.mask_BT), pool_embeddings(seen, shown.mask_BT)
        paired = gathered(*pooled, batch.emotion_B, ~batch.neutral_B)
        if self.loss.metric_form == "triplet":
            return metric_loss(*paired, self.loss.margin)
        return contrastive_loss(*paired, self.loss.temperature)

    def intensity_loss(self, va_BT2: Tensor, batch: Batch) -> Tensor:
        """L_inten against the batch's labels, pooled over all processes' rows."""
        definition = self.loss.intensity if self.loss.inten_target == "intensity" else None
        return va_loss(*gathered(va_BT2, batch.va_BT2, batch.mask_BT), self.loss.inten_form, definition)

    def _heard(self, batch: Batch, e: Tensor) -> dict[str, Tensor]:
        """(c) terms of the voice's embeddings alone."""
        return self._emotion_terms(e, batch) | {
            "norm": norm_loss(e, batch.va_BT2, batch.mask_BT, self.loss.intensity),
            # psi alone learns here: theta and e have objectives of their own.
            "decode": decode_loss(self.psi(self.theta(e).detach()), e, batch.mask_BT),
        }

    def warm_up(self, draw: Callable[[int], Batch], steps: int, checkpoint: Checkpoint | None, every: int) -> None:
        """Steps that render nothing: the voice's terms with L_shape and L_metric, and F, theta, phi on real frames.

        CHOSEN (ADR 21, 41). What emotion does to ANT's landmarks (H_e) is learnt. ANT itself rests, unless
        `era.lr_motion` lets its way from voice to landmarks get used to emotional voices (ADR 26).
        """
        era = (self.emotion_encoder, self.backbone, self.theta, self.phi, self.psi, self.ant.shape_emotion)
        groups = [{"params": [p for module in era for p in module.parameters()], "lr": self.lr_warmup}]
        moves = self.lr_motion > 0
        if moves:
            resting = {id(p) for p in self.ant.identity_token.parameters()}  # who speaks is no news
            moving = [p for p in self.ant.motion_parameters() if id(p) not in resting]
            groups.append({"params": moving, "lr": self.lr_motion})
        optimizer = Adam(groups)

        def step(batch: Batch, number: int) -> dict[str, float]:
            losses, values = self._warm_up_losses(batch)
            values = self.updates.checked(values, number, batch)
            self.updates.optimise(losses, optimizer)
            return values

        self.ant.train(moves)
        warm_up(step, draw, steps, optimizer, self.updates, checkpoint, every)
        self.ant.train()

    def _warm_up_losses(self, batch: Batch) -> tuple[Tensor, dict[str, float]]:
        e, driving = self.hear(batch)
        with torch.no_grad():
            identity = self.ant.encode_identity(batch.source_BCHW, batch.source_points_BP2, batch.source_pose_BP2)
        with torch.set_grad_enabled(self.lr_motion > 0):
            motion = self.ant.motion(identity, batch.content_mel_BTMW, batch.pose_BTP2, batch.mask_BT)
        terms = self._heard(batch, e)
        terms["shape"] = implied_loss(self.ant.shape(motion, driving), batch, self.loss.concord)
        shown = batch.rendered()
        seen_terms, features = self._seen(shown)
        terms["metric"] = self._metric(e, features, batch, shown)
        heard, values = weighted_sum(terms, {name: self.era_weights[name] for name in terms})
        seen, seen_values = weighted_sum(seen_terms, self.backbone_weights)
        return heard + seen, values | {f"real_{k}": v for k, v in seen_values.items()}

    @torch.no_grad()
    def show(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The frames it generates for a batch, and the real ones."""
        self.ant.eval()
        drawn = self.generate(batch, self.emotion_encoder(batch.emotion_mel_BTMW, batch.mask_BT))
        self.ant.train()
        return drawn.frames, drawn.shown.target_BRCHW

    @torch.no_grad()
    def validate(self, batches: list[Batch]) -> dict[str, float]:
        """Held-out L_lip, L_per, L_mouth and L_shape, and L_inten and L_cls of the voice alone."""
        if not batches:
            return {}
        self.ant.eval()
        rows = []
        for batch in batches:
            e = self.emotion_encoder(batch.emotion_mel_BTMW, batch.mask_BT)
            drawn = self.generate(batch, e)
            terms = self.reconstruction.terms(drawn.frames, drawn.shown)
            terms["shape"] = implied_loss(drawn.implied, batch, self.loss.concord)
            terms |= self._emotion_terms(e, batch)
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
    """Train ERA on top of a trained ANT for ``era.epochs`` epochs and write the model.

    CHOSEN: an epoch has as many samples as there are training clips; samples are drawn by class, not in passes.

    Raises
    ------
    StageError
        If the training clips hold fewer than two emotions, or a loss is not finite (with step, term and clips).
    """
    with processes.joined(config.compute.device):
        return _train(config, seed, data, student, ant, model, history, checkpoints, log)


def _train(
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
    seed_everything(seed, config.compute.threads)
    store = ClipStore(data, config.model.image_size, FRAME_CACHE_BYTES, pose_shape=config.model.pose_shape)
    section, device = config.era, config.compute.device

    def sampler(split: str, rendered: int) -> WindowSampler:
        return WindowSampler(
            store, split, config.emotions, section.frames, config.audio, section.p_emotional_source,
            section.neutralization, rendered, config.critics.real == "any",
        )  # fmt: skip

    training, held_out = sampler("train", section.rendered_frames), sampler("validation", shown_frames(section))
    phase = EraPhase(config, build_reconstruction(config, load_student(student, config)))
    ant_record = read_record(ant, "train-ant")
    require_same(ant, ant_record, config, "audio", "model")
    load_model(ant, {"ant": phase.ant, "critic": phase.critic})

    def draw(step: int, key: str = "batch_size") -> Batch:
        size = getattr(section, key)
        mine = processes.share(size, f"era.{key}")
        batch = training.emotional_batch(seed, step, size)
        rng = np.random.default_rng([seed, step, 4])
        return augment_voice(batch, section, config.audio.max_abs, rng, LIPS_AND_EMOTION).rows(mine).to(device)

    mine = processes.share(section.batch_size, "era.batch_size")
    fixed = held_out_batches(
        lambda i: held_out.any_batch(seed, i, section.batch_size).rows(mine).to(device), held_out.ids, config.engine
    )
    steps_per_epoch = math.ceil(len(training.ids) / section.batch_size)
    neutral_shape, neutral_fit = fit_neutral_shape(store)
    record = {
        "stage": "train-era", "code": code_digest(__name__), "seed": seed, "config": config.model_dump(mode="json"),
        "data": data.digest(), "student": file_sha256(student), "ant": file_sha256(ant),
        "judges": judges_sha256(config), "pairing": training.pairing(), "datasets": used_datasets(data),
        "ant_datasets": all_datasets(ant_record), "ant_pairing": ant_record["pairing"],
        "ant_neutralization": ant_record["config"]["ant"]["neutralization"], "start": ant_record.get("start_from"),
        # For people whom synthesis meets for the first time
        "neutral_shape": store.mean_shape.tolist(), "neutral_fit": neutral_fit, "exact_points": store.exact_points,
    }  # fmt: skip
    early_stop = EarlyStop.wanted(config.engine, phase.modules, phase.updates)
    others = {"updates": phase.updates} | ({"early_stop": early_stop} if early_stop else {})
    checkpoint = Checkpoint(checkpoints, record, phase.modules, phase.optimizers, others)
    if not checkpoint.path.is_file():
        steps, every = section.warmup_steps, section.checkpoint_every
        phase.warm_up(lambda step: draw(step, "warmup_batch_size"), steps, checkpoint, every)
    rows = run_steps(
        name=f"era seed {seed}",
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
    modules = {**phase.modules, "neutral_shape": neutral_shape}
    return finish(
        model, modules, record | chosen, history, rows, [data.splits, data.labels], f"ERA, seed {seed}", chosen
    )
