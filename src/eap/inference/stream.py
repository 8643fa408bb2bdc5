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

    A frame depends on `face.reach` mel columns to each side and on nothing else, so that what is drawn in blocks is
    what would be drawn at once, but for rounding.

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
    blocks = iter(mel_blocks)
    held, first = next(blocks), 0
    for start in range(0, length, block):
        stop = min(start + block, length)
        needed = min(stop + face.reach, length)
        while first + len(held) < needed:
            held = np.concatenate([held, next(blocks)])
        low = max(start - face.reach, 0)
        held, first = held[low - first :], low
        part, mel = Part(start, stop, length, first), held[: needed - first]
        yield face.draw(identity, mel, poses(first, needed), emotion(mel, part), part)


def heard_emotion(face: Synthesizer, gain: float) -> Emotion:
    """What the voice says, g e; `gain` 0 is the neutral face."""

    def emotion(mel_TM: np.ndarray, part: Part) -> Tensor:
        around = face.audio.emotion_context
        low = max(part.start - around, part.first)
        e, _ = face.hear(mel_TM[low - part.first : part.stop + around - part.first])
        return gain * e[part.start - low : part.stop - low]

    return emotion


def given_emotion(face: Synthesizer, gain: float, curve: Callable[[int, int], np.ndarray]) -> Emotion:
    """What a curve of valence and arousal says, through psi."""
    return lambda mel_TM, part: gain * face.imagine(curve(part.start, part.stop))
