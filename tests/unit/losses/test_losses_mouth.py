"""L_mouth by hand."""

from __future__ import annotations

import math

import pytest
import torch

from eap.losses.mouth import mouth_loss

MASK = torch.ones(1, 1, dtype=torch.bool)


def lips(x=0.0, y=0.0, half_width=0.25):
    return torch.tensor([[[[x - half_width, y], [x + half_width, y]]]])


def test_a_constant_difference_counts_as_itself_wherever_the_mouth_is():
    real = torch.zeros(1, 1, 3, 16, 16)
    for place in (lips(), lips(0.5, -0.5), lips(half_width=0.0)):
        assert mouth_loss(real + 0.3, real, place, MASK).item() == pytest.approx(0.3, rel=1e-5)


def test_weight_falls_off_as_a_gaussian_of_half_the_mouths_width():
    """One wrong pixel at one standard deviation weighs exp(-1/2) of one at the centre."""
    real = torch.zeros(1, 1, 3, 17, 17)
    centre, aside = real.clone(), real.clone()
    centre[..., 8, 8] = 1
    aside[..., 8, 12] = 1  # 4 pixels of 2/17
    at = lips(half_width=4 * 2 / 17)
    ratio = mouth_loss(aside, real, at, MASK) / mouth_loss(centre, real, at, MASK)
    assert ratio.item() == pytest.approx(math.exp(-0.5), rel=1e-4)


def test_it_looks_where_the_mouth_is():
    real = torch.zeros(1, 1, 3, 16, 16)
    spoilt = real.clone()
    spoilt[..., 12:, :] = 1  # the lowest quarter
    assert mouth_loss(spoilt, real, lips(y=0.75), MASK) > 5 * mouth_loss(spoilt, real, lips(y=-0.5), MASK)


def test_padding_does_not_count():
    real = torch.zeros(1, 2, 3, 8, 8)
    spoilt = real + 0.1
    spoilt[:, 1] = torch.nan
    mask = torch.tensor([[True, False]])
    assert mouth_loss(spoilt, real, lips().expand(1, 2, 2, 2), mask).item() == pytest.approx(0.1, rel=1e-5)


def test_shapes_are_checked():
    real = torch.zeros(1, 1, 3, 8, 8)
    with pytest.raises(ValueError, match="generated frames"):
        mouth_loss(real[..., :4], real, lips(), MASK)
    with pytest.raises(ValueError, match="lips"):
        mouth_loss(real, real, lips()[:, :, :, :1], MASK)
