"""The generator G: identity maps and a style per frame to an image per frame."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from eap.models.identity_encoder import stage_channels
from eap.models.layers import AdaINConv


class AdaINResidualBlock(nn.Module):
    """Two AdaIN convolutions around an identity."""

    def __init__(self, channels: int, d_style: int) -> None:
        super().__init__()
        self.first = AdaINConv(channels, channels, d_style)
        self.second = AdaINConv(channels, channels, d_style)

    def forward(self, x: Tensor, style_ND: Tensor) -> Tensor:
        """``[N, C, h, w]`` and ``[N, D]``."""
        return x + self.second(self.first(x, style_ND), style_ND)


class Generator(nn.Module):
    """AdaIN bottleneck and decoder. CHOSEN (method 2).

    Skips come in at strides 8 and 4 only (f32 and f64 of a 256-px image): finer ones would hand the source's expression
    to the output and undo neutralization (method 2, point 3).
    """

    def __init__(self, base_channels: int, max_channels: int, residual_blocks: int, d_style: int) -> None:
        super().__init__()
        c1, c2, c4, c8, c16 = stage_channels(base_channels, max_channels)
        self.bottleneck = nn.ModuleList(AdaINResidualBlock(c16, d_style) for _ in range(residual_blocks))
        self.to8 = AdaINConv(c16 + c8, c8, d_style)
        self.to4 = AdaINConv(c8 + c4, c4, d_style)
        self.mix4 = AdaINConv(c4, c4, d_style)
        self.to2 = AdaINConv(c4, c2, d_style)
        self.to1 = AdaINConv(c2, c1, d_style)
        self.to_rgb = nn.Conv2d(c1, 3, 3, padding=1)

    def forward(self, f4: Tensor, f8: Tensor, f16: Tensor, style_ND: Tensor) -> Tensor:
        """Maps ``[N, C, H/s, W/s]`` at strides 4, 8, 16 and styles ``[N, D]`` to images ``[N, 3, H, W]`` in [-1, 1]."""
        x = f16
        for block in self.bottleneck:
            x = block(x, style_ND)
        x = self.to8(torch.cat([_double(x), f8], 1), style_ND)
        x = self.to4(torch.cat([_double(x), f4], 1), style_ND)
        x = x + self.mix4(x, style_ND)
        x = self.to2(_double(x), style_ND)
        x = self.to1(_double(x), style_ND)
        return torch.tanh(self.to_rgb(F.leaky_relu(x, 0.2)))


def _double(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
