"""Changes to a voice that leave what it says: a few minutes of speech then teach more. CHOSEN; off in preset paper."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from eap.data.batch import Batch

LIPS = ("content_mel_BTMW",)
LIPS_AND_EMOTION = ("content_mel_BTMW", "emotion_mel_BTMW")


def augment_voice(
    batch: Batch, section: Any, max_abs: float, rng: np.random.Generator, windows: tuple[str, ...] = LIPS
) -> Batch:
    """The batch with other mel windows: for the lips alone in ANT, for both in ERA.

    Parameters
    ----------
    section
        Section ``ant`` or ``era``: mel_gain, mel_noise, mel_tract. Each sample has one level, one tilt and one stretch.
    max_abs
        Mel values are cut at this magnitude (``audio.max_abs``).
    rng
        A function of seed and step, so that a resumed run draws the same.
    """
    if not (section.mel_gain or section.mel_noise or section.mel_tract):
        return batch
    b, _, m, _ = batch.content_mel_BTMW.shape

    def draw(deviation: float, *shape: int) -> Tensor:
        return torch.from_numpy(rng.normal(0, 1, shape).astype(np.float32) * deviation)

    stretch_B, level_B, tilt_B = draw(section.mel_tract, b), draw(section.mel_gain, b), draw(section.mel_gain, b)
    slope_M = torch.linspace(-1, 1, m)
    shift_BM = level_B[:, None] + tilt_B[:, None] * slope_M
    changed = {}
    for name in windows:
        mel_BTMW = getattr(batch, name)
        noise = draw(section.mel_noise, *mel_BTMW.shape)
        moved = stretch_bins(mel_BTMW, stretch_B.exp()) + shift_BM[:, None, :, None] + noise
        changed[name] = moved.clamp(-max_abs, max_abs)
    return replace(batch, **changed)


def stretch_bins(mel_BTMW: Tensor, factor_B: Tensor) -> Tensor:
    """Mel windows whose bin j is what stood at bin ``factor * j``, interpolated: as if the vocal tract were longer
    (factor above 1) or shorter. Beyond the last bin the last is repeated.
    """
    b, t, m, w = mel_BTMW.shape
    # A picture of the bins over all else, sampled along the bins only
    rows_BM = factor_B[:, None] * torch.arange(m, dtype=mel_BTMW.dtype) * 2 / (m - 1) - 1
    columns = torch.linspace(-1, 1, t * w, dtype=mel_BTMW.dtype)
    grid = torch.stack([columns.expand(b, m, t * w), rows_BM[..., None].expand(b, m, t * w)], -1)
    picture = mel_BTMW.permute(0, 2, 1, 3).reshape(b, 1, m, t * w)
    out = F.grid_sample(picture, grid, padding_mode="border", align_corners=True)
    return out.reshape(b, m, t, w).permute(0, 2, 1, 3)
