"""The pose encoder and the warp that a pose implies."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from eap.data.pose import LANDMARK_SCALE_PX


class PoseEncoder(nn.Module):
    """Pose-only landmarks to vectors, ``[B, T, P, 2] -> [B, T, D]``: an MLP. CHOSEN (method 2)."""

    def __init__(self, n_points: int, d_model: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(2 * n_points, d_model), nn.LeakyReLU(0.2), nn.Linear(d_model, d_model))

    def forward(self, pose_BTP2: Tensor) -> Tensor:
        """Landmarks in px at a 256 scale."""
        return self.layers((pose_BTP2 / LANDMARK_SCALE_PX * 2 - 1).flatten(2))


def pose_warp(source_pose_BP2: Tensor, pose_BTP2: Tensor) -> Tensor:
    """Sampling transforms that carry a source picture to each driving pose, for `warp_maps`.

    Both point sets are one rigid shape in two poses, so that the least-squares similarity between them is exact.

    Parameters
    ----------
    source_pose_BP2, pose_BTP2
        Pose-only landmarks, px at a 256 scale.

    Returns
    -------
    Tensor
        ``[B, T, 2, 3]``: output position -> source position, both in [-1, 1].
    """
    source = source_pose_BP2[:, None] / LANDMARK_SCALE_PX * 2 - 1
    target = pose_BTP2 / LANDMARK_SCALE_PX * 2 - 1
    mean_s, mean_t = source.mean(2), target.mean(2)
    s, t = source - mean_s[:, :, None], target - mean_t[:, :, None]
    norm = (t**2).sum((2, 3)).clamp_min(1e-8)
    a = (t * s).sum((2, 3)) / norm
    b = (t[..., 0] * s[..., 1] - t[..., 1] * s[..., 0]).sum(2) / norm
    linear = torch.stack([torch.stack([a, -b], -1), torch.stack([b, a], -1)], -2)
    shift = mean_s - torch.einsum("btij,btj->bti", linear, mean_t)
    return torch.cat([linear, shift[..., None]], -1)


def warp_maps(maps_BCHW: Tensor, transform_BT23: Tensor) -> Tensor:
    """Sample each map once per frame, ``[B, C, h, w] -> [B T, C, h, w]``; beyond the edge the edge is repeated."""
    b, t = transform_BT23.shape[:2]
    _, c, h, w = maps_BCHW.shape
    grid = F.affine_grid(transform_BT23.flatten(0, 1), [b * t, c, h, w], align_corners=False)
    repeated = maps_BCHW[:, None].expand(b, t, c, h, w).flatten(0, 1)
    return F.grid_sample(repeated, grid, mode="bilinear", padding_mode="border", align_corners=False)
