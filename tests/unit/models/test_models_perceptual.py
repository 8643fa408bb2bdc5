"""VGG19 under L_per."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torchvision.models import vgg

from eap.models import perceptual
from eap.models.perceptual import Vgg19Features


def layers() -> nn.Sequential:
    """torchvision's own layer list of VGG19 (configuration E, no batch normalisation)."""
    return vgg.make_layers(vgg.cfgs["E"], batch_norm=False)


def relu_names() -> dict[int, str]:
    """Index of each ReLU in that list, under its published name."""
    names, block, number = {}, 1, 0
    for i, layer in enumerate(layers()):
        if isinstance(layer, nn.MaxPool2d):
            block, number = block + 1, 0
        elif isinstance(layer, nn.ReLU):
            number += 1
            names[i] = f"relu{block}_{number}"
    return names


@pytest.fixture
def network(monkeypatch):
    """Without the classifier's 124 M parameters, which are not used."""
    torch.manual_seed(0)
    base = SimpleNamespace(features=layers())
    monkeypatch.setattr(perceptual, "vgg19", lambda weights: base)
    return Vgg19Features(None), base.features


def test_taps_are_the_first_relu_of_each_block():
    assert [relu_names()[i] for i in Vgg19Features.TAPS] == [f"relu{n}_1" for n in range(1, 6)]


def test_torchvision_builds_vgg19_from_that_list():
    with torch.device("meta"):
        network = Vgg19Features(None)
    assert [str(layer) for layer in network.layers] == [
        str(nn.ReLU(inplace=True) if isinstance(layer, nn.ReLU) else layer) for layer in layers()[:30]
    ]


def test_features_are_the_activations_of_the_normalised_picture(network):
    judge, base = network
    frames = torch.rand(1, 3, 32, 32) * 2 - 1
    x = ((frames + 1) / 2 - torch.tensor([0.485, 0.456, 0.406])[:, None, None]) / torch.tensor([0.229, 0.224, 0.225])[
        :, None, None
    ]
    found = judge.features(frames)
    assert [f.shape[1:] for f in found] == [(64, 32, 32), (128, 16, 16), (256, 8, 8), (512, 4, 4), (512, 2, 2)]
    for feature, tap in zip(found, Vgg19Features.TAPS, strict=True):
        torch.testing.assert_close(feature, base[: tap + 1](x))


def test_maps_that_would_vanish_are_left_out(network):
    assert [f.shape[-1] for f in network[0].features(torch.randn(1, 3, 8, 8))] == [8, 4, 2]


def test_frozen_and_still_differentiable(network):
    judge, _ = network
    assert not any(p.requires_grad for p in judge.parameters())
    frames = torch.randn(1, 3, 16, 16, requires_grad=True)
    sum(f.sum() for f in judge.features(frames)).backward()
    assert frames.grad.abs().sum() > 0
