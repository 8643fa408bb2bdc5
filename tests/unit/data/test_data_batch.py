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
    tensors = [f.name for f in fields(batch) if torch.is_tensor(getattr(batch, f.name))]
    assert {f.name for f in fields(batch)} - set(tensors) == {"clip_ids", "other_BCHW", "other_emotion_B"}
    assert all(getattr(moved, name).device.type == "meta" for name in tensors)
    assert all(getattr(moved, name).shape == getattr(batch, name).shape for name in tensors)
    assert moved.clip_ids == batch.clip_ids
    assert batch.source_BCHW.device.type == "cpu"


def test_rendered_gathers_every_field_of_times_and_no_other():
    batch = random_batch(tiny_config(), 2, 5, rendered=3)
    index, shown = batch.rendered_BR, batch.rendered()
    assert (index.diff(dim=1) > 0).all()
    assert shown.rendered_BR.tolist() == [[0, 1, 2]] * 2
    for field in fields(batch):
        before, after = getattr(batch, field.name), getattr(shown, field.name)
        if "BT" in field.name:
            assert after.shape[:2] == (2, 3)
            assert all(torch.equal(after[b, r], before[b, index[b, r]]) for b in range(2) for r in range(3))
        elif field.name != "rendered_BR":
            assert after is before
    again = shown.rendered()
    tensors = [f.name for f in fields(batch) if torch.is_tensor(getattr(batch, f.name))]
    assert all(torch.equal(getattr(again, name), getattr(shown, name)) for name in tensors)


def test_frozen():
    with pytest.raises(FrozenInstanceError):
        random_batch(tiny_config(), 2, 3).mask_BT = torch.ones(1)
