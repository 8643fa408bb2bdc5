"""Voices changed at random: what is changed, by how much, and that it can be repeated."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny_data import tiny_config

from eap.training.augment import augment_voice, stretch_bins
from eap.training.bench import random_batch

CONFIG = tiny_config()


def changed(seed=0, batch=None, **values):
    section = CONFIG.ant.model_copy(update=values)
    batch = batch or random_batch(CONFIG, 4, 3)
    return augment_voice(batch, section, CONFIG.audio.max_abs, np.random.default_rng(seed))


def test_off_is_off():
    batch = random_batch(CONFIG, 4, 3)
    assert changed(batch=batch) is batch


def test_only_the_windows_for_lips_change_and_a_seed_repeats_it():
    torch.manual_seed(0)
    batch = random_batch(CONFIG, 4, 3)
    one, two, three = (changed(s, batch, mel_gain=0.3, mel_noise=0.1, mel_tract=0.1) for s in (1, 1, 2))
    assert torch.equal(one.content_mel_BTMW, two.content_mel_BTMW)
    assert not torch.equal(one.content_mel_BTMW, three.content_mel_BTMW)
    assert not torch.equal(one.content_mel_BTMW, batch.content_mel_BTMW)
    assert one.emotion_mel_BTMW is batch.emotion_mel_BTMW
    assert one.content_mel_BTMW.abs().max() <= CONFIG.audio.max_abs


def test_a_sample_has_one_level_and_one_tilt():
    torch.manual_seed(0)
    batch = random_batch(CONFIG, 4, 3)
    batch.content_mel_BTMW.clamp_(-2, 2)
    change = changed(3, batch, mel_gain=0.2).content_mel_BTMW - batch.content_mel_BTMW
    assert (change - change[:, :1, :, :1]).abs().max() < 1e-5  # the same in every frame and column
    steps = change[:, 0, 1:, 0] - change[:, 0, :-1, 0]
    assert (steps - steps[:, :1]).abs().max() < 1e-5  # a line over the bins
    assert change[:, 0, :, 0].mean(1).unique().numel() == 4  # each sample its own


def test_noise_is_as_strong_as_it_says():
    torch.manual_seed(0)
    batch = random_batch(CONFIG, 8, 4)
    batch.content_mel_BTMW.zero_()
    noise = changed(0, batch, mel_noise=0.25).content_mel_BTMW
    assert noise.std().item() == pytest.approx(0.25, rel=0.05)


def test_stretched_bins_by_hand():
    mel = torch.arange(5.0).reshape(1, 1, 5, 1).expand(2, 3, 5, 2)
    out = stretch_bins(mel, torch.tensor([0.5, 2.0]))
    for row, expected in zip(out, ([0, 0.5, 1, 1.5, 2], [0, 2, 4, 4, 4]), strict=True):
        torch.testing.assert_close(row, torch.tensor(expected, dtype=torch.float32)[None, :, None].expand(3, 5, 2))


def test_a_factor_of_one_leaves_every_window_as_it_is():
    mel = torch.randn(2, 3, 7, 5)
    torch.testing.assert_close(stretch_bins(mel, torch.ones(2)), mel)
