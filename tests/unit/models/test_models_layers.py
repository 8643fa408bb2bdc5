"""Building blocks."""

from __future__ import annotations

import math

import pytest
import torch

from eap.models.layers import AdaIN, MelEncoder, ResidualBlock, time_code


@pytest.mark.parametrize("length", [1, 2, 7, 1000])
@pytest.mark.parametrize("width", [1, 6, 7, 32])
def test_time_code_of_any_length_and_width(length, width):
    code = time_code(length, width, torch.device("cpu"))
    assert code.shape == (length, width)
    assert code.abs().max() <= 1
    torch.testing.assert_close(code[: length // 2], time_code(length // 2, width, torch.device("cpu")))


def test_time_code_values():
    code = time_code(5, 4, torch.device("cpu"))
    expected = [math.sin(3), math.cos(3), math.sin(3 / 100), math.cos(3 / 100)]
    torch.testing.assert_close(code[3], torch.tensor(expected))


@pytest.mark.parametrize(("n_mels", "width"), [(80, 5), (80, 25), (16, 1), (5, 3), (40, 7)])
def test_mel_encoder_takes_any_window(n_mels, width):
    encoder = MelEncoder(n_mels, width, channels=4, d_out=6)
    mel = torch.randn(2, 3, n_mels, width)
    out = encoder(mel)
    assert out.shape == (2, 3, 6)
    torch.testing.assert_close(out[1, 2], encoder(mel[1:, 2:])[0, 0])


def test_mel_encoder_hears_loudness():
    torch.manual_seed(0)
    encoder = MelEncoder(16, 5, 4, 6)
    mel = torch.rand(1, 1, 16, 5)
    assert (encoder(mel) - encoder(mel + 1)).abs().max() > 1e-3


def test_adain_sets_mean_and_deviation():
    norm = AdaIN(3, 2)
    torch.nn.init.zeros_(norm.affine.weight)
    norm.affine.bias.data = torch.tensor([1.0, 2.0, 3.0, -1.0, 0.0, 5.0])  # scale - 1, then shift
    out = norm(torch.randn(4, 3, 16, 16) * 7 + 3, torch.randn(4, 2))
    torch.testing.assert_close(out.mean((2, 3)), torch.tensor([[-1.0, 0.0, 5.0]]).expand(4, 3), atol=1e-4, rtol=0)
    torch.testing.assert_close(
        out.std((2, 3), correction=0), torch.tensor([[2.0, 3.0, 4.0]]).expand(4, 3), atol=1e-3, rtol=0
    )


def test_adain_style_is_each_samples_own():
    torch.manual_seed(0)
    norm, x, style = AdaIN(3, 2), torch.randn(2, 3, 4, 4), torch.randn(2, 2)
    torch.testing.assert_close(norm(x, style)[1:], norm(x[1:], style[1:]))


def test_residual_block_adds():
    block = ResidualBlock(4)
    torch.nn.init.zeros_(block.conv2.weight)
    torch.nn.init.zeros_(block.conv2.bias)
    x = torch.randn(2, 4, 8, 8)
    assert torch.equal(block(x), x)
