"""The training benchmark's counts and keys; its figures are not tested."""

from __future__ import annotations

import pytest
import torch
from tiny_data import tiny_config
from torch import nn

from eap.training.train_bench import Convolution, bare_loop, cost_of_step, measure


def test_counts_by_hand():
    """A 3x3 convolution of 2 to 4 channels on 8 x 8 px, stride 2, with both backwards, called twice; a matrix."""
    convolution, matrix = nn.Conv2d(2, 4, 3, 2, 1), nn.Linear(5, 3)
    x, y = torch.rand(6, 2, 8, 8, requires_grad=True), torch.rand(7, 5)

    def step():
        (convolution(x).sum() + convolution(x).sum() + matrix(y).sum()).backward()

    flops, counts = cost_of_step(step)
    assert counts == {Convolution((4, 2, 3, 3), (6, 2, 8, 8), (2, 2), (1, 1), 1): 2}
    forward = 2 * 6 * 4 * 4 * 4 * 2 * 9
    assert flops == 2 * 3 * forward + 2 * (2 * 7 * 5 * 3)  # the matrix's input needs no gradient


def test_counts_of_a_depthwise_convolution():
    convolution, x = nn.Conv2d(4, 4, 3, 1, 1, groups=4), torch.rand(2, 4, 8, 8, requires_grad=True)
    flops, counts = cost_of_step(lambda: convolution(x).sum().backward())
    assert counts == {Convolution((4, 1, 3, 3), (2, 4, 8, 8), (1, 1), (1, 1), 4): 1}
    assert flops == 3 * 2 * (2 * 8 * 8 * 4 * 9)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("groups", [1, 2])
def test_bare_loop_runs_at_least_once(precision, groups):
    shape = Convolution((4, 2 // groups, 3, 3), (6, 2, 8, 8), (2, 2), (1, 1), groups)
    assert min(bare_loop({shape: 2}, "cpu", precision)(0.0).values()) > 0


def test_one_line_of_figures(tiny_data):
    found = measure(tiny_config(), tiny_data, rounds=1, steps=1)
    assert found["steps_per_s"] > 0
    assert 0 <= found["data_wait_fraction"] <= 1
    assert found["flops_fraction"] > 0
    assert found["flops_fraction_of_own_mix"] > 0
    assert found["gflops_per_step"] > 0
    assert found["cpu_time"]["flops_fraction"] > 0
    assert found["batch"] == [4, 4]
