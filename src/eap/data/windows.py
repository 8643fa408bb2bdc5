"""Training samples: which clip, which source, which window. Each batch is a pure function of (seed, step).

That makes training resumable without saving a sampler: step 1000 draws the same batch after a crash as before it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import torch

from eap.data.batch import Batch
from eap.data.clip_store import Clip, ClipStore
from eap.stage import StageError


def mel_windows(mel_TM: np.ndarray, start: int, length: int, context: int, silence: float) -> np.ndarray:
    """Mel window of each frame, ``[length, M, 2 context + 1]``; beyond the clip there is silence."""
    padded = np.pad(mel_TM, ((context, context), (0, 0)), constant_values=silence)
    rows = start + np.arange(length)[:, None] + np.arange(2 * context + 1)
    return padded[rows].transpose(0, 2, 1)


def to_image(frames_HWC: np.ndarray) -> torch.Tensor:
    """uint8 ``[..., H, W, 3]`` to float ``[..., 3, H, W]`` in [-1, 1]."""
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(frames_HWC, -1, -3))).float() / 127.5 - 1


class WindowSampler:
    """Draws batches from one split.

    Parameters
    ----------
    store, split
        Where clips come from.
    emotions
        The K classes, in order.
    frames
        T of a window.
    rendered
        R: how many frames of a window, at random, are rendered, and so decoded; None: all, 0: none. Rendering some
        times of a long window teaches more per operation than rendering all of a short one: neighbouring frames hardly
        differ, and motion is cheap (ADR 20).
    audio
        The config's audio section (contexts and the value of silence).
    p_emotional_source
        Probability that a source frame comes from a non-neutral clip of the same person: neutralization.
    neutralization
        False: the source is another frame of the target clip itself.
    others
        Each sample also brings a frame of any clip, for the critics.
    """

    def __init__(
        self,
        store: ClipStore,
        split: str,
        emotions: Sequence[str],
        frames: int,
        audio: object,
        p_emotional_source: float,
        neutralization: bool = True,
        rendered: int | None = None,
        others: bool = False,
    ) -> None:
        self.store, self.emotions, self.frames, self.audio = store, list(emotions), frames, audio
        self.p_emotional_source, self.neutralization, self.others = p_emotional_source, neutralization, others
        self.rendered = frames if rendered is None else rendered
        self.ids = store.ids(split)
        self.by_emotion: dict[str, list[str]] = defaultdict(list)
        self._by_person: dict[str, dict[bool, list[str]]] = defaultdict(lambda: {True: [], False: []})
        for clip_id in self.ids:
            row = store.rows(clip_id)
            self.by_emotion[row["emotion"]].append(clip_id)
            self._by_person[row["speaker_id"]][row["emotion"] == "neutral"].append(clip_id)

    @property
    def neutral_ids(self) -> list[str]:
        """The clips that ANT's batches are drawn from."""
        return self.by_emotion["neutral"] if self.neutralization else self.ids

    def pairing(self) -> dict[str, int]:
        """Of how many clips the source cannot be what cross-emotion pairing asks for; part of a training's record.

        Without another emotional clip of the person the source is neutral; without any other clip it is the target's
        own (reconstruction from another frame).
        """
        if not self.neutralization:
            return {"clips": len(self.ids)}
        people = [self._by_person[self.store.rows(clip_id)["speaker_id"]] for clip_id in self.ids]
        return {
            "clips": len(self.ids),
            "without_emotional_source": sum(not person[False] for person in people),
            "with_own_source": sum(len(person[True]) + len(person[False]) == 1 for person in people),
        }

    def neutral_batch(self, seed: int, step: int, size: int) -> Batch:
        """ANT's batch: neutral targets (any target without neutralization), each clip once per pass in random order."""
        pool = self.neutral_ids
        if not pool:
            raise StageError("no neutral training clip: add some, or set ant.neutralization: false")
        order = [self._nth(pool, seed, step * size + i) for i in range(size)]
        return self._batch(order, np.random.default_rng([seed, step, 1]))

    def any_batch(self, seed: int, step: int, size: int) -> Batch:
        """Targets of every emotion, each clip once per pass: for held-out losses."""
        order = [self._nth(self.ids, seed, step * size + i) for i in range(size)]
        return self._batch(order, np.random.default_rng([seed, step, 3]))

    def emotional_batch(self, seed: int, step: int, size: int) -> Batch:
        """ERA's batch: each sample neutral with probability 1/K, else emotional; at least two classes among them."""
        rng = np.random.default_rng([seed, step, 2])
        classes = [e for e in self.emotions if self.by_emotion.get(e)]
        emotional = [e for e in classes if e != "neutral"]
        if len(classes) < 2 or not emotional:
            raise StageError(
                f"ERA needs training clips of at least two emotions, found {', '.join(classes) or 'none'}; "
                "add emotional clips, or change the split (split.by, split.seed)"
            )
        neutral = "neutral" if "neutral" in classes else None
        chosen = [
            neutral if neutral and rng.random() < 1 / len(self.emotions) else str(rng.choice(emotional))
            for _ in range(size)
        ]
        if len(set(chosen)) == 1:
            chosen[-1] = str(rng.choice([e for e in classes if e != chosen[0]]))
        return self._batch([str(rng.choice(self.by_emotion[e])) for e in chosen], rng)

    def _nth(self, pool: list[str], seed: int, n: int) -> str:
        """The n-th sample of an endless sequence of shuffled passes over `pool`."""
        epoch, position = divmod(n, len(pool))
        return pool[np.random.default_rng([seed, epoch, 0]).permutation(len(pool))[position]]

    def _batch(self, clip_ids: list[str], rng: np.random.Generator) -> Batch:
        samples = [self._sample(self.store[clip_id], rng) for clip_id in clip_ids]
        stacked = {key: torch.stack([s[key] for s in samples]) for key in samples[0]}
        emotion = [self.emotions.index(self.store.rows(c)["emotion"]) for c in clip_ids]
        neutral = [self.store.rows(c)["emotion"] == "neutral" for c in clip_ids]
        if self.others:
            stacked |= self._others(rng, len(clip_ids))
        return Batch(
            **stacked, emotion_B=torch.tensor(emotion), neutral_B=torch.tensor(neutral), clip_ids=tuple(clip_ids)
        )

    def _others(self, rng: np.random.Generator, size: int) -> dict[str, torch.Tensor]:
        clips = [self.store[str(clip_id)] for clip_id in rng.choice(self.ids, size)]
        frames = [to_image(clip.frames[int(rng.integers(len(clip)))]) for clip in clips]
        emotion = [self.emotions.index(clip.emotion) for clip in clips]
        return {"other_BCHW": torch.stack(frames), "other_emotion_B": torch.tensor(emotion)}

    def _sample(self, clip: Clip, rng: np.random.Generator) -> dict[str, torch.Tensor]:
        start = int(rng.integers(len(clip) - self.frames + 1))
        window = slice(start, start + self.frames)
        source = self._source_clip(clip, rng)
        at = int(rng.integers(len(source)))
        times_R = np.sort(rng.choice(self.frames, self.rendered, replace=False))
        return {
            "source_BCHW": to_image(source.frames[at]),
            "source_points_BP2": torch.from_numpy(source.points_TP2[at]),
            "source_pose_BP2": torch.from_numpy(source.pose_TP2[at]),
            "rendered_BR": torch.from_numpy(times_R),
            "target_BRCHW": to_image(clip.frames[start + times_R]),
            "pose_BTP2": torch.from_numpy(clip.pose_TP2[window]),
            "content_mel_BTMW": self._mel(clip, start, self.audio.content_context),
            "emotion_mel_BTMW": self._mel(clip, start, self.audio.emotion_context),
            "shape_BTP2": torch.from_numpy(clip.shape_TP2[window]),
            "va_BT2": torch.from_numpy(clip.va_T2[window]),
            "mask_BT": torch.ones(self.frames, dtype=torch.bool),
        }

    def _mel(self, clip: Clip, start: int, context: int) -> torch.Tensor:
        return torch.from_numpy(mel_windows(clip.mel_TM, start, self.frames, context, -self.audio.max_abs))

    def _source_clip(self, clip: Clip, rng: np.random.Generator) -> Clip:
        """Another clip of the same person, emotional with the configured probability where there is one.

        A person with a single clip lends it.
        """
        if not self.neutralization:
            return clip
        person = self._by_person[clip.speaker_id]
        emotional = rng.random() < self.p_emotional_source
        wanted, rest = ([c for c in person[neutral] if c != clip.clip_id] for neutral in (not emotional, emotional))
        return self.store[str(rng.choice(wanted or rest or [clip.clip_id]))]
