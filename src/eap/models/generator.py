"""The generator G: identity maps and a style per frame to an image per frame."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from eap.models.geometry import N_GUIDES, copied_share, mouth_share
from eap.models.identity_encoder import stride_channels
from eap.models.layers import AdaINConv, convolution3
from eap.models.pose_encoder import resize_maps

PICTURE_SCALE = 0.99
"""Keeps the inverse of tanh finite at the ends of the picture's range."""


class AdaINResidualBlock(nn.Module):
    """Two AdaIN convolutions around an identity."""

    def __init__(self, channels: int, d_style: int, separable: bool = False) -> None:
        super().__init__()
        self.first = AdaINConv(channels, channels, d_style, separable)
        self.second = AdaINConv(channels, channels, d_style, separable)

    def forward(self, x: Tensor, style_ND: Tensor) -> Tensor:
        """``[N, C, h, w]`` and ``[N, D]``."""
        return x + self.second(self.first(x, style_ND), style_ND)


class GatedSkip(nn.Module):
    """Source features enter where the decoder lets them in: it can shut out the source's own expression. CHOSEN."""

    def __init__(self, channels: int, separable: bool = False) -> None:
        super().__init__()
        self.gate = nn.Conv2d(channels, 1, 3, padding=1)
        self.convolution = convolution3(channels, channels, separable)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """``x + gate(x) conv(skip)``, all ``[N, C, h, w]``; not normalised, so that colours survive."""
        return x + torch.sigmoid(self.gate(x)) * self.convolution(skip)


class Generator(nn.Module):
    """AdaIN bottleneck and decoder. CHOSEN.

    Parameters
    ----------
    skip_strides
        Where the source comes in, among 1, 2, 4, 8: its feature maps at strides 2, 4 and 8, its picture at stride 1.
        Those of ANT stop at 64 x 64 px (``model.max_skip_px``), or the source's expression would pass and undo
        neutralization: strides 4 and 8 of a 256-px image; stride 1 only where the whole image is that small.
    guided
        The decoder sees `eap.models.geometry.guide_maps` at every resolution.
    separable
        See `eap.models.layers.convolution3`.
    mouth_only
        The paint is kept to `eap.models.geometry.mouth_share`; everywhere else the warped picture stays, at 0.99 of
        its contrast (tanh never reaches 1). Needs
        guides, and stride 1 among the skips.
    """

    def __init__(
        self,
        base_channels: int,
        max_channels: int,
        residual_blocks: int,
        d_style: int,
        skip_strides: tuple[int, ...],
        guided: bool,
        separable: bool = False,
        mouth_only: bool = False,
    ) -> None:
        super().__init__()
        c = stride_channels(base_channels, max_channels)
        self.skip_strides, self.mouth_only = skip_strides, mouth_only
        self.bottleneck = nn.ModuleList(AdaINResidualBlock(c[16], d_style, separable) for _ in range(residual_blocks))
        self.up = nn.ModuleDict({str(s): AdaINConv(c[2 * s], c[s], d_style, separable) for s in (8, 4, 2, 1)})
        self.refine = nn.ModuleDict({str(s): AdaINConv(c[s], c[s], d_style, separable) for s in (8, 4)})
        self.skips = nn.ModuleDict({str(s): GatedSkip(c[s], separable) for s in skip_strides if s > 1})
        self.guides = nn.ModuleDict({str(s): nn.Conv2d(N_GUIDES, c[s], 3, padding=1) for s in (8, 4, 2, 1) if guided})
        self.to_rgb = nn.Conv2d(c[1], 3, 3, padding=1)
        if 1 in skip_strides:
            with torch.no_grad():  # the warped picture is a better start than noise
                self.to_rgb.weight *= 0.1

    def forward(self, maps: Mapping[int, Tensor], style_ND: Tensor, guides: Tensor | None) -> Tensor:
        """Images in [-1, 1].

        Parameters
        ----------
        maps
            Identity maps ``[N, C, h / s, h / s]`` at stride 16 and at the skip strides, by stride; stride 1 is the
            source picture in [-1, 1], ``[N, 3, H, W]``, whose side may be larger than that of the paint, h.
        style_ND
            One style per frame.
        guides
            ``[N, 4, h, h]`` for a guided generator, else None.

        Returns
        -------
        Tensor
            ``[N, 3, H, W]``.
        """
        x = maps[16]
        for block in self.bottleneck:
            x = block(x, style_ND)
        for stride in (8, 4, 2, 1):
            x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
            x = self.up[str(stride)](x, style_ND)
            if guides is not None:
                x = x + self.guides[str(stride)](resize_maps(guides, x.shape[-1]))
            if str(stride) in self.skips:
                x = self.skips[str(stride)](x, maps[stride])
            if str(stride) in self.refine:
                x = x + self.refine[str(stride)](x, style_ND)
        painted = self.to_rgb(F.leaky_relu(x, 0.2))
        mouth = mouth_share(guides) if self.mouth_only else None
        if mouth is not None:
            painted = painted * resize_maps(mouth, painted.shape[-1])
        if 1 in self.skip_strides:
            # Added before the squashing, not blended by a gate: a gate closes on the copy; paint then learns nothing.
            picture, side = torch.atanh(PICTURE_SCALE * maps[1]), maps[1].shape[-1]
            if guides is not None:
                share = copied_share(guides)
                if mouth is not None:  # no paint could make up for what a copy lacks elsewhere
                    share = 1 - mouth * (1 - share)
                picture = picture * resize_maps(share, side)
            painted = resize_maps(painted, side) + picture
        return torch.tanh(painted)
