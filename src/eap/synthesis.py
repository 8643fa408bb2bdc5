"""A source face, a voice and a pose to a talking face (method 6)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from eap.data.windows import mel_windows, to_image
from eap.models.ant import Identity
from eap.training.build import build_ant, build_era
from eap.training.checkpoint import load_model, read_record, require_same

RENDER_FRAMES = 16
"""Frames decoded at once: memory does not grow with the clip."""


class Synthesizer:
    """A trained model, ready to speak.

    Parameters
    ----------
    model
        File that ERA's training wrote.
    config
        Sections `audio`, `model`, `emotions`, `compute`, as it was trained with.
    """

    def __init__(self, model: Path, config: Any) -> None:
        self.audio, self.device = config.audio, config.compute.device
        self.ant = build_ant(config)
        era = build_era(config)
        record = read_record(model, "train-era")
        require_same(model, record, config, "audio", "model", "emotions")
        load_model(model, {"ant": self.ant, **era})
        for module in (self.ant, *era.values()):
            module.requires_grad_(False).eval().to(self.device)
        self.emotion_encoder, self.backbone = era["emotion_encoder"], era["backbone"]
        self.theta, self.phi = era["theta"], era["phi"]
        self.window = record["config"]["era"]["frames"]

    def hear(self, mel_TM: np.ndarray) -> tuple[Tensor, np.ndarray]:
        """Emotion embeddings e ``[T, d_e]`` of a voice, and theta's valence and arousal of them, ``[T, 2]``."""
        mask = torch.ones(1, len(mel_TM), dtype=torch.bool, device=self.device)
        e = self.emotion_encoder(self._mel(mel_TM, self.audio.emotion_context), mask)[0]
        return e, self.theta(e).cpu().numpy()

    def see(self, frames_THWC: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What F sees in uint8 frames of the model's size: theta's valence and arousal ``[T, 2]``, phi's class ``[T]``.

        Classes are indices into the config's emotions.
        """
        va, classes = [], []
        for start in range(0, len(frames_THWC), RENDER_FRAMES):
            features = self.backbone(to_image(frames_THWC[start : start + RENDER_FRAMES]).to(self.device))
            va.append(self.theta(features))
            classes.append(self.phi(features).argmax(-1))
        return torch.cat(va).cpu().numpy(), torch.cat(classes).cpu().numpy()

    def speak(
        self,
        source_HWC: np.ndarray,
        source_points_P2: np.ndarray,
        source_pose_P2: np.ndarray,
        mel_TM: np.ndarray,
        pose_TP2: np.ndarray,
        gain: float = 1.0,
    ) -> np.ndarray:
        """The video.

        Parameters
        ----------
        source_HWC, source_points_P2, source_pose_P2
            uint8 RGB face at the model's size, its landmarks and its pose-only landmarks (px at a 256 scale).
        mel_TM, pose_TP2
            The voice's mel columns and the driving pose, one per frame.
        gain
            g in ``v_i = G(x_s, m_i, g e_i)``: 0 is neutral, 1 as the voice sounds, more exaggerates.

        Returns
        -------
        np.ndarray
            uint8 RGB ``[T, H, W, 3]``.

        Raises
        ------
        ValueError
            If voice and pose differ in length.
        """
        if len(mel_TM) != len(pose_TP2):
            raise ValueError(f"one pose per mel column is needed, got {len(pose_TP2)} and {len(mel_TM)}")
        identity = self.ant.encode_identity(
            to_image(source_HWC)[None].to(self.device),
            torch.from_numpy(source_points_P2)[None].to(self.device),
            torch.from_numpy(source_pose_P2)[None].to(self.device),
        )
        pose = torch.from_numpy(pose_TP2)[None].to(self.device)
        motion = self._motion(identity, self._mel(mel_TM, self.audio.content_context), pose)
        e, _ = self.hear(mel_TM)
        out = []
        for start in range(0, motion.shape[1], RENDER_FRAMES):
            part = slice(start, start + RENDER_FRAMES)
            frames = self.ant.render(identity, motion[:, part], pose[:, part], gain * e[None, part])[0]
            pixels = ((frames + 1) * 127.5).round().clamp(0, 255).byte()
            out.append(pixels.permute(0, 2, 3, 1).cpu().numpy())
        return np.concatenate(out)

    def _mel(self, mel_TM: np.ndarray, context: int) -> Tensor:
        windows = mel_windows(mel_TM, 0, len(mel_TM), context, -self.audio.max_abs)
        return torch.from_numpy(windows)[None].to(self.device)

    def _motion(self, identity: Identity, mel_BTMW: Tensor, pose_BTP2: Tensor) -> Tensor:
        """m for a clip of any length: windows as long as in training, half overlapping, averaged where they overlap."""
        length = mel_BTMW.shape[1]
        size = min(self.window, length)
        starts = [*range(0, length - size, max(size // 2, 1)), length - size]
        total = mel_BTMW.new_zeros(1, length, self.ant.style_motion.in_features)
        count = mel_BTMW.new_zeros(1, length, 1)
        mask = torch.ones(1, size, dtype=torch.bool, device=mel_BTMW.device)
        for start in starts:
            part = slice(start, start + size)
            total[:, part] += self.ant.motion(identity, mel_BTMW[:, part], pose_BTP2[:, part], mask)
            count[:, part] += 1
        return total / count
