"""The warp that a pose implies, against `eap.data.pose` and against pictures whose warp is known exactly."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny_data import landmarks

from eap.data.pose import LANDMARK_SCALE_PX, apply_transform, fit_similarity, pose_only_landmarks, to_canonical
from eap.models.pose_encoder import PoseEncoder, affine_grids, pose_warp, resize_maps, warp_maps

CENTRE = LANDMARK_SCALE_PX / 2


def moved(points_P2: torch.Tensor, angle: float = 0, scale: float = 1, shift=(0.0, 0.0)) -> torch.Tensor:
    """Points turned and scaled about the picture's centre, then shifted (px, y down)."""
    c, s = scale * np.cos(angle), scale * np.sin(angle)
    matrix = torch.tensor([[c, -s], [s, c]], dtype=torch.float32)
    return (points_P2 - CENTRE) @ matrix.T + CENTRE + torch.tensor(shift)


@pytest.fixture
def shape_P2():
    torch.manual_seed(0)
    return torch.rand(68, 2) * 128 + 64


def test_pose_encoder_shape():
    assert PoseEncoder(68, 24)(torch.rand(2, 5, 68, 2) * 256).shape == (2, 5, 24)


def test_own_pose_is_no_warp(shape_P2):
    transform = pose_warp(shape_P2[None], shape_P2[None, None])
    torch.testing.assert_close(transform[0, 0], torch.eye(2, 3), atol=1e-6, rtol=0)
    maps = torch.randn(1, 4, 16, 16)
    torch.testing.assert_close(warp_maps(maps, affine_grids(transform, 16)), maps, atol=1e-4, rtol=0)


def test_shift_by_whole_cells_is_exact(shape_P2):
    # 16 px are one cell of a 16 x 16 map.
    maps = torch.randn(1, 4, 16, 16)
    transform = pose_warp(shape_P2[None], moved(shape_P2, shift=(32.0, -16.0))[None, None])
    warped = warp_maps(maps, affine_grids(transform, 16))
    torch.testing.assert_close(warped[..., :-1, 2:], maps[..., 1:, :-2], atol=1e-4, rtol=0)


def test_quarter_turn_is_exact(shape_P2):
    # y points down: a positive angle turns x towards y, clockwise on the screen.
    maps = torch.randn(1, 4, 16, 16)
    transform = pose_warp(shape_P2[None], moved(shape_P2, angle=np.pi / 2)[None, None])
    torch.testing.assert_close(warp_maps(maps, affine_grids(transform, 16)), maps.rot90(-1, (2, 3)), atol=1e-4, rtol=0)


def test_features_travel_with_the_points(shape_P2):
    """A blob at a landmark of the source lies at that landmark of the driving pose."""
    target = moved(shape_P2, angle=0.3, scale=1.2, shift=(7.0, -11.0))
    side = 64
    grid = (torch.arange(side) + 0.5) * 256 / side
    y, x = torch.meshgrid(grid, grid, indexing="ij")

    def blob(point):
        return torch.exp(-((x - point[0]) ** 2 + (y - point[1]) ** 2) / (2 * 12**2))

    maps = torch.stack([blob(p) for p in shape_P2[:10]])[None]
    warped = warp_maps(maps, affine_grids(pose_warp(shape_P2[None], target[None, None]), side))[0]
    mass = warped.sum((1, 2))
    found = torch.stack([(warped * x).sum((1, 2)) / mass, (warped * y).sum((1, 2)) / mass], -1)
    torch.testing.assert_close(found, target[:10], atol=0.5, rtol=0)


def test_agrees_with_fit_similarity():
    """Driving to source, in px, is what `fit_similarity` finds between the same pose-only landmarks."""
    points = landmarks("ann/happy-0.mp4") * 4
    shape = to_canonical(points).mean(0)
    poses = pose_only_landmarks(points, shape).astype(np.float32)
    transform = pose_warp(torch.from_numpy(poses[:1]), torch.from_numpy(poses[None]))[0].numpy()
    expected = fit_similarity(poses, poses[0])
    queries = np.random.default_rng(0).uniform(0, 256, (5, 2))
    warped = (apply_transform(transform, queries / CENTRE - 1) + 1) * CENTRE
    np.testing.assert_allclose(warped, apply_transform(expected, queries), atol=1e-2)
    # and it carries every driving pose exactly onto the source's
    np.testing.assert_allclose(apply_transform(expected, poses)[7], poses[0], atol=1e-2)


def test_each_frame_of_each_clip_has_its_own_warp(shape_P2):
    maps = torch.randn(2, 3, 16, 16)
    poses = torch.stack([torch.stack([shape_P2, moved(shape_P2, shift=(16.0 * (b + 1), 0.0))]) for b in range(2)])
    warped = warp_maps(maps, affine_grids(pose_warp(shape_P2.expand(2, 68, 2), poses), 16)).unflatten(0, (2, 2))
    torch.testing.assert_close(warped[:, 0], maps, atol=1e-4, rtol=0)
    for b in range(2):
        torch.testing.assert_close(warped[b, 1, :, :, b + 1 :], maps[b, :, :, : -b - 1], atol=1e-4, rtol=0)


def test_a_flow_serves_maps_of_other_resolutions(shape_P2):
    """The grid of a similarity is linear in the position: brought to another resolution it is the same inside."""
    transform = pose_warp(shape_P2[None], moved(shape_P2, angle=0.2, scale=1.1)[None, None])
    fine, coarse = torch.randn(1, 3, 32, 32), torch.randn(1, 3, 8, 8)
    flow = affine_grids(transform, 16)
    for maps in (fine, coarse):
        expected = warp_maps(maps, affine_grids(transform, maps.shape[-1]))
        torch.testing.assert_close(warp_maps(maps, flow)[..., 2:-2, 2:-2], expected[..., 2:-2, 2:-2], atol=1e-4, rtol=0)


def test_resize_maps():
    ramp = torch.arange(8.0).expand(1, 1, 8, 8)
    assert resize_maps(ramp, 8) is ramp
    assert resize_maps(ramp, 4)[0, 0, 0].tolist() == [0.5, 2.5, 4.5, 6.5]
    assert resize_maps(ramp, 16)[0, 0, 0, 1:5].tolist() == [0.25, 0.75, 1.25, 1.75]
