"""L_shape by hand."""

from __future__ import annotations

import pytest
import torch

from eap.losses.shape import UNIT_PX, shape_loss

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
