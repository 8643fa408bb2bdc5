"""The identity encoder: what the person looks like, at three scales."""

from __future__ import annotations

from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from eap.models.layers import ResidualBlock

STAGES = 4
"""Halvings of the resolution: 256 px -> 16 x 16 (method 2)."""


def stage_channels(base_channels: int, max_channels: int) -> list[int]:
    """Channels at strides 1, 2, 4, 8, 16: doubled at each halving, capped."""
    return [min(base_channels * 2**i, max_channels) for i in range(STAGES + 1)]


class IdentityEncoder(nn.Module):
    """Source face to feature maps at strides 4, 8 and 16 (f64, f32 and f16 for a 256-px image). CHOSEN (method 2)."""

    def __init__(self, base_channels: int, max_channels: int) -> None:
        super().__init__()
        channels = stage_channels(base_channels, max_channels)
        self.stem = nn.Conv2d(3, channels[0], 7, padding=3)
        self.down = nn.ModuleList(nn.Conv2d(c_in, c_out, 3, stride=2, padding=1) for c_in, c_out in pairwise(channels))
        self.norms = nn.ModuleList(nn.InstanceNorm2d(c, affine=True) for c in channels[:-1])
        self.blocks = nn.ModuleList(ResidualBlock(c) for c in channels[2:])

    def forward(self, source_BCHW: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """``[B, 3, H, W]`` in [-1, 1] to maps at strides 4, 8, 16."""
        x = self.stem(source_BCHW)
        maps = []
        for i, (norm, down) in enumerate(zip(self.norms, self.down, strict=True)):
            x = down(F.leaky_relu(norm(x), 0.2))
            if i >= 1:
                x = self.blocks[i - 1](x)
                maps.append(x)
        return maps[0], maps[1], maps[2]
