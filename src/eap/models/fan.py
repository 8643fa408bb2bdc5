"""FAN as a differentiable landmark estimator for L_lip: heatmaps, read by a sub-pixel soft-argmax.

KNOWN (face-alignment, Bulat & Tzimiropoulos 2017): the network, its input (RGB in [0, 1], 256 x 256), its 68 heatmaps
of 64 x 64. CHOSEN: how they are read (`soft_argmax`; the published reading takes the highest entry and moves it by a
quarter, which has no gradient) and how large the face is shown (`FACE_PX`).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from eap.data.pose import LANDMARK_SCALE_PX
from eap.models.pose_encoder import resize_maps

SIDE, HEAT_SIDE = 256, 64
"""px of its input and of its heatmaps."""
FACE_PX = 160
"""Side at which a face crop stands in the middle of the black input. The published code shows 2.05 times a detector's
box, our crops are 1.5 times the landmarks' height (`video.crop_scale`), so that filling the input would show the face
1.6 times too large."""
RADIUS = 3
"""Entries around the highest one that count: a peak's own width of about one entry, and no second peak."""


def soft_argmax(heat_NPHW: Tensor) -> Tensor:
    """Where each heatmap peaks, ``[N, P, 2]`` (x, y) in entries, the first entry's centre being 0.5.

    The mean position of the entries within `RADIUS` of the highest one, weighted by their positive parts: to a
    hundredth of an entry for a peak like those that FAN was trained on, and differentiable in every entry that counts.
    """
    height, width = heat_NPHW.shape[-2:]
    index = heat_NPHW.detach().flatten(2).argmax(-1)
    peak_y, peak_x = index // width, index % width
    y = torch.arange(height, device=index.device) - peak_y[..., None]
    x = torch.arange(width, device=index.device) - peak_x[..., None]
    near = (y.abs() <= RADIUS)[..., :, None] & (x.abs() <= RADIUS)[..., None, :]
    weight = F.relu(heat_NPHW) * near
    total = weight.sum((-2, -1)).clamp_min(1e-6)  # a map without any positive entry: its highest one
    offset_x = (weight.sum(-2) * x).sum(-1) / total
    offset_y = (weight.sum(-1) * y).sum(-1) / total
    return torch.stack([peak_x + 0.5 + offset_x, peak_y + 0.5 + offset_y], -1)


class FanLandmarks(nn.Module):
    """FAN on frames: ``[N, 3, H, W]`` in [-1, 1] to landmarks ``[N, 68, 2]``, px at a 256 scale.

    Parameters
    ----------
    network
        ``face_alignment.models.FAN``; the last of its heatmaps is read.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, frames_NCHW: Tensor) -> Tensor:
        """Landmarks."""
        margin = (SIDE - FACE_PX) // 2
        shown = F.pad(resize_maps((frames_NCHW + 1) / 2, FACE_PX), [margin] * 4)
        heat = self.network(shown)[-1]
        return (soft_argmax(heat) * (SIDE / HEAT_SIDE) - margin) * (LANDMARK_SCALE_PX / FACE_PX)
