"""Frames of a video of any length, a few at a time: memory does not grow with the voice."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import torch
from torch import Tensor

from eap.inference.pose import Poses
from eap.models.ant import Identity
from eap.synthesis import RENDER_FRAMES, Part, Synthesizer

Emotion = Callable[[np.ndarray, Part], Tensor]
"""e ``[n, d_e]`` of a part's frames, from the mel columns at hand."""


@torch.inference_mode()
def stream_frames(
    face: Synthesizer,
    identity: Identity,
    mel_blocks: Iterable[np.ndarray],
    length: int,
    poses: Poses,
    emotion: Emotion,
    block: int = RENDER_FRAMES,
) -> Iterator[np.ndarray]:
    """Draw a video.

    Beside its emotion a frame depends on `face.reach` mel columns to each side and on nothing else, so that what is
    drawn in blocks is what would be drawn at once, but for rounding.

    Parameters
    ----------
    mel_blocks
        Mel columns ``[n, n_mels]``, `length` in all.
    poses, emotion
        What drives head and emotion.
    block
        Frames at a time.

    Yields
    ------
    np.ndarray
        uint8 RGB ``[n <= block, H, W, 3]``.
    """
    for part, mel in cut_parts(mel_blocks, length, block, face.reach):
        yield face.draw(identity, mel, poses(part.first, part.first + len(mel)), emotion(mel, part), part)


def cut_parts(
    mel_blocks: Iterable[np.ndarray], length: int, block: int, reach: int
) -> Iterator[tuple[Part, np.ndarray]]:
    """A voice in parts of `block` frames, each with the mel columns up to `reach` beyond it, or to the voice's ends."""
    blocks = iter(mel_blocks)
    held, first = next(blocks), 0
    for start in range(0, length, block):
        stop = min(start + block, length)
        needed = min(stop + reach, length)
        while first + len(held) < needed:
            held = np.concatenate([held, next(blocks)])
        low = max(start - reach, 0)
        held, first = held[low - first :], low
        yield Part(start, stop, length, first), held[: needed - first]


@torch.inference_mode()
def hear_voice(
    face: Synthesizer, mel_blocks: Iterable[np.ndarray], length: int, block: int = RENDER_FRAMES
) -> Tensor | None:
    """What E_E hears on average over the whole voice, ``[D]``; None if it hears each frame's window alone (ADR 21).

    A pass of its own over the mel columns, of which only the sum is kept (in double precision: long voices).
    """
    if not face.hears_mean:
        return None
    parts = (
        face.hear_alone(mel, slice(part.start - part.first, part.stop - part.first)).sum(0, dtype=torch.float64)
        for part, mel in cut_parts(mel_blocks, length, block, face.audio.emotion_context)
    )
    return (sum(parts) / length).float()


def heard_emotion(face: Synthesizer, gain: float, mean_D: Tensor | None) -> Emotion:
    """What the voice says, g e; `gain` 0 is the neutral face.

    Parameters
    ----------
    mean_D
        From `hear_voice`.

    Raises
    ------
    ValueError
        If the mean is missing though E_E needs it: a part's own mean would be another voice's.
    """
    if face.hears_mean and mean_D is None:
        raise ValueError("this model hears a frame against its whole voice: give the voice's mean (hear_voice)")

    def emotion(mel_TM: np.ndarray, part: Part) -> Tensor:
        e, _ = face.hear(mel_TM, slice(part.start - part.first, part.stop - part.first), mean_D)
        return gain * e

    return emotion


def given_emotion(face: Synthesizer, gain: float, curve: Callable[[int, int], np.ndarray]) -> Emotion:
    """What a curve of valence and arousal says, through psi."""
    return lambda mel_TM, part: gain * face.imagine(curve(part.start, part.stop))
