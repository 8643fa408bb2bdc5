"""Landmarks that speech and emotion imply, the flow onto them, and the maps that the decoder sees."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from tiny_data import landmarks

from eap.data.pose import pose_only_landmarks, to_canonical
from eap.models import geometry
from eap.models.geometry import (
    NOTHING,
    REACH,
    copied_share,
    driving_landmarks,
    guide_maps,
    inside,
    landmark_flow,
    mouth_share,
    pixel_centres,
    pull,
    to_grid,
)
from eap.models.pose_encoder import pose_warp

POINTS = landmarks("ann/happy-0.mp4").astype(np.float32) * 4
SHAPE = to_canonical(POINTS).mean(0)
POSE = torch.from_numpy(pose_only_landmarks(POINTS, SHAPE).astype(np.float32))
SAME = torch.eye(2, 3)[None]


def test_deviation_from_the_neutral_shape_gives_the_landmarks_back():
    """`ClipStore.shape_TP2` and `driving_landmarks` are each other's inverse, up to the mean shape's own scale."""
    deviation = torch.from_numpy((to_canonical(POINTS, SHAPE) - SHAPE).astype(np.float32))
    rebuilt = driving_landmarks(POSE[None], deviation[None])[0].numpy()
    assert np.abs(rebuilt - POINTS).max() < 0.5
    assert np.abs(POSE.numpy() - POINTS).max() > 5


def test_a_turned_head_turns_the_deviation():
    quarter = torch.tensor([[0.0, 1.0], [-1.0, 0.0]])  # x to y: clockwise on the screen
    deviation = torch.zeros(1, 1, 68, 2)
    deviation[..., 57, 1] = 0.1
    straight = driving_landmarks(POSE[None, :1], deviation) - POSE[None, :1]
    turned_pose = (POSE[:1] - 128) @ quarter + 128
    turned = driving_landmarks(turned_pose[None], deviation) - turned_pose[None]
    torch.testing.assert_close(turned, straight @ quarter, atol=1e-3, rtol=0)
    assert straight[..., 57, 1] > 3


def test_without_displacement_the_flow_is_the_pose():
    flow = landmark_flow(to_grid(POSE[:1]), to_grid(POSE[:1]), SAME, 16)
    torch.testing.assert_close(flow, pixel_centres(16, flow.device, flow.dtype).view(1, 16, 16, 2), atol=1e-5, rtol=0)


def test_flow_carries_each_landmark_to_its_source():
    source, driving = to_grid(torch.from_numpy(POINTS[:1])), to_grid(torch.from_numpy(POINTS[7:8]))
    transform = pose_warp(POSE[:1], POSE[None, 7:8])[0]
    flow = landmark_flow(source, driving, transform, 64)
    found = F.grid_sample(flow.permute(0, 3, 1, 2), driving[:, :, None], align_corners=False)[..., 0].mT
    error_px = (found - source).norm(dim=-1) * 128
    assert error_px.mean() < 0.5
    by_pose = driving @ transform[..., :2].mT + transform[:, None, :, 2]
    assert ((by_pose - source).norm(dim=-1) * 128).max() > 4
    # Far from the face the pose decides.
    corner = pixel_centres(64, flow.device, flow.dtype)[:1] @ transform[0, :, :2].mT + transform[0, :, 2]
    torch.testing.assert_close(flow[0, 0, :1], corner, atol=2e-3, rtol=0)


def test_a_landmarks_pull_is_flat_at_it_and_gone_half_a_mouth_away():
    at_0, near, at_reach, far = pull(torch.tensor([0.0, 0.1, 1.0, 4.0]) * REACH)
    assert at_0 == 1
    assert near > 0.98
    assert at_reach.item() == pytest.approx((1 + 3**0.5) * math.exp(-(3**0.5)))
    assert far < 0.01
    points = torch.rand(68, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert torch.linalg.eigvalsh(pull(torch.cdist(points, points))).min() > 0


def test_chunks_change_nothing(monkeypatch):
    source, driving = to_grid(POSE[:5]), to_grid(torch.from_numpy(POINTS[5:10]))
    transform = SAME.expand(5, 2, 3)
    whole = landmark_flow(source, driving, transform, 16)
    monkeypatch.setattr(geometry, "CHUNK", 2 * 16 * 16 * 68)
    torch.testing.assert_close(landmark_flow(source, driving, transform, 16), whole, atol=1e-6, rtol=0)


def test_coinciding_landmarks_with_different_sources_stay_finite():
    """A shut mouth: inner lips coincide, while the source's are 20 px apart."""
    driving = to_grid(torch.from_numpy(POINTS[:1])).clone()
    driving[:, [67, 66, 65]] = driving[:, [61, 62, 63]]
    source = driving.clone()
    source[:, [67, 66, 65], 1] += 20 / 128
    flow = landmark_flow(source, driving.requires_grad_(), SAME, 32)
    flow.square().sum().backward()
    assert flow.abs().max() < 2
    assert driving.grad.isfinite().all()


