"""Judge "faces": valence, arousal and class of each frame, by a network that saw neither these people nor any model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from eap.data.clip_store import ClipStore
from eap.data.windows import to_image
from eap.evaluation.points import smooth
from eap.models.face_judge import FaceJudge
from eap.training.build import load_face_judge
from eap.training.face_judge import neutral_clips

BATCH = 64
NEUTRAL_FRAMES = 64
"""Of a person's neutral clips, at most, evenly spread."""


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
        self._clips = neutral_clips(store)
        self._neutral: dict[str, Tensor] = {}

    @torch.no_grad()
    def __call__(self, frames_THWC: np.ndarray, speaker_id: str) -> tuple[np.ndarray, str]:
        """Valence and arousal ``[T, 2]``, clipped to [-1, 1] as labels are, and the clip's class.

        Parameters
        ----------
        frames_THWC
            uint8 RGB at the model's size.
        """
        va, logits = self._network.read(self._features(frames_THWC), self._neutral_of(speaker_id))
        shown = self.classes[int(logits.softmax(-1).mean(0).argmax())]
        return np.clip(smooth(va.cpu().numpy(), self._fps), -1, 1), shown

    def _features(self, frames_THWC: np.ndarray) -> Tensor:
        device = next(self._network.parameters()).device
        parts = (frames_THWC[i : i + BATCH] for i in range(0, len(frames_THWC), BATCH))
        return torch.cat([self._network.features(to_image(part).to(device)) for part in parts])

    def _neutral_of(self, speaker_id: str) -> Tensor:
        """Features of a person's neutral face, ``[1, D]``; of everyone's, for one who was never seen neutral."""
        if speaker_id not in self._neutral:
            clip_ids = self._clips.get(speaker_id) or sorted(c for own in self._clips.values() for c in own)
            per_clip = max(NEUTRAL_FRAMES // len(clip_ids), 1)
            means = []
            for clip_id in clip_ids[:NEUTRAL_FRAMES]:
                clip = self._store[clip_id]
                at = np.unique(np.linspace(0, len(clip) - 1, per_clip).round().astype(int))
                means.append(self._features(clip.frames[at]).mean(0))
            self._neutral[speaker_id] = torch.stack(means).mean(0, keepdim=True)
        return self._neutral[speaker_id]


def load_faces(path: Path, config: Any, store: ClipStore) -> FacesJudge:
    """The judge that stage ``train-judge`` trained; errors as `eap.training.build.load_face_judge`."""
    network, classes = load_face_judge(path, config)
    return FacesJudge(network.to(config.compute.device), classes, store, config.video.fps)
