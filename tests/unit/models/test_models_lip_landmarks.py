"""The landmark student."""

from __future__ import annotations

import pytest
import torch

from eap.models.lip_landmarks import LandmarkStudent


@pytest.fixture
def student():
    torch.manual_seed(0)
    return LandmarkStudent(4, 64, torch.rand(68, 2) * 256)


def test_landmarks_of_each_frame(student):
    frames = torch.randn(3, 3, 64, 64)
    points = student(frames)
    assert points.shape == (3, 68, 2)
    torch.testing.assert_close(points[1], student(frames[1:2])[0], atol=1e-3, rtol=0)
    torch.testing.assert_close(student.landmarks(student.features(frames)), points)


def test_starts_from_the_mean_shape(student):
    torch.nn.init.zeros_(student.head[-1].weight)
    torch.nn.init.zeros_(student.head[-1].bias)
    points = student(torch.randn(2, 3, 64, 64))
    torch.testing.assert_close(points, student.mean_shape.expand(2, 68, 2))


@pytest.mark.parametrize(("side", "maps"), [(64, [64, 32, 16, 8, 4]), (32, [32, 16, 8, 4, 2]), (8, [8, 4, 2])])
def test_features_at_every_resolution(student, side, maps):
    """Small pictures of L_per's pyramid give fewer layers, not vanishing ones."""
    assert [f.shape[-1] for f in student.features(torch.randn(1, 3, side, side))] == maps


def test_scales_divide_features_and_leave_landmarks(student):
    frames = torch.randn(2, 3, 64, 64)
    points, plain = student(frames), student.features(frames)
    student.feature_scale.copy_(torch.tensor([0.1, 0.3, 2.0, 5.0, 0.01]))
    for scaled, feature, scale in zip(student.features(frames), plain, student.feature_scale, strict=True):
        torch.testing.assert_close(scaled * scale, feature)
    torch.testing.assert_close(student(frames), points, atol=1e-3, rtol=0)


def test_gradient_reaches_the_picture(student):
    frames = torch.randn(1, 3, 64, 64, requires_grad=True)
    student(frames)[:, 48:].sum().backward()
    assert frames.grad.abs().sum() > 0
