"""Networks in mixed precision and compiled."""

from __future__ import annotations

import pytest
import torch
from tiny_data import tiny_config
from torch import nn

from eap.models.lip_landmarks import LandmarkStudent
from eap.training.bench import random_batch
from eap.training.build import build_ant
from eap.training.precision import prepare, public_methods, to_float


def outputs(ant, batch):
    identity = ant.encode_identity(batch.source_BCHW, batch.source_points_BP2, batch.source_pose_BP2)
    motion = ant.motion(identity, batch.content_mel_BTMW, batch.pose_BTP2, batch.mask_BT)
    return identity, motion, ant.render(identity, motion, batch.pose_BTP2, None)


@pytest.fixture(scope="module")
def ant_and_batch():
    torch.manual_seed(0)
    config = tiny_config({"model": {"dropout": 0.0}})
    return build_ant(config), random_batch(config, 2, 2)


def test_full_precision_is_left_alone(ant_and_batch):
    ant, _ = ant_and_batch
    before = dict(vars(ant))
    prepare([ant], "fp32", "off", "cpu")
    assert vars(ant) == before


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_low_precision_inside_float32_outside(precision):
    torch.manual_seed(0)
    # On noise for landmarks, a flow tears the picture and enlarges every difference
    config = tiny_config({"model": {"dropout": 0.0, "warp": "pose"}})
    ant, batch = build_ant(config), random_batch(config, 2, 2)
    names = list(ant.state_dict())
    exact = outputs(ant, batch)[2].detach()
    seen = []
    ant.generator.to_rgb.register_forward_hook(lambda module, inputs, output: seen.append(output.dtype))
    prepare([ant], precision, "off", "cpu")
    identity, motion, frames = outputs(ant, batch)
    assert seen == [{"bf16": torch.bfloat16, "fp16": torch.float16}[precision]]
    assert {frames.dtype, motion.dtype, identity.token_BD.dtype, *(m.dtype for m in identity.maps.values())} == {
        torch.float32
    }
    assert 0 < (frames - exact).abs().max() < 0.1
    assert list(ant.state_dict()) == names
    assert all(p.dtype == torch.float32 for p in ant.parameters())
    frames.sum().backward()
    assert ant.generator.to_rgb.weight.grad.dtype == torch.float32


def test_places_keep_full_precision(ant_and_batch):
    """Rounded to bfloat16, a position would be off by a pixel in 256."""
    ant, batch = ant_and_batch
    identity, motion, _ = outputs(ant, batch)
    deviation = ant.shape(motion, None)
    exact = ant.flow(identity, batch.pose_BTP2, deviation)
    low = build_ant(tiny_config({"model": {"dropout": 0.0}}))
    prepare([low], "bf16", "off", "cpu")
    for found, wanted in zip(low.flow(identity, batch.pose_BTP2, deviation), exact, strict=True):
        assert torch.equal(found, wanted)


def test_compiled_networks_compute_the_same():
    """Traced by torch.compile, with weights, names and gradients as they were."""
    torch.manual_seed(0)
    student, frames = LandmarkStudent(4, 32, torch.rand(68, 2)), torch.rand(2, 3, 32, 32)
    exact = student(frames)
    names = list(student.state_dict())
    prepare([student], "fp32", "aot_eager", "cpu")
    torch.testing.assert_close(student(frames), exact)
    student(frames).sum().backward()
    assert student.convolutions[0].weight.grad.abs().sum() > 0
    assert list(student.state_dict()) == names


def test_methods_of_a_network():
    assert public_methods(LandmarkStudent) == ["features", "forward", "landmarks"]
    assert public_methods(nn.Linear) == ["extra_repr", "forward", "reset_parameters"]


def test_only_low_precision_tensors_change():
    low, whole = torch.ones(1, dtype=torch.bfloat16), torch.ones(1, dtype=torch.float64)
    done = to_float({"a": [low, whole], "b": (low, 3, None, torch.ones(1, dtype=torch.int64))})
    assert done["a"][0].dtype == torch.float32
    assert done["a"][1] is whole
    assert done["b"][0].dtype == torch.float32
    assert done["b"][1:3] == (3, None)
    assert done["b"][3].dtype == torch.int64
