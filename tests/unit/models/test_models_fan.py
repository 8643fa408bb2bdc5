"""FAN under L_lip: the published shapes, sub-pixel reading, gradients to the pixels."""

from __future__ import annotations

import pytest
import torch
from face_alignment.models import FAN
from torch import nn

from eap.models.fan import FACE_PX, HEAT_SIDE, SIDE, FanLandmarks, soft_argmax


def peaks(points_NP2, side=HEAT_SIDE):
    """Heatmaps with a Gaussian of one entry's width at each point (x, y), as FAN was trained to draw."""
    at = torch.arange(side, dtype=points_NP2.dtype) + 0.5
    x = torch.exp(-((at - points_NP2[..., 0, None]) ** 2) / 2)
    y = torch.exp(-((at - points_NP2[..., 1, None]) ** 2) / 2)
    return y[..., :, None] * x[..., None, :]


@pytest.mark.parametrize("shift", [0.0, 0.2, 0.5, 0.73])
def test_peaks_are_found_between_the_entries(shift):
    points = torch.tensor([[[20.5, 30.5], [33.0, 12.0], [50.5, 50.5]]]) + shift
    torch.testing.assert_close(soft_argmax(peaks(points)), points, atol=0.02, rtol=0)


def test_a_second_peak_does_not_pull():
    heat = peaks(torch.tensor([[[20.5, 30.5]]])) + 0.9 * peaks(torch.tensor([[[45.5, 30.5]]]))
    torch.testing.assert_close(soft_argmax(heat), torch.tensor([[[20.5, 30.5]]]), atol=0.02, rtol=0)


def test_peaks_at_the_edge_and_maps_without_any():
    assert soft_argmax(peaks(torch.tensor([[[0.5, 63.5]]])))[0, 0].tolist() == pytest.approx([0.95, 63.05], abs=0.2)
    empty = torch.full((1, 1, 64, 64), -1.0)
    empty[0, 0, 7, 9] = -0.5
    assert soft_argmax(empty)[0, 0].tolist() == [9.5, 7.5]


def test_gradcheck_and_direction():
    heat = peaks(torch.tensor([[[3.3, 4.6], [5.1, 2.2]]], dtype=torch.float64), side=8).requires_grad_()
    assert torch.autograd.gradcheck(soft_argmax, heat)
    soft_argmax(heat)[0, 0, 0].backward()
    gradient = heat.grad[0, 0]
    assert gradient[4, 6] > 0 > gradient[4, 1]  # more heat on the right moves the point to the right
    assert (heat.grad[0, 1] == 0).all()


class Drawn(nn.Module):
    """Stands for the network: where the picture is brightest, every heatmap peaks."""

    def forward(self, x):
        small = nn.functional.avg_pool2d(x.mean(1, keepdim=True), SIDE // HEAT_SIDE)
        return [torch.zeros_like(small), small.expand(-1, 68, -1, -1)]


@pytest.mark.parametrize("side", [64, 256])
def test_points_come_back_in_the_frames_own_px(side):
    at = (torch.arange(side) + 0.5) * 256 / side
    x, y = 100.0, 180.0
    spot = torch.exp(-((at[None] - x) ** 2 + (at[:, None] - y) ** 2) / (2 * 10.0**2))
    frames = (2 * spot - 1).expand(2, 3, side, side)
    points = FanLandmarks(Drawn())(frames)
    assert points.shape == (2, 68, 2)
    assert points[0, 0].tolist() == pytest.approx([x, y], abs=1.0)


def test_the_face_is_shown_in_black_surroundings():
    seen = []

    class Watching(Drawn):
        def forward(self, x):
            seen.append(x)
            return super().forward(x)

    FanLandmarks(Watching())(torch.ones(1, 3, 64, 64))
    (x,) = seen
    assert x.shape == (1, 3, SIDE, SIDE)
    assert (x > 0.999).sum() == 3 * FACE_PX**2
    assert (x == 0).sum() == 3 * (SIDE**2 - FACE_PX**2)


def test_gradients_reach_the_pixels_of_the_published_network():
    """One hourglass of the four: the same parts, a quarter of the time."""
    torch.manual_seed(0)
    fan = FanLandmarks(FAN(1)).eval().requires_grad_(False)
    frames = torch.rand(1, 3, 64, 64).mul(2).sub(1).requires_grad_()
    fan(frames)[:, 48:68].sum().backward()
    assert frames.grad.isfinite().all()
    assert frames.grad.abs().sum() > 0
    assert all(p.grad is None for p in fan.parameters())
