"""L_shape by hand."""

from __future__ import annotations

import pytest
import torch

from eap.evaluation.lip_distance import mouth_opening, mouth_width
from eap.losses.shape import UNIT_PX, concord_loss, mouth_moves, shape_loss

MASK = torch.ones(1, 2, dtype=torch.bool)


def test_equal_shapes_lose_nothing():
    shape = torch.randn(1, 2, 68, 2)
    assert shape_loss(shape, shape, MASK).item() == 0


@pytest.mark.parametrize(("point", "expected"), [(0, 1 / 68), (48, 1 / 68 + 1 / 20), (67, 1 / 68 + 1 / 20)])
def test_a_lip_point_counts_in_both_means(point, expected):
    real = torch.zeros(1, 2, 68, 2)
    implied = real.clone()
    implied[:, :, point] = torch.tensor([3.0, 4.0]) / UNIT_PX
    assert shape_loss(implied, real, MASK).item() == pytest.approx(5 * expected, rel=1e-5)


def test_padding_does_not_count():
    real = torch.zeros(1, 2, 68, 2)
    implied = real.clone()
    implied[:, 1] = torch.nan
    assert shape_loss(implied, real, torch.tensor([[True, False]])).item() == 0


def test_moves_of_a_mouth_are_those_that_scores_read():
    """Deviations add to a level neutral face as its opening and width do, in px."""
    generator = torch.Generator().manual_seed(0)
    neutral = torch.randn(68, 2, generator=generator, dtype=torch.float64)
    neutral[[48, 54]] = torch.tensor([[-1.0, 0.5], [1.0, 0.5]], dtype=torch.float64)
    deviation = 0.1 * torch.randn(1, 3, 68, 2, generator=generator, dtype=torch.float64)
    deviation[:, :, 54, 1] = deviation[:, :, 48, 1]  # a width is measured along the line of the corners
    faces = (neutral + deviation)[0].numpy()
    for at, read in enumerate((mouth_opening, mouth_width)):
        expected = read(faces) - read(neutral.numpy()[None])
        assert mouth_moves(deviation)[0, :, at].numpy() == pytest.approx(expected, abs=1e-9)


def test_a_mouth_that_moves_too_little_costs_by_hand():
    # Opening: real 0, 2, implied 0.5, 1.5: covariance 0.5, variances 1 and 0.25, equal means: CCC = 1 / 1.25 = 0.8.
    # Width: equal. 1 - (0.8 + 1) / 2 = 0.1. As far as the real one: 0.
    real = torch.tensor([[[0.0, 1.0], [2.0, 3.0]]])
    implied = torch.tensor([[[0.5, 1.0], [1.5, 3.0]]])
    assert concord_loss(implied, real, MASK).item() == pytest.approx(0.1, abs=1e-6)
    assert concord_loss(real, real, MASK).item() == pytest.approx(0, abs=1e-6)


def test_moments_of_mouths_are_pooled_without_padding():
    real = torch.tensor([[[0.0, 1.0], [torch.nan, torch.nan]], [[2.0, 3.0], [torch.nan, torch.nan]]])
    implied = torch.tensor([[[0.5, 1.0], [torch.nan, torch.nan]], [[1.5, 3.0], [torch.nan, torch.nan]]])
    mask = torch.tensor([[True, False], [True, False]])
    assert concord_loss(implied, real, mask).item() == pytest.approx(0.1, abs=1e-6)


def test_still_mouths_cost_one_and_teach_finitely():
    real = torch.tensor([[[0.0, 1.0], [2.0, 3.0]]])
    implied = torch.zeros_like(real).requires_grad_()
    loss = concord_loss(implied, real, MASK)
    loss.backward()
    assert loss.item() == pytest.approx(1, abs=1e-6)
    assert torch.isfinite(implied.grad).all()
    assert implied.grad.abs().sum() > 0
