"""The landmark student: a differentiable stand-in for the landmark estimator, for L_lip."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from eap.data.pose import LANDMARK_SCALE_PX


class LandmarkStudent(nn.Module):
    """VGG-shaped landmark regressor: ``[N, 3, H, W] -> [N, 68, 2]``, px at a 256 scale. CHOSEN.

    Its five activations (one per resolution) can also serve as the features of L_per.

    Parameters
    ----------
    image_size
        Side of the input, px; a multiple of 16.
    mean_shape_P2
        Where the points lie on average; the network learns the difference.
    """

    def __init__(self, channels: int, image_size: int, mean_shape_P2: Tensor) -> None:
        super().__init__()
        widths = [channels, 2 * channels, 4 * channels, 8 * channels, 8 * channels]
        self.convolutions = nn.ModuleList(
            nn.Conv2d(c_in, c_out, 3, padding=1) for c_in, c_out in zip([3, *widths], widths, strict=False)
        )
        self.grids = {3: min(image_size // 8, 8), 4: min(image_size // 16, 4)}
        inputs = sum(widths[i] * side**2 for i, side in self.grids.items())
        self.head = nn.Sequential(nn.Linear(inputs, 128), nn.ReLU(), nn.Linear(128, 2 * len(mean_shape_P2)))
        self.register_buffer("mean_shape", mean_shape_P2.clone())
        self.register_buffer("feature_scale", torch.ones(len(widths)))

    def features(self, frames_NCHW: Tensor) -> list[Tensor]:
        """Activations at strides 1, 2, 4, 8, 16 (those whose map is at least 2 px wide), each of unit mean magnitude.

        `feature_scale` holds each layer's mean on real faces, measured after training.
        """
        x, out = frames_NCHW, []
        for i, convolution in enumerate(self.convolutions):
            if i:
                x = F.avg_pool2d(x, 2)
            if x.shape[-1] < 2:
                break
            x = F.relu(convolution(x))
            out.append(x / self.feature_scale[i])
        return out

    def landmarks(self, features: list[Tensor]) -> Tensor:
        """Landmarks from the activations of `features` at full resolution: grids of 8 and 4 from strides 8 and 16."""
        grids = [
            F.adaptive_avg_pool2d(features[i] * self.feature_scale[i], side).flatten(1)
            for i, side in self.grids.items()
        ]
        offset = self.head(torch.cat(grids, 1)).unflatten(1, (-1, 2))
        return self.mean_shape + offset * (LANDMARK_SCALE_PX / 16)

    def forward(self, frames_NCHW: Tensor) -> Tensor:
        """Landmarks, px at a 256 scale."""
        return self.landmarks(self.features(frames_NCHW))
