"""Batches: frozen dataclasses, one shape per field.

Shape legend (here and in models and losses): B samples, T video frames, R of them that are rendered, M mel bins, W mel
columns of a window, P = 68 landmark points, K emotion classes, D feature width, C/H/W image. Images are in [-1, 1],
RGB. Landmarks are in px at a 256 scale. Mel values are in [-max_abs, max_abs].
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """Training samples of ANT and ERA."""

    source_BCHW: Tensor
    """One frame of the person, of any emotion: ``[B, 3, H, W]``."""
    source_points_BP2: Tensor
    """Landmarks of the source frame, its expression included: ``[B, 68, 2]``."""
    source_pose_BP2: Tensor
    """Pose-only landmarks of the source frame: ``[B, 68, 2]``."""
    rendered_BR: Tensor
    """Which of the T times are rendered, distinct and in order: int64 ``[B, R]``."""
    target_BRCHW: Tensor
    """The real frames at these times, the only ones that are decoded: ``[B, R, 3, H, W]``."""
    pose_BTP2: Tensor
    """Pose-only landmarks of the target frames: ``[B, T, 68, 2]``."""
    content_mel_BTMW: Tensor
    """Mel window of each frame for lips: ``[B, T, M, 2 content_context + 1]``."""
    emotion_mel_BTMW: Tensor
    """Mel window of each frame for emotion: ``[B, T, M, 2 emotion_context + 1]``."""
    shape_BTP2: Tensor
    """Landmarks without pose, less the person's mean neutral ones: ``[B, T, 68, 2]``, canonical units."""
    emotion_B: Tensor
    """Class index of the target clip, int64 ``[B]``."""
    neutral_B: Tensor
    """Whether that class is neutral, bool ``[B]``."""
    va_BT2: Tensor
    """Pseudo labels of valence and arousal in [-1, 1]: ``[B, T, 2]``."""
    mask_BT: Tensor
    """True where a frame is real, False where it is padding: bool ``[B, T]``."""
    clip_ids: tuple[str, ...]
    """Target clips, for error messages."""
    other_BCHW: Tensor | None = None
    """A real frame of any training clip for each sample, for the critics (``critics.real: any``)."""
    other_emotion_B: Tensor | None = None
    """Class index of that clip, int64 ``[B]``."""

    def rows(self, part: slice) -> Batch:
        """Some of the samples, with everything that belongs to them."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return Batch(**{name: None if value is None else value[part] for name, value in values.items()})

    def to(self, device: str | torch.device) -> Batch:
        """The same batch on another device."""
        values: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        return Batch(**{k: v.to(device) if isinstance(v, Tensor) else v for k, v in values.items()})

    def rendered(self) -> Batch:
        """The same samples at the times that are rendered: T = R, every field of times is gathered."""
        timed = {field.name: getattr(self, field.name) for field in fields(self) if "_BT" in field.name}
        every_BR = torch.arange(self.rendered_BR.shape[1], device=self.rendered_BR.device).expand_as(self.rendered_BR)
        return replace(self, rendered_BR=every_BR, **{name: self.at_rendered(value) for name, value in timed.items()})

    def at_rendered(self, values_BT: Tensor) -> Tensor:
        """``[B, T, ...]`` at the times that are rendered: ``[B, R, ...]``."""
        return values_BT[torch.arange(len(self.rendered_BR), device=values_BT.device)[:, None], self.rendered_BR]
