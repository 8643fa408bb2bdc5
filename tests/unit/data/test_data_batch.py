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


def test_frozen():
    with pytest.raises(FrozenInstanceError):
        random_batch(tiny_config(), 2, 3).mask_BT = torch.ones(1)
