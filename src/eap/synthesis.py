"""A source face, a voice and a pose to a talking face."""

from __future__ import annotations

from dataclasses import dataclass, replace
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


@dataclass(frozen=True)
class Part:
    """Frames `start` up to `stop` of a video of `length` frames, of which mel and poses are at hand from `first` on."""

    start: int
    stop: int
    length: int
    first: int


def window_starts(part: Part, size: int) -> list[int]:
    """Where the video's motion windows of `size` frames that touch a part begin; ascending.

    They begin at multiples of half a window; one more ends at the video's end. So they depend on nothing but the
    video's length, and a part is drawn as it would be within the whole.
    """
    step, last = max(size // 2, 1), part.length - size
    first = -(-max(part.start - size + 1, 0) // step) * step
    starts = list(range(first, min(last, part.stop), step))
    return [*starts, last] if part.start - size < last < part.stop else starts


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
        self.theta, self.phi, self.psi = era["theta"], era["phi"], era["psi"]
        self.window = record["config"]["era"]["frames"]
        loss = record["config"]["loss"]
        self.intensity = loss["intensity"] if loss["inten_target"] == "intensity" else None
        """Where theta learnt intensity alone: of which function of its output. Its two numbers then mean nothing."""

    @property
    def reach(self) -> int:
        """Mel columns (and poses) on each side of a frame that decide what it looks like."""
        return max(self.window - 1 + self.audio.content_context, self.audio.emotion_context)

    def hear(
        self, mel_TM: np.ndarray, at: slice = slice(None), mean_D: Tensor | None = None
    ) -> tuple[Tensor, np.ndarray]:
        """Emotion embeddings e ``[T, d_e]`` of a voice, and theta's valence and arousal of them, ``[T, 2]``.

        Parameters
        ----------
        mel_TM
            Its mel columns, or some of them with `mean_D`.
        at
            The frames that are heard, of those in `mel_TM`.
        mean_D
            E_E's mean over the whole voice (`eap.inference.stream.hear_voice`); None: over the frames that are heard.
        """
        mel = self._mel(mel_TM, self.audio.emotion_context, at)
        mask = torch.ones(mel.shape[:2], dtype=torch.bool, device=self.device)
        e = self.emotion_encoder(mel, mask, None if mean_D is None else mean_D[None])[0]
        return e, self.theta(e).cpu().numpy()

    @property
    def hears_mean(self) -> bool:
        """Whether a frame's emotion depends on the whole voice, and not on the columns around it alone."""
        return self.emotion_encoder.mix is not None

    def hear_alone(self, mel_TM: np.ndarray, at: slice) -> Tensor:
        """Of the frames `at` what E_E averages over the voice, ``[T, D]``."""
        return self.emotion_encoder.active(self._mel(mel_TM, self.audio.emotion_context, at))[0]

    def imagine(self, va_T2: np.ndarray) -> Tensor:
        """Emotion embeddings e ``[T, d_e]`` of a curve of valence and arousal, through psi."""
        return self.psi(torch.from_numpy(np.asarray(va_T2, np.float32)).to(self.device))

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
        whole = Part(0, len(mel_TM), len(mel_TM), 0)
        e, _ = self.hear(mel_TM)
        identity = self.encode(source_HWC, source_points_P2, source_pose_P2)
        return self.draw(identity, mel_TM, pose_TP2, gain * e, whole)

    def encode(self, source_HWC: np.ndarray, source_points_P2: np.ndarray, source_pose_P2: np.ndarray) -> Identity:
        """The source face, once per video; parameters as in `speak`."""
        return self.ant.encode_identity(
            to_image(source_HWC)[None].to(self.device),
            torch.from_numpy(source_points_P2)[None].to(self.device),
            torch.from_numpy(source_pose_P2)[None].to(self.device),
        )

    def draw(
        self, identity: Identity, mel_TM: np.ndarray, pose_TP2: np.ndarray, e_TD: Tensor, part: Part
    ) -> np.ndarray:
        """Some frames of a video.

        Parameters
        ----------
        identity
            From `encode`.
        mel_TM, pose_TP2
            Mel columns and poses from `part.first` on; they reach `reach` beyond the frames that are drawn, or to the
            video's ends.
        e_TD
            Emotion of the frames that are drawn, and only of these.

        Returns
        -------
        np.ndarray
            uint8 RGB ``[part.stop - part.start, H, W, 3]``.
        """
        at = slice(part.start - part.first, part.stop - part.first)
        pose = torch.from_numpy(pose_TP2)[None].to(self.device)
        motion = self._motion(identity, self._mel(mel_TM, self.audio.content_context), pose, part)
        pose = pose[:, at]
        out = []
        for start in range(0, motion.shape[1], RENDER_FRAMES):
            some = slice(start, start + RENDER_FRAMES)
            frames = self.ant.render(identity, motion[:, some], pose[:, some], e_TD[None, some])[0]
            pixels = ((frames + 1) * 127.5).round().clamp(0, 255).byte()
            out.append(pixels.permute(0, 2, 3, 1).cpu().numpy())
        return np.concatenate(out)

    def _mel(self, mel_TM: np.ndarray, context: int, at: slice = slice(None)) -> Tensor:
        start, stop, _ = at.indices(len(mel_TM))
        windows = mel_windows(mel_TM, start, stop - start, context, -self.audio.max_abs)
        return torch.from_numpy(windows)[None].to(self.device)

    def _motion(self, identity: Identity, mel_BTMW: Tensor, pose_BTP2: Tensor, part: Part) -> Tensor:
        """m of a part's frames: windows as long as in training, half overlapping, averaged where they overlap."""
        size = min(self.window, part.length)
        starts = window_starts(part, size)
        rows = torch.tensor(starts, device=mel_BTMW.device)[:, None] + torch.arange(size, device=mel_BTMW.device)
        local = rows - part.first
        many = replace(identity, token_BD=identity.token_BD.expand(len(starts), -1))
        mask = torch.ones_like(rows, dtype=torch.bool)
        windows = self.ant.motion(many, mel_BTMW[0, local], pose_BTP2[0, local], mask)
        total = windows.new_zeros(starts[-1] + size - starts[0], windows.shape[-1])
        count = windows.new_zeros(len(total), 1)
        for row, motion in zip(rows - starts[0], windows, strict=True):
            total[row] += motion
            count[row] += 1
        at = slice(part.start - starts[0], part.stop - starts[0])
        return (total[at] / count[at])[None]