def test_inside_of_a_square():
    square = torch.tensor([[[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]]])  # clockwise, y down
    at = torch.tensor([[0.0, 0.0], [0.4, 0.4], [0.6, 0.0], [0.0, -0.9]])
    assert (inside(at, square)[0] > 0.5).tolist() == [True, True, False, False]
    flat = square * torch.tensor([1.0, 0.0])
    assert inside(at, flat).max() < 0.2


def test_guides_show_mouth_lips_eyes_and_stretch():
    points = POINTS[:1].copy()
    points[:, [67, 66, 65], 1] += 12  # an open mouth
    driving = to_grid(torch.from_numpy(points))
    side = 64
    at = pixel_centres(side, driving.device, driving.dtype)
    flow = (at * torch.tensor([1.0, 0.5])).view(1, side, side, 2)  # the source is stretched to twice its height
    mouth, lips, eyes, stretch = guide_maps(driving, flow)[0]

    def value(map_HW, point):
        x, y = ((point + 1) / 2 * side).long().clamp(0, side - 1)
        return map_HW[y, x].item()

    centre = driving[0, 60:68].mean(0)
    assert value(mouth, centre) > 0.5
    assert value(lips, centre) > 0.5
    assert value(mouth, driving[0, 30]) < 0.01  # the nose
    assert value(eyes, driving[0, 36:42].mean(0)) > value(eyes, driving[0, 30]) + 0.2
    torch.testing.assert_close(stretch, torch.full_like(stretch, np.log(2)), atol=1e-3, rtol=0)


def test_an_opening_mouth_is_not_copied():
    """A shut mouth that opens: its inside is stretched lip. The other way round, everything can be copied."""
    shut = to_grid(torch.from_numpy(POINTS[:1])).clone()
    shut[:, [67, 66, 65]] = shut[:, [61, 62, 63]] + torch.tensor([0.0, 0.01])
    opened = shut.clone()
    opened[:, [67, 66, 65, *range(55, 60), *range(5, 12)], 1] += 0.1
    side = 64
    x, y = ((opened[0, [62, 66]].mean(0) + 1) / 2 * side).long()
    for source, driving, at_mouth in (
        (shut, opened, (0.0, 0.2)),
        (opened, shut, (0.8, 1.0)),
        (opened, opened, (0.9, 1.0)),
    ):
        share = copied_share(guide_maps(driving, landmark_flow(source, driving, SAME, side)))[0, 0]
        assert at_mouth[0] <= share[y, x] <= at_mouth[1]
        assert share[:8].min() > 0.9  # above the face


def test_a_closing_mouth_folds_no_skin():
    """The shut inner lips coincide, and their displacements are opposite: the ridge keeps the flow's area positive."""
    shut = to_grid(torch.from_numpy(POINTS[:1])).clone()
    shut[:, [67, 66, 65]] = shut[:, [61, 62, 63]] + torch.tensor([0.0, 0.01])
    opened = shut.clone()
    opened[:, [67, 66, 65, *range(55, 60), *range(5, 12)], 1] += 0.1
    flow = landmark_flow(opened, shut, SAME, 64)
    dx, dy = torch.gradient(flow, spacing=2 / 64, dim=(2, 1))
    assert (dx[..., 0] * dy[..., 1] - dx[..., 1] * dy[..., 0]).min() > 0.2


def test_membership_is_exactly_nothing_away_from_a_part():
    """No tail of numbers too small for a CPU: each share is 0, or at least NOTHING."""
    driving = to_grid(torch.from_numpy(POINTS[:1]))
    parts = guide_maps(driving, landmark_flow(driving, driving, SAME, 64))[0, :3]
    assert (parts == 0).float().mean() > 0.5
    assert parts[parts > 0].min() >= NOTHING


def test_the_mouths_share_reaches_a_little_beyond_the_lips():
    driving = to_grid(torch.from_numpy(POINTS[:1]))
    side = 64
    share = mouth_share(guide_maps(driving, landmark_flow(driving, driving, SAME, side)))[0, 0]

    def value(point):
        x, y = ((point + 1) / 2 * side).long()
        return share[y, x].item()

    assert value(driving[0, 48:60].mean(0)) > 0.9
    assert value(driving[0, 57] + torch.tensor([0.0, 1.0]) * 2 / side) > 0.3  # a pixel below the lower lip
    assert max(value(driving[0, i]) for i in (8, 19, 24, 28, 37, 43)) < 0.05  # chin, brows, nose, eyes


def test_gradient_of_a_pixel_reaches_the_driving_landmarks():
    driving = to_grid(torch.from_numpy(POINTS[:1])).requires_grad_()
    flow = landmark_flow(to_grid(POSE[:1]), driving, SAME, 32)
    flow[0, 24, 16, 1].backward()
    assert driving.grad[0, 48:].abs().sum() > 0
