"""E_E, F, theta, phi, psi."""

from __future__ import annotations

import pytest
import torch
from tiny_data import PRESETS, tiny_config

from eap.config import load_config
from eap.models.era import Classifier, EmotionDecoder, EmotionEncoder, Regressor, VABackbone
from eap.models.layers import dilations
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


def windows(sequence_MS, width):
    """Windows ``[1, T, M, W]`` of consecutive frames."""
    return sequence_MS.unfold(1, width, 1).transpose(0, 1)[None].contiguous()


def test_a_pooled_encoder_hears_the_mean_of_the_valid_frames():
    encoder, sequence = EmotionEncoder(16, 7, 4, 12, pooled=True), torch.randn(16, 10)
    mel, mask = windows(sequence, 7), torch.tensor([[True, True, True, False]])
    e = encoder(mel, mask)
    active = encoder.active(mel)
    torch.testing.assert_close(encoder(mel, mask, active[:, :3].mean(1)), e)
    padded = mel.clone()
    padded[0, 3] = torch.nan
    torch.testing.assert_close(encoder(padded, mask)[:, :3], e[:, :3], atol=1e-6, rtol=0)
    sequence[:, 8] += 1  # heard by frame 2, not by frames 0 and 1, which hear it in the mean
    assert (encoder(windows(sequence, 7), mask) - e)[0, [0, 1]].abs().max() > 1e-5


@pytest.mark.parametrize("side", [32, 48, 64])
def test_backbone_of_any_image_size(side):
    assert VABackbone(4, 12)(torch.randn(3, 3, side, side)).shape == (3, 12)


def test_backbone_knows_where():
    """Expression is a matter of place: a picture and its mirror image differ to it."""
    backbone, frames = VABackbone(4, 12), torch.rand(2, 3, 64, 64)
    assert (backbone(frames) - backbone(frames.flip(2))).abs().max() > 1e-4


@pytest.mark.parametrize("width", [1, 5, 25])
def test_emotion_encoder_hears_each_frame_through_its_own_window(width):
    encoder, sequence = EmotionEncoder(16, width, 4, 12, pooled=False), torch.randn(16, width + 29)
    mask = torch.ones(1, 30, dtype=torch.bool)
    e = encoder(windows(sequence, width), mask)
    assert e.shape == (1, 30, 12)
    sequence[:, 28] += 1  # column 28 lies in the windows of the frames 28 - width + 1 to 28
    changed = (encoder(windows(sequence, width), mask) - e).abs().amax(-1)[0]
    inside = range(28 - width + 1, 29)
    assert changed[list(inside)].min() > 1e-7
    assert changed[[t for t in range(30) if t not in inside]].max() < 1e-7
    alone = encoder(windows(sequence, width)[:, 7:8], mask[:, :1])
    torch.testing.assert_close(alone[0, 0], encoder(windows(sequence, width), mask)[0, 7], atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize(("reach", "expected"), [(0, []), (1, [1]), (9, [1, 2, 2, 4]), (7, [1, 2, 4])])
def test_dilations_reach_as_far_as_asked(reach, expected):
    assert dilations(reach) == expected


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
