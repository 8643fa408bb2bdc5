"""The loss of implied landmarks: L_shape, and the mouths' concordance where it is asked for."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from eap.losses.shape import concord_loss, mouth_moves, shape_loss
from eap.training.implied import implied_loss


@pytest.fixture
def implied_and_batch():
    generator = torch.Generator().manual_seed(0)
    implied, real = (0.1 * torch.randn(2, 5, 68, 2, generator=generator) for _ in range(2))
    return implied, SimpleNamespace(shape_BTP2=real, mask_BT=torch.ones(2, 5, dtype=torch.bool))


def test_without_concord_it_is_l_shape(implied_and_batch):
    implied, batch = implied_and_batch
    assert torch.equal(implied_loss(implied, batch, 0), shape_loss(implied, batch.shape_BTP2, batch.mask_BT))


def test_concord_is_added_with_its_weight(implied_and_batch):
    implied, batch = implied_and_batch
    moves = mouth_moves(implied), mouth_moves(batch.shape_BTP2)
    expected = shape_loss(implied, batch.shape_BTP2, batch.mask_BT) + 10 * concord_loss(*moves, batch.mask_BT)
    torch.testing.assert_close(implied_loss(implied, batch, 10), expected)
