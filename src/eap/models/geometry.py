"""Explicit geometry: landmarks that speech and emotion imply, and the flow that carries the source face onto them.

CHOSEN (ADR 20). Coordinates are those of `grid_sample`: [-1, 1], x right, y down, pixel edges at the ends.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from eap.data.pose import LANDMARK_SCALE_PX, RIGID

REACH = 0.1
"""How far a landmark pulls (to half at 0.97 of it), in units of half the picture: about a quarter of a mouth."""
RIDGE = 0.03
"""Landmarks that coincide (a shut mouth's inner lips) with different displacements are met half-way, not torn."""
CHUNK = 1 << 18
"""Distances computed at once: what stays in a core's cache is done five times as fast."""
EDGE = 1 / 32
"""Softness of a drawn region's edge, in units of half the picture: 1 px of a 64-px picture."""
OUTER_LIPS = tuple(range(48, 60))
INNER_LIPS = tuple(range(60, 68))
RIGHT_EYE, LEFT_EYE = tuple(range(36, 42)), tuple(range(42, 48))
COPY_STRETCH, COPY_SHARPNESS = 2.5, 4.0
"""Area's ratio at which a stretched source is half trusted, and how sharply trust falls (per unit of its logarithm)."""
MARGIN_PX = 2
"""How far beyond the lips is painted, px of the flow's grid: predicted outlines err by about as much."""
NOTHING = 1e-4
"""Membership that counts as none. A sigmoid's tail never ends, and products with it are numbers so small that a CPU
takes twenty times as long over them (ADR 41)."""
N_GUIDES = 4
"""Maps that `guide_maps` draws."""


def driving_landmarks(pose_BTP2: Tensor, deviation_BTP2: Tensor) -> Tensor:
    """Pose-only landmarks moved by a deviation of the shape: ``[B, T, 68, 2]``, px at a 256 scale.

    Parameters
    ----------
    pose_BTP2
        Pose-only landmarks, px at a 256 scale: their own scale and rotation place the deviation in the picture.
    deviation_BTP2
        Deviation from the neutral shape, canonical units (`eap.data.pose`).
    """
    rigid = pose_BTP2[..., list(RIGID), :]
    spread = (rigid - rigid.mean(-2, keepdim=True)).square().sum(-1).mean(-1).sqrt()
    eyes = pose_BTP2[..., 45, :] - pose_BTP2[..., 36, :]
    direction = eyes / torch.linalg.vector_norm(eyes, dim=-1, keepdim=True).clamp_min(1e-6) * spread[..., None]
    c, s = direction[..., 0, None], direction[..., 1, None]
    x, y = deviation_BTP2.unbind(-1)
    return pose_BTP2 + torch.stack([c * x - s * y, s * x + c * y], -1)


def to_grid(points_px: Tensor) -> Tensor:
    """Px at a 256 scale to [-1, 1]."""
    return points_px / LANDMARK_SCALE_PX * 2 - 1


def pixel_centres(side: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Centres of a square map's pixels, ``[side^2, 2]`` in [-1, 1], row by row."""
    line = (torch.arange(side, device=device, dtype=dtype) + 0.5) * 2 / side - 1
    y, x = torch.meshgrid(line, line, indexing="ij")
    return torch.stack([x, y], -1).flatten(0, 1)


def landmark_flow(source_NP2: Tensor, driving_NP2: Tensor, transform_N23: Tensor, side: int) -> Tensor:
    """Where in the source each pixel of the output comes from: ``[N, side, side, 2]``, for `grid_sample`.

    The pose's similarity plus radial basis functions at the driving landmarks, whose weights carry each of them onto
    the source's own: near a landmark the landmark decides, far from all of them the pose.

    Parameters
    ----------
    source_NP2, driving_NP2
        ``[N, P, 2]`` landmarks in [-1, 1].
    transform_N23
        `eap.models.pose_encoder.pose_warp`'s transform, output position -> source position.
    """
    linear, shift = transform_N23[..., :2], transform_N23[:, None, :, 2]
    rest = source_NP2 - (driving_NP2 @ linear.mT + shift)
    kernel = pull(torch.cdist(driving_NP2, driving_NP2, compute_mode="donot_use_mm_for_euclid_dist"))
    identity = torch.eye(kernel.shape[-1], device=kernel.device, dtype=kernel.dtype)
    weights = torch.linalg.solve(kernel + RIDGE * identity, rest)
    at = pixel_centres(side, kernel.device, kernel.dtype)
    few = max(CHUNK // (side**2 * kernel.shape[-1]), 1)
    near = [
        pull(torch.cdist(at.expand(len(points), -1, -1), points)) @ weight
        for points, weight in zip(driving_NP2.split(few), weights.split(few), strict=True)
    ]
    return (at @ linear.mT + shift + torch.cat(near)).unflatten(1, (side, side))


def pull(distance: Tensor) -> Tensor:
    """A landmark's pull at a distance: Matern's function of smoothness 3/2, positive definite (ADR 41).

    With a cusp instead, or with twice the reach, less of an emotion is read in warped faces.
    """
    scaled = 3**0.5 / REACH * distance
    return (1 + scaled) * torch.exp(-scaled)


def guide_maps(driving_NP2: Tensor, flow_NHW2: Tensor) -> Tensor:
    """What the decoder should know about the driving landmarks: ``[N, 4, H, W]``.

    Inside of the mouth, lips with it, inside of the eyes (all 0 .. 1, soft-edged), and how much the flow stretches the
    source (logarithm of the area's ratio, clamped): where nothing can be copied, something must be painted.
    """
    side = flow_NHW2.shape[1]
    at = pixel_centres(side, driving_NP2.device, driving_NP2.dtype)
    mouth, lips = inside(at, driving_NP2[:, INNER_LIPS]), inside(at, driving_NP2[:, OUTER_LIPS])
    eyes = inside(at, driving_NP2[:, RIGHT_EYE]) + inside(at, driving_NP2[:, LEFT_EYE])
    dx, dy = torch.gradient(flow_NHW2, spacing=2 / side, dim=(2, 1))
    area = dx[..., 0] * dy[..., 1] - dx[..., 1] * dy[..., 0]
    stretch = -area.abs().clamp(0.05, 20).log()
    return torch.cat([torch.stack([mouth, lips, eyes], 1).unflatten(2, (side, side)), stretch[:, None]], 1)


def copied_share(guides_N4HW: Tensor) -> Tensor:
    """How far the warped source may be trusted, ``[N, 1, H, W]``: 1, falling to 0 where it is stretched too much.

    There a mouth or an eye opens that is shut in the source: what is stretched is lip or lid, which does not belong.
    """
    return torch.sigmoid(COPY_SHARPNESS * (math.log(COPY_STRETCH) - guides_N4HW[:, 3:]))


def mouth_share(guides_N4HW: Tensor) -> Tensor:
    """Lips and what is within, with a margin: ``[N, 1, H, W]``, 0 .. 1, soft-edged."""
    wide = F.max_pool2d(guides_N4HW[:, 1:2], 2 * MARGIN_PX + 1, 1, MARGIN_PX)
    return F.avg_pool2d(wide, 3, 1, 1, count_include_pad=False)


def inside(at_Q2: Tensor, polygon_NV2: Tensor) -> Tensor:
    """Soft membership ``[N, Q]`` of points in convex polygons whose corners run clockwise on the screen.

    On an edge the membership is 0.12, and so it is on the line to which a polygon without area (a shut mouth) shrinks.
    """
    start, end = polygon_NV2, polygon_NV2.roll(-1, 1)
    edge = end - start
    edge = edge / torch.linalg.vector_norm(edge, dim=-1, keepdim=True).clamp_min(1e-6)
    # The inward normal of a clockwise edge (x right, y down) is (-dy, dx).
    normal = torch.stack([-edge[..., 1], edge[..., 0]], -1)
    depth = normal @ at_Q2.T - (normal * start).sum(-1, keepdim=True)
    share = torch.sigmoid(4 * depth.amin(1) / EDGE - 2)
    return torch.where(share > NOTHING, share, 0)
