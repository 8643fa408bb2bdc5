"""D and D_E."""

from __future__ import annotations

import pytest
import torch

from eap.models.discriminator import Discriminator


@pytest.mark.parametrize("branches", [1, 3, 8])
@pytest.mark.parametrize("side", [32, 64])
def test_one_patch_map_per_branch(branches, side):
    assert Discriminator(4, branches)(torch.randn(2, 3, side, side)).shape == (2, branches, side // 16, side // 16)


def test_branches_are_independent():
    torch.manual_seed(0)
    critic, frames = Discriminator(4, 3).eval(), torch.randn(2, 3, 32, 32)
    critic(frames)[:, 1].sum().backward()
    gradient = critic.layers[-1].parametrizations.weight.original.grad
    # sigma, the spectral norm, is shared: branches 0 and 2 feel only that.
    assert critic.layers[-1].bias.grad.count_nonzero() == 1
    assert gradient[1].norm() > 10 * gradient[[0, 2]].norm()


def test_every_layer_is_spectrally_normalised():
    torch.manual_seed(0)
    critic, frames = Discriminator(4, 2), torch.randn(2, 3, 32, 32)
    for _ in range(60):  # power iterations run at each training step
        critic(frames)
    norms = [
        torch.linalg.matrix_norm(layer.weight.flatten(1), 2).item()
        for layer in critic.layers
        if isinstance(layer, torch.nn.Conv2d)
    ]
    assert len(norms) == 5
    assert norms == pytest.approx([1] * 5, abs=0.05)


def test_projection_shares_one_head_and_adds_a_vector_per_class():
    torch.manual_seed(0)
    critic, frames = Discriminator(4, 3, "projection").eval(), torch.randn(2, 3, 32, 32)
    logits = critic(frames)
    assert logits.shape == (2, 3, 2, 2)
    features = critic.layers[:-1](frames)
    vectors = critic.classes.weight[:, :, 0, 0]
    expected = critic.layers[-1](features) + torch.einsum("nchw,kc->nkhw", features, vectors)
    torch.testing.assert_close(logits, expected)
    assert critic.layers[-1].bias.shape == (1,)


def test_projection_has_fewer_parameters_than_branches():
    def count(head):
        return sum(p.numel() for p in Discriminator(4, 8, head).parameters())

    assert count("multi_branch") - count("projection") == 7 * (9 * 32 + 1) - 8 * 32
