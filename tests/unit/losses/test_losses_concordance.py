"""Correlations by hand."""

from __future__ import annotations

import pytest
import torch

from eap.losses.concordance import correlations


def test_hand_values_of_each_column():
    # 0, 1 against 0, 0.5: covariance 0.125, variances 0.25 and 0.0625, means 0.5 and 0.25.
    # 0, 1 against 1, 0: as far, the other way.
    predicted = torch.tensor([[0.0, 0.0], [1.0, 1.0]], dtype=torch.float64)
    target = torch.tensor([[0.0, 1.0], [0.5, 0.0]], dtype=torch.float64)
    pcc_2, ccc_2 = correlations(predicted, target)
    assert pcc_2.tolist() == pytest.approx([1, -1], abs=1e-5)
    assert ccc_2.tolist() == pytest.approx([2 / 3, -1], abs=1e-5)


def test_what_does_not_vary_has_no_correlation_and_no_gradient_that_is_not_a_number():
    predicted = torch.full((3, 1), 0.5, requires_grad=True)
    pcc_1, ccc_1 = correlations(predicted, torch.full((3, 1), 0.5))
    (pcc_1 + ccc_1).sum().backward()
    assert pcc_1.item() == ccc_1.item() == 0
    assert torch.isfinite(predicted.grad).all()
