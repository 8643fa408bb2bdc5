"""E_E, F, theta, phi, psi."""

from __future__ import annotations

import pytest
import torch
from tiny_data import PRESETS, tiny_config

from eap.config import load_config
from eap.models.era import Classifier, EmotionDecoder, EmotionEncoder, Regressor, VABackbone
from eap.training.build import build_era


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def test_no_embedding_is_no_emotion():
    theta, psi = Regressor(16), EmotionDecoder(16)
    assert torch.equal(theta(torch.zeros(3, 16)), torch.zeros(3, 2))
    assert torch.equal(psi(torch.zeros(3, 2)), torch.zeros(3, 16))
    # Training cannot move that: no parameter of either is a bias.
    assert not [name for module in (theta, psi) for name, _ in module.named_parameters() if "bias" in name]


def test_theta_is_odd_and_bounded():
    theta, e = Regressor(16), torch.randn(5, 7, 16) * 30
    va = theta(e)
    assert va.shape == (5, 7, 2)
    assert va.abs().max() <= 1
    torch.testing.assert_close(theta(-e), -va)


def test_stronger_embeddings_give_stronger_emotion():
    theta, e = Regressor(16), torch.randn(50, 16)
    assert (theta(2 * e).norm(dim=1) > theta(e).norm(dim=1)).float().mean() > 0.9


@pytest.mark.parametrize("pooled", [True, False])
def test_shapes(pooled):
    encoder, mask = EmotionEncoder(16, 7, 4, 12, pooled), torch.ones(2, 3, dtype=torch.bool)
    assert encoder(torch.randn(2, 3, 16, 7), mask).shape == (2, 3, 12)
    assert Classifier(12, 5)(torch.randn(2, 3, 12)).shape == (2, 3, 5)
    assert EmotionDecoder(12)(torch.randn(2, 3, 2)).shape == (2, 3, 12)


def test_a_pooled_encoder_hears_the_mean_of_the_valid_frames():
    encoder, mel = EmotionEncoder(16, 7, 4, 12, pooled=True), torch.randn(1, 4, 16, 7)
    mask = torch.tensor([[True, True, True, False]])
    e = encoder(mel, mask)
    order = [2, 0, 1, 3]  # a mean knows no order
    torch.testing.assert_close(encoder(mel[:, order], mask), e[:, order], atol=1e-6, rtol=0)
    padded, valid = mel.clone(), mel.clone()
    padded[0, 3] = torch.nan
    torch.testing.assert_close(encoder(padded, mask)[:, :3], e[:, :3], atol=1e-6, rtol=0)
    valid[0, 1] += 1
    assert (encoder(valid, mask) - e)[0, [0, 2]].abs().max() > 1e-5


@pytest.mark.parametrize("side", [32, 48, 64])
def test_backbone_of_any_image_size(side):
    assert VABackbone(4, 12)(torch.randn(3, 3, side, side)).shape == (3, 12)


def test_backbone_knows_where():
    """Expression is a matter of place: a picture and its mirror image differ to it."""
    backbone, frames = VABackbone(4, 12), torch.rand(2, 3, 64, 64)
    assert (backbone(frames) - backbone(frames.flip(2))).abs().max() > 1e-4


def test_emotion_encoder_hears_each_frame_through_its_own_window():
    encoder, mel = EmotionEncoder(16, 7, 4, 12, pooled=False), torch.randn(1, 4, 16, 7)
    mask = torch.ones(1, 4, dtype=torch.bool)
    e = encoder(mel, mask)
    mel[0, 2] += 1
    changed = (encoder(mel, mask) - e).abs().amax(-1)[0]
    assert changed[2] > 1e-3
    assert changed[[0, 1, 3]].max() < 1e-6


@pytest.mark.parametrize("config", [tiny_config(), load_config({"preset": "clips"}, PRESETS)], ids=["tiny", "clips"])
def test_built_from_the_configuration(config):
    era, d, audio = build_era(config), config.model.d_emotion, config.audio
    mel = torch.randn(1, 2, audio.n_mels, 2 * audio.emotion_context + 1)
    e = era["emotion_encoder"](mel, torch.ones(1, 2, dtype=torch.bool))
    side = config.model.image_size
    f = era["backbone"](torch.randn(2, 3, side, side))
    assert e.shape == (1, 2, d)
    assert f.shape == (2, d)  # equal width: L_metric compares them, theta and phi serve both
    assert era["theta"](f).shape == (2, 2)
    assert era["phi"](e).shape == (1, 2, len(config.emotions))
    assert era["psi"](era["theta"](e)).shape == e.shape
