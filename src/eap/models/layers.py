"""Building blocks shared by the networks."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with instance norm around an identity: ``[N, C, h, w] -> [N, C, h, w]``."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm1 = nn.InstanceNorm2d(channels, affine=True)
        self.norm2 = nn.InstanceNorm2d(channels, affine=True)

    def forward(self, x: Tensor) -> Tensor:
        """Residual branch added to `x`."""
        y = self.conv1(F.leaky_relu(self.norm1(x), 0.2))
        return x + self.conv2(F.leaky_relu(self.norm2(y), 0.2))


class AdaIN(nn.Module):
    """Adaptive instance normalisation (Huang and Belongie 2017): the style sets each channel's mean and deviation."""

    def __init__(self, channels: int, d_style: int) -> None:
        super().__init__()
        self.affine = nn.Linear(d_style, 2 * channels)

    def forward(self, x: Tensor, style_ND: Tensor) -> Tensor:
        """``[N, C, h, w]`` normalised and modulated by ``[N, D]``."""
        scale, shift = self.affine(style_ND)[:, :, None, None].chunk(2, dim=1)
        return F.instance_norm(x) * (1 + scale) + shift


def convolution3(in_channels: int, out_channels: int, separable: bool) -> nn.Module:
    """A 3x3 convolution, or a 3x3 kernel per channel followed by a 1x1 convolution (Chollet 2017): about a ninth of the
    operations where there are many channels.
    """
    if not separable:
        return nn.Conv2d(in_channels, out_channels, 3, padding=1)
    return nn.Sequential(
        nn.Conv2d(in_channels, in_channels, 3, padding=1, groups=in_channels), nn.Conv2d(in_channels, out_channels, 1)
    )


class AdaINConv(nn.Module):
    """AdaIN, leaky ReLU, 3x3 convolution: ``[N, C_in, h, w] -> [N, C_out, h, w]``."""

    def __init__(self, in_channels: int, out_channels: int, d_style: int, separable: bool = False) -> None:
        super().__init__()
        self.norm = AdaIN(in_channels, d_style)
        self.conv = convolution3(in_channels, out_channels, separable)

    def forward(self, x: Tensor, style_ND: Tensor) -> Tensor:
        """Modulate, activate, convolve."""
        # In place: at 256 px these maps are most of a step's memory.
        return self.conv(F.leaky_relu(self.norm(x, style_ND), 0.2, inplace=True))


def time_code(length: int, width: int, device: torch.device) -> Tensor:
    """Sinusoidal position codes (Vaswani et al. 2017), ``[T, D]``, for any length."""
    position = torch.arange(length, device=device, dtype=torch.float32)[:, None]
    rate = torch.exp(-math.log(10000.0) * torch.arange(0, width, 2, device=device, dtype=torch.float32) / width)
    angle = position * rate
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)[:, :width]


class MelEncoder(nn.Module):
    """Mel windows to vectors: convolutions that halve frequency (and time while it lasts), then a linear layer.

    CHOSEN. No normalisation layer: loudness carries emotion.

    Parameters
    ----------
    n_mels, width
        Shape of a window ``[M, W]``.
    channels
        Channels of the first convolution.
    d_out
        Width of the output.
    """

    def __init__(self, n_mels: int, width: int, channels: int, d_out: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        c_in, c_out, m, w = 1, channels, n_mels, width
        while m > 5:
            stride = (2, 2 if w > 5 else 1)
            layers += [nn.Conv2d(c_in, c_out, 3, stride=stride, padding=1), nn.LeakyReLU(0.2)]
            m, w = (m + 1) // 2, (w + stride[1] - 1) // stride[1]
            c_in, c_out = c_out, min(2 * c_out, 4 * channels)
        self.convolutions = nn.Sequential(*layers)
        self.project = nn.Linear(c_in * m * w, d_out)

    def forward(self, mel_BTMW: Tensor) -> Tensor:
        """``[B, T, M, W] -> [B, T, d_out]``."""
        b, t, m, w = mel_BTMW.shape
        # Values span about [-4, 4]; a quarter keeps the first layer's output near unit scale.
        x = self.convolutions(mel_BTMW.reshape(b * t, 1, m, w) * 0.25)
        return self.project(x.flatten(1)).reshape(b, t, -1)


class SequenceEncoder(nn.Module):
    """Mel windows of consecutive frames to vectors, each column being looked at once. CHOSEN (ADR 26).

    The windows of neighbouring frames share all columns but one, so the sequence behind them is taken apart again:
    convolutions over frequency and time halve the frequency, dilated convolutions over time follow. A frame's vector
    depends on its own window's columns and on nothing else. No normalisation layer: loudness carries emotion.

    Parameters
    ----------
    n_mels, width
        Shape of a window ``[M, W]``, W odd.
    channels
        Channels of the first convolution.
    d_out
        Width of the convolutions over time and of the output.
    """

    def __init__(self, n_mels: int, width: int, channels: int, d_out: int) -> None:
        super().__init__()
        reach = width // 2
        layers: list[nn.Module] = []
        c_in, m = 1, n_mels
        for i, c_out in enumerate((channels, 2 * channels, 2 * channels)):
            time = 3 if i < reach else 1
            layers += [nn.Conv2d(c_in, c_out, (3, time), stride=(2, 1), padding=(1, 0)), nn.LeakyReLU(0.2)]
            c_in, m = c_out, (m + 1) // 2
        self.columns = nn.Sequential(*layers)
        moments: list[nn.Module] = [nn.Conv1d(c_in * m, d_out, 1)]
        for dilation in dilations(max(reach - 3, 0)):
            moments += [nn.LeakyReLU(0.2), nn.Conv1d(d_out, d_out, 3, dilation=dilation)]
        self.moments = nn.Sequential(*moments)

    def forward(self, mel_BTMW: Tensor) -> Tensor:
        """``[B, T, M, W] -> [B, T, d_out]``; each window is the one before, moved by a column.

        Of each window but the first the last column alone is read, so what follows a frame never reaches it.
        """
        sequence_BMS = torch.cat([mel_BTMW[:, 0], mel_BTMW[:, 1:, :, -1].transpose(1, 2)], -1)
        # Values span about [-4, 4]; a quarter keeps the first layer's output near unit scale.
        x = self.columns(sequence_BMS[:, None] * 0.25)
        return self.moments(x.flatten(1, 2)).transpose(1, 2)


def dilations(reach: int) -> list[int]:
    """Dilations of convolutions of width 3 that together reach exactly so many columns to each side, ascending."""
    found, step = [], 1
    while reach > 0:
        found.append(min(step, reach))
        reach -= found[-1]
        step *= 2
    return sorted(found)
