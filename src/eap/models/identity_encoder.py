"""The identity encoder: what the person looks like, at several scales."""

from __future__ import annotations

from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from eap.models.layers import ResidualBlock

STRIDES = (1, 2, 4, 8, 16)
"""From the picture to the coarsest map; 256 px end at 16 x 16."""


def stride_channels(base_channels: int, max_channels: int) -> dict[int, int]:
    """Channels of the map at each stride: doubled at each halving, capped."""
    return {stride: min(base_channels * stride, max_channels) for stride in STRIDES}


class IdentityEncoder(nn.Module):
    """Source face to feature maps at strides 2 to 16 (f16, f32 and f64 of a 256-px image among them).

    CHOSEN: 7x7 stem, stride-2 convolutions, a residual block at strides 4, 8 and 16. No normalisation on the
    main path: it would take the picture's colours away.
    """

    def __init__(self, base_channels: int, max_channels: int) -> None:
        super().__init__()
        channels = stride_channels(base_channels, max_channels)
        self.stem = nn.Conv2d(3, channels[1], 7, padding=3)
        self.down = nn.ModuleList(
            nn.Conv2d(channels[fine], channels[coarse], 3, stride=2, padding=1) for fine, coarse in pairwise(STRIDES)
        )
        self.blocks = nn.ModuleDict({str(stride): ResidualBlock(channels[stride]) for stride in (4, 8, 16)})

    def forward(self, source_BCHW: Tensor) -> dict[int, Tensor]:
        """``[B, 3, H, W]`` in [-1, 1] to a map ``[B, C, H / s, W / s]`` for each stride s > 1."""
        x = self.stem(source_BCHW)
        maps = {}
        for stride, down in zip(STRIDES[1:], self.down, strict=True):
            x = down(F.leaky_relu(x, 0.2))
            if str(stride) in self.blocks:
                x = self.blocks[str(stride)](x)
            maps[stride] = x
        return maps
