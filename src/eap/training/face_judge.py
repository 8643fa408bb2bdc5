"""Train judge "faces", who scores emotion in pictures and takes part in no other training.

It learns from people of the validation split, where these show every emotion: it has then seen neither the people that
the models learnt from, nor the test people, nor any generated frame.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.optim import Adam

from eap.data.clip_store import FRAME_CACHE_BYTES, Clip, ClipStore
from eap.data.layout import PreparedData
from eap.data.windows import to_image
from eap.digest import code_digest
from eap.losses.objective import check_finite
from eap.models.face_judge import D_FEATURES, FaceJudge
from eap.seeding import seed_everything
from eap.stage import Log, StageError, StageResult
from eap.training import processes
from eap.training.checkpoint import Checkpoint
from eap.training.engine import finish, optimise, run_steps
from eap.training.landmark_student import augment, drawn_ids

CLASS_WEIGHT = 0.1
"""Of the classes' cross-entropy beside the squared error of valence and arousal (CHOSEN)."""


def judges_split(store: ClipStore) -> str:
    """The split that judges learn from: validation, if its clips show every emotion of the training split; else train.

    Raises
    ------
    StageError
        If there is neither a validation nor a training clip.
    """
    known = {
        split: {store.rows(clip_id)["emotion"] for clip_id in store.ids(split)} for split in ("validation", "train")
    }
    if not known["validation"] | known["train"]:
        raise StageError("no validation or training clip: judges learn from them; change the split, or add clips")
    return "validation" if known["validation"] and known["validation"] >= known["train"] else "train"


class NeutralClips:
    """Which recordings show a person's neutral face.

    Parameters
    ----------
    split
        Of this split alone; None: of whatever split.

    Raises
    ------
    StageError
        If there is none of anyone.
    """

    def __init__(self, store: ClipStore, split: str | None = None) -> None:
        clips = store.clips if split is None else store.clips[store.clips["split"] == split]
        neutral = clips[clips["emotion"] == "neutral"]
        if neutral.empty:
            raise StageError("no neutral clip: judge 'faces' compares each face with a neutral one; add some")
        self._all = sorted(neutral.index)
        self._of = {speaker: sorted(own.index) for speaker, own in neutral.groupby("speaker_id")}

    def beside(self, clip: Clip, source: Clip | None = None) -> list[str]:
        """Ids of the person's other neutral clips; of everyone's others, where the person has none.

        A video that was drawn from a picture of clip `source` stands beside neither. Where that leaves no neutral clip
        of anyone, all of them stand beside it.
        """
        left_out = {clip.clip_id, clip.clip_id if source is None else source.clip_id}
        pools = (self._of.get(clip.speaker_id, []), self._all)
        found = ([clip_id for clip_id in pool if clip_id not in left_out] for pool in pools)
        return next(filter(None, found), self._all)


def train_judge(
    config: Any, data: PreparedData, model: Path, history: Path, checkpoints: Path, log: Log
) -> StageResult:
    """Train the judge; part "validation" of its table is the training split, where the judge learns from validation."""
    processes.require_one("train-judge", config.compute.device)
    section, device = config.judge, config.compute.device
    seed_everything(section.seed, config.compute.threads)
    store = ClipStore(data, config.model.image_size, FRAME_CACHE_BYTES)
    split = judges_split(store)
    neutral = NeutralClips(store, split)
    others = NeutralClips(store, "train") if split == "validation" else neutral
    ids = store.ids(split)
    held_out = store.ids("train") if split == "validation" else []
    judge = FaceJudge(section.channels, D_FEATURES, len(config.emotions)).to(device)
    optimizer = Adam(judge.parameters(), section.lr)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, section.lr, section.steps)

    def chosen(number: int) -> list[str]:
        return drawn_ids(ids, np.random.default_rng([section.seed, number]), section.batch_size)

    def frames(clips: list[Clip], rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """A frame of each clip, and its valence and arousal."""
        at = [int(rng.integers(len(clip))) for clip in clips]
        shown = torch.stack([to_image(clip.frames[i]) for clip, i in zip(clips, at, strict=True)])
        va = torch.from_numpy(np.stack([clip.va_T2[i] for clip, i in zip(clips, at, strict=True)]))
        return shown, va

    def draw(
        clip_ids: list[str], rng: np.random.Generator, neutral: NeutralClips = neutral, vary: bool = True
    ) -> tuple[Tensor, ...]:
        clips = [store[clip_id] for clip_id in clip_ids]
        resting = [store[str(rng.choice(neutral.beside(clip)))] for clip in clips]
        (shown, va), (rest, _) = frames(clips, rng), frames(resting, rng)
        if vary:
            nowhere = torch.zeros(len(clips), 1, 2)
            (shown, _), (rest, _) = augment(shown, nowhere, rng), augment(rest, nowhere, rng)
        emotion = torch.tensor([config.emotions.index(clip.emotion) for clip in clips])
        return tuple(part.to(device) for part in (shown, rest, va, emotion))

    def losses(batch: tuple[Tensor, ...]) -> tuple[Tensor, dict[str, float]]:
        shown, rest, va, emotion = batch
        read, logits = judge.read(judge.features(shown), judge.features(rest))
        error = (read - va).square().sum(-1).mean()
        loss = error + CLASS_WEIGHT * F.cross_entropy(logits, emotion)
        accuracy = (logits.argmax(-1) == emotion).float().mean()
        return loss, {"total": loss.item(), "rmse": error.item() ** 0.5, "accuracy": accuracy.item()}

    def step(batch: tuple[Tensor, ...], number: int) -> dict[str, float]:
        loss, values = losses(batch)
        check_finite(values, number, chosen(number))
        optimise(optimizer, loss)
        schedule.step()
        return values

    rng = np.random.default_rng([section.seed, section.steps])
    fixed = None
    if held_out:
        fixed = draw(drawn_ids(held_out, rng, 4 * section.batch_size), rng, others, vary=False)

    @torch.no_grad()
    def validate() -> dict[str, float]:
        return {} if fixed is None else losses(fixed)[1]

    record = {
        "stage": "train-judge", "channels": section.channels, "classes": list(config.emotions), "split": split,
        "image_size": config.model.image_size, "config": config.model_dump(mode="json"),
        "data": data.digest(),
    }  # fmt: skip
    rows = run_steps(
        name="judge",
        steps=section.steps,
        steps_per_epoch=max(len(ids) // section.batch_size, 1),
        draw=lambda number: draw(chosen(number), np.random.default_rng([section.seed, number, 1])),
        step=step,
        validate=validate,
        checkpoint=Checkpoint(
            checkpoints, {**record, "code": code_digest(__name__)}, {"judge": judge}, {"judge": optimizer},
            {"schedule": schedule},
        ),
        checkpoint_every=max(section.steps // 10, 1),
        log=log,
    )  # fmt: skip
    return finish(model, {"judge": judge}, record, history, rows, [data.splits, data.labels], "judge of faces")
