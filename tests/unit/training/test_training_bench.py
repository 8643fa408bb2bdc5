"""Random batches and the cost of a step."""

from __future__ import annotations

from dataclasses import fields

import pytest
import torch
from tiny_data import EMOTIONS, tiny_config

from eap.data.windows import WindowSampler
from eap.models.fan import FanLandmarks
from eap.models.perceptual import Vgg19Features
from eap.stage import StageError
from eap.training.bench import random_batch, random_judges, time_steps
from eap.training.build import build_ant


def test_a_random_batch_looks_like_a_real_one(store):
    config = tiny_config()
    real = WindowSampler(store, "train", EMOTIONS, 3, config.audio, 0.75).emotional_batch(0, 0, 4)
    noise = random_batch(config, 4, 3)
    for field in fields(real):
        a, b = getattr(real, field.name), getattr(noise, field.name)
        if isinstance(a, torch.Tensor):
            assert (a.shape, a.dtype) == (b.shape, b.dtype), field.name
    assert noise.neutral_B.tolist() == [True, False, True, False]


def test_costs_of_every_part():
    few = {"batch_size": 2, "frames": 3, "rendered_frames": 2}
    config = tiny_config({"ant": few, "era": few})
    result = time_steps(config)
    assert result["ant_step_s"] >= 0
    assert {"lip", "per", "adv"} <= set(result["ant_losses"])
    assert {"metric", "inten", "cls", "e_adv"} <= set(result["era_losses"])
    parts = result["parts"]
    expected = sum(p.numel() for p in build_ant(config).parameters()) / 1e6
    assert parts["ANT, all"]["parameters_m"] == pytest.approx(expected, abs=1e-3)
    assert parts["ANT, all"]["gflops"] >= parts["generator G"]["gflops"] > 0
    assert "random weights" in result["perceptual"]


def test_absent_gpu_is_named(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(StageError, match=r"compute\.device: 'cuda', but torch sees no GPU"):
        time_steps(tiny_config({"compute": {"device": "cuda"}}))


def test_judges_are_those_that_are_configured():
    """Random weights stand in for trained ones, but no network for another."""
    found = random_judges(
        tiny_config({"loss": {"lip_estimator": "fan"}, "perceptual": {"network": "vgg19", "weights": "random"}})
    )
    assert isinstance(found.fan, FanLandmarks)
    assert isinstance(found.vgg, Vgg19Features)
    assert not any(p.requires_grad for p in found.parameters())
    found = random_judges(tiny_config())
    assert found.fan is found.vgg is None


def test_a_step_is_timed_whose_critics_see_any_frame():
    few = {"batch_size": 2, "frames": 3, "rendered_frames": 2}
    result = time_steps(tiny_config({"ant": few, "era": few, "critics": {"real": "any"}}))
    assert result["landmark_estimator"] == "student with random weights"
    assert result["era_losses"]["e_adv"] > 0
