"""The pose encoder and the warp that a pose implies."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from eap.data.pose import LANDMARK_SCALE_PX


class PoseEncoder(nn.Module):
    """Pose-only landmarks to vectors, ``[B, T, P, 2] -> [B, T, D]``: an MLP. CHOSEN."""

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


def affine_grids(transform_BT23: Tensor, side: int) -> Tensor:
    """Sampling positions of `pose_warp`'s transforms for a square map: ``[B, T, side, side, 2]``."""
    b, t = transform_BT23.shape[:2]
    grid = F.affine_grid(transform_BT23.flatten(0, 1), [b * t, 1, side, side], align_corners=False)
    return grid.unflatten(0, (b, t))


def warp_maps(maps_BCHW: Tensor, flow_BTHW2: Tensor) -> Tensor:
    """Sample each map once per frame, ``[B, C, h, w] -> [B T, C, h, w]``; beyond the edge the edge is repeated.

    Parameters
    ----------
    flow_BTHW2
        Sampling positions in [-1, 1] on a grid of any resolution; it is brought to the map's.
    """
    b, t = flow_BTHW2.shape[:2]
    _, c, h, w = maps_BCHW.shape
    grid = resize_maps(flow_BTHW2.flatten(0, 1).permute(0, 3, 1, 2), h).permute(0, 2, 3, 1)
    repeated = maps_BCHW[:, None].expand(b, t, c, h, w).flatten(0, 1)
    return F.grid_sample(repeated, grid, mode="bilinear", padding_mode="border", align_corners=False)


def resize_maps(maps_NCHW: Tensor, side: int) -> Tensor:
    """Square maps at another resolution: area means down, bilinear up."""
    here = maps_NCHW.shape[-1]
    if side == here:
        return maps_NCHW
    if side < here:
        return F.adaptive_avg_pool2d(maps_NCHW, side)
    return F.interpolate(maps_NCHW, size=(side, side), mode="bilinear", align_corners=False)
