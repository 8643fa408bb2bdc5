"""Judge "faces": valence, arousal and class of each frame, by a network that never saw a generated frame."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from eap.data.clip_store import Clip, ClipStore
from eap.data.windows import to_image
from eap.evaluation.points import smooth
from eap.models.face_judge import FaceJudge
from eap.training.build import load_face_judge
from eap.training.face_judge import NeutralClips

BATCH = 64
NEUTRAL_CLIPS, NEUTRAL_FRAMES = 8, 16
"""Neutral clips that a face is compared with, and frames of each, at most, evenly spread."""


class FacesJudge:
    """Reads emotion from pictures.

    Parameters
    ----------
    network, classes
        From `eap.training.build.load_face_judge`.
    store
        Knows everyone's neutral clips, recordings of which are what a face is compared with.
    fps
        Frames per second: readings are averaged as those of judge "points".
    """

    def __init__(self, network: FaceJudge, classes: tuple[str, ...], store: ClipStore, fps: int) -> None:
        self._network, self.classes, self._store, self._fps = network, classes, store, fps
        self._clips = NeutralClips(store)
        self._means: dict[str, Tensor] = {}

    @torch.no_grad()
    def __call__(self, frames_THWC: np.ndarray, clip: Clip, source: Clip | None = None) -> tuple[np.ndarray, str]:
        """Valence and arousal ``[T, 2]``, clipped to [-1, 1] as labels are, and the clip's class.

        Parameters
        ----------
        frames_THWC
            uint8 RGB at the model's size: `clip` itself, or a video that was made after it. It is compared with other
            recordings of the person, never with this one.
        source
            Whose picture the video was drawn from, if from one: it is not compared with this, either.
        """
        beside = self._clips.beside(clip, source)
        chosen = [beside[i] for i in np.unique(np.linspace(0, len(beside) - 1, NEUTRAL_CLIPS).round().astype(int))]
        neutral = torch.stack([self._mean(clip_id) for clip_id in chosen]).mean(0, keepdim=True)
        va, logits = self._network.read(self._features(frames_THWC), neutral)
        shown = self.classes[int(logits.softmax(-1).mean(0).argmax())]
        return np.clip(smooth(va.cpu().numpy(), self._fps), -1, 1), shown

    def _features(self, frames_THWC: np.ndarray) -> Tensor:
        device = next(self._network.parameters()).device
        parts = (frames_THWC[i : i + BATCH] for i in range(0, len(frames_THWC), BATCH))
        return torch.cat([self._network.features(to_image(part).to(device)) for part in parts])

    def _mean(self, clip_id: str) -> Tensor:
        """Mean features ``[D]`` of some frames of a neutral clip."""
        if clip_id not in self._means:
            clip = self._store[clip_id]
            at = np.unique(np.linspace(0, len(clip) - 1, NEUTRAL_FRAMES).round().astype(int))
            self._means[clip_id] = self._features(clip.frames[at]).mean(0)
        return self._means[clip_id]


def load_faces(path: Path, config: Any, store: ClipStore) -> FacesJudge:
    """The judge that stage ``train-judge`` trained; errors as `eap.training.build.load_face_judge`."""
    network, classes = load_face_judge(path, config)
    return FacesJudge(network.to(config.compute.device), classes, store, config.video.fps)
