"""The guess of a stranger's neutral shape."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tiny_data import SPLIT_OF

from eap.data.pose import to_canonical
from eap.losses.shape import UNIT_PX
from eap.models.neutral_shape import NeutralShape
from eap.training.checkpoint import load_model, read_record
from eap.training.neutral_shape import choose_ridge, fit_neutral_shape, regress


def people(n_people, n_frames=40, seed=0, kinds=3):
    """Faces of people whose shapes differ in a few ways, with an expression in another direction: x, y, names."""
    rng = np.random.default_rng(seed)
    ways, smile = rng.normal(0, 1, (kinds, 136)), rng.normal(0, 1, 136)
    ways -= np.outer(ways @ smile, smile) / (smile @ smile)
    own = rng.normal(0, 0.3, (n_people, kinds)) @ ways
    neutral = np.repeat(own, n_frames, axis=0)
    strength = rng.uniform(0, 1, (len(neutral), 1))
    x = neutral + strength * smile + rng.normal(0, 0.01, neutral.shape)
    return x, neutral, np.repeat([f"p{i:02}" for i in range(n_people)], n_frames)


def test_expression_is_taken_out_of_strangers():
    x, y, names = people(20)
    fit = choose_ridge(x, y, names)
    assert fit.ridge is not None
    assert fit.error_px < 0.2 * fit.mean_shape_error_px
    mean, weight, neutral = regress(x[names < "p15"], y[names < "p15"], names[names < "p15"], fit.ridge)
    new = names >= "p15"
    guessed = neutral + (x[new] - mean) @ weight
    assert np.abs(guessed - y[new]).mean() < 0.2 * np.abs(x[new] - y[new]).mean()


def test_where_nothing_can_be_learnt_the_mean_shape_wins():
    rng = np.random.default_rng(0)
    x, y, names = people(6)
    fit = choose_ridge(rng.normal(0, 1, x.shape), y, names)
    assert fit.ridge is None
    assert fit.error_px == fit.mean_shape_error_px > 0


def test_one_speaker_is_its_own_mean():
    x, y, names = people(1)
    fit = choose_ridge(x, y, names)
    assert fit.ridge is None
    assert math.isnan(fit.error_px)
    _, weight, neutral = regress(x, y, names, None)
    assert not weight.any()
    np.testing.assert_allclose(neutral, y[0])


def test_every_speaker_weighs_the_same():
    x, y, names = np.zeros((5, 136)), np.repeat([0.0, 1.0], [1, 4])[:, None] * np.ones(136), np.array(list("abbbb"))
    assert regress(x, y, names, 0.01)[2][0] == pytest.approx(0.5)


def test_errors_are_px(store):
    _, fit = fit_neutral_shape(store)
    assert fit["n_speakers"] == 2
    between = np.linalg.norm(store.shape("ann") - store.shape("bob"), axis=1).mean() * UNIT_PX
    # Either person left out, the other one's shape is the mean
    assert fit["mean_shape_error_px"] == pytest.approx(between, rel=1e-4)


def test_the_models_file_carries_it(era_file, store):
    shape, fit = fit_neutral_shape(store)
    assert {key for key in load_file(era_file) if key.startswith("neutral_shape.")} == {
        f"neutral_shape.{name}" for name in ("mean", "weight", "neutral")
    }
    loaded = NeutralShape()
    load_model(era_file, {"neutral_shape": loaded})
    assert read_record(era_file, "train-era")["neutral_fit"] == fit
    clip_id = next(c for c, split in SPLIT_OF.items() if split == "train")
    faces = torch.from_numpy(to_canonical(store[clip_id].landmarks_TP2).astype(np.float32))
    torch.testing.assert_close(loaded(faces), shape(faces))
