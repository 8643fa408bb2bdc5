"""Batches."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields

import pytest
import torch
from tiny_data import tiny_config

from eap.training.bench import random_batch


def test_to_moves_every_tensor_and_keeps_the_names():
    batch = random_batch(tiny_config(), 2, 3)
    moved = batch.to("meta")
    tensors = [f.name for f in fields(batch) if f.name != "clip_ids"]
    assert all(getattr(moved, name).device.type == "meta" for name in tensors)
    assert all(getattr(moved, name).shape == getattr(batch, name).shape for name in tensors)
    assert moved.clip_ids == batch.clip_ids
    assert batch.source_BCHW.device.type == "cpu"


def test_at_gathers_every_field_of_times_and_no_other():
    batch = random_batch(tiny_config(), 2, 5)
    index = torch.tensor([[0, 4], [1, 2]])
    shown = batch.at(index)
    for field in fields(batch):
        before, after = getattr(batch, field.name), getattr(shown, field.name)
        if "BT" in field.name:
            assert after.shape[:2] == (2, 2)
            assert all(torch.equal(after[b, r], before[b, index[b, r]]) for b in range(2) for r in range(2))
        else:
            assert after is before


def test_frozen():
    with pytest.raises(FrozenInstanceError):
        random_batch(tiny_config(), 2, 3).mask_BT = torch.ones(1)
