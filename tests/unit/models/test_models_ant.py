"""ANT: shapes, what e = 0 means, what the source may hand to the decoder, and padding."""

from __future__ import annotations

import pytest
import torch
from tiny_data import PRESETS, tiny_config

from eap.config import load_config
from eap.training.bench import random_batch
from eap.training.build import build_ant


def make(overrides=None, size=2, frames=3):
    config = tiny_config(overrides)
    torch.manual_seed(0)
    return build_ant(config).eval(), random_batch(config, size, frames)


def run(ant, batch, e=None):
    return ant(batch.source_BCHW, batch.source_pose_BP2, batch.content_mel_BTMW, batch.pose_BTP2, batch.mask_BT, e)


@pytest.mark.parametrize("max_skip_px", [8, 64])
@pytest.mark.parametrize("pose_warp", [True, False])
def test_frames_have_the_images_shape_and_range(pose_warp, max_skip_px):
    ant, batch = make({"model": {"pose_warp": pose_warp, "max_skip_px": max_skip_px}})
    frames = run(ant, batch)
    assert frames.shape == (2, 3, 3, 32, 32)
    assert frames.abs().max() <= 1
    assert frames.std() > 1e-3


def test_clips_preset():
    config = load_config({"preset": "clips"}, PRESETS)
    torch.manual_seed(0)
    size = config.model.image_size
    assert run(build_ant(config), random_batch(config, 1, 2)).shape == (1, 2, 3, size, size)


def test_paper_preset_has_its_size_and_its_skips():
    # Method 2: about 54 M parameters; skips f32 and f64 of a 256-px image only.
    with torch.device("meta"):
        ant = build_ant(load_config({"preset": "paper"}, PRESETS))
    assert 50e6 <= sum(p.numel() for p in ant.parameters()) <= 65e6
    assert ant.generator.skip_strides == (4, 8)


def test_no_emotion_is_the_zero_emotion():
    ant, batch = make()
    torch.nn.init.normal_(ant.style_emotion.weight)
    zero = torch.zeros(2, 3, 16)
    assert torch.equal(run(ant, batch), run(ant, batch, zero))
    assert (run(ant, batch) - run(ant, batch, zero + 0.5)).abs().max() > 1e-3


def test_before_era_every_emotion_gives_the_neutral_face():
    ant, batch = make()
    assert ant.style_emotion.bias is None
    assert not ant.style_emotion.weight.any()
    assert torch.equal(run(ant, batch), run(ant, batch, torch.randn(2, 3, 16)))


def test_source_reaches_the_decoder_only_through_allowed_maps():
    ant, batch = make()  # 32 px, at most 8 px: strides 4 and 8
    identity = ant.encode_identity(batch.source_BCHW, batch.source_pose_BP2)
    motion = ant.motion(identity, batch.content_mel_BTMW, batch.pose_BTP2, batch.mask_BT)
    plain = ant.render(identity, motion, batch.pose_BTP2, None)
    heard = set()
    for stride in identity.maps:
        kept = identity.maps[stride].clone()
        identity.maps[stride] += torch.randn_like(kept)
        if not torch.equal(ant.render(identity, motion, batch.pose_BTP2, None), plain):
            heard.add(stride)
        identity.maps[stride] = kept
    assert heard == {4, 8, 16}


def test_stride_one_is_the_picture_itself():
    ant, batch = make({"model": {"max_skip_px": 64}})
    assert ant.generator.skip_strides == (1, 2, 4, 8)
    identity = ant.encode_identity(batch.source_BCHW, batch.source_pose_BP2)
    assert torch.equal(identity.maps[1], batch.source_BCHW)
    # Where the decoder paints nothing, the picture shows, moved to the pose; here the pose is the source's own.
    torch.nn.init.zeros_(ant.generator.to_rgb.weight)
    torch.nn.init.zeros_(ant.generator.to_rgb.bias)
    pose = batch.source_pose_BP2[:, None].expand(2, 3, 68, 2)
    frames = ant.render(identity, torch.randn(2, 3, 32), pose, None)
    torch.testing.assert_close(frames, batch.source_BCHW[:, None].expand(2, 3, 3, 32, 32), atol=0.02, rtol=0)


def test_padding_does_not_reach_valid_frames():
    ant, batch = make(frames=5)
    identity = ant.encode_identity(batch.source_BCHW, batch.source_pose_BP2)
    mask = torch.tensor([[True] * 3 + [False] * 2, [True] * 5])
    mel, pose = batch.content_mel_BTMW.clone(), batch.pose_BTP2.clone()
    motion = ant.motion(identity, mel, pose, mask)
    mel[0, 3:] += 100
    pose[0, 3:] -= 70
    torch.testing.assert_close(ant.motion(identity, mel, pose, mask)[mask], motion[mask], atol=1e-6, rtol=0)
    # The padded clip gives what the clip alone, without padding, gives.
    alone = ant.encode_identity(batch.source_BCHW[:1], batch.source_pose_BP2[:1])
    short = ant.motion(alone, mel[:1, :3], pose[:1, :3], mask[:1, :3])
    torch.testing.assert_close(motion[:1, :3], short, atol=1e-5, rtol=0)
    assert (ant.motion(identity, mel, pose, torch.ones_like(mask)) - motion)[0, :3].abs().max() > 1e-3


def test_motion_depends_on_voice_order_pose_and_face():
    ant, batch = make(frames=4)
    identity = ant.encode_identity(batch.source_BCHW, batch.source_pose_BP2)

    def motion(mel=batch.content_mel_BTMW, pose=batch.pose_BTP2, who=identity):
        return ant.motion(who, mel, pose, batch.mask_BT)

    plain = motion()
    assert (motion(mel=batch.content_mel_BTMW + 1) - plain).abs().max() > 1e-3
    assert (motion(pose=batch.pose_BTP2 + 20) - plain).abs().max() > 1e-3
    other = ant.encode_identity(batch.source_BCHW.flip(0), batch.source_pose_BP2)
    assert (motion(who=other) - plain).abs().max() > 1e-4
    # Same frames in another order: the time codes tell.
    reversed_ = motion(batch.content_mel_BTMW.flip(1), batch.pose_BTP2.flip(1)).flip(1)
    assert (reversed_ - plain).abs().max() > 1e-3


def test_lips_that_the_motion_implies():
    ant, batch = make(frames=5)
    identity = ant.encode_identity(batch.source_BCHW, batch.source_pose_BP2)
    motion = ant.motion(identity, batch.content_mel_BTMW, batch.pose_BTP2, batch.mask_BT)
    lips = ant.lips(motion)
    assert lips.shape == (2, 5, 20, 2)
    torch.testing.assert_close(lips[1, 3].flatten(), ant.lip_shape(motion[1, 3]))


def test_longer_than_any_training_window():
    ant, batch = make(size=1, frames=40)
    assert run(ant, batch).shape == (1, 40, 3, 32, 32)


def test_every_parameter_is_used():
    ant, batch = make({"model": {"max_skip_px": 64}})
    torch.nn.init.normal_(ant.style_emotion.weight)
    identity = ant.encode_identity(batch.source_BCHW, batch.source_pose_BP2)
    motion = ant.motion(identity, batch.content_mel_BTMW, batch.pose_BTP2, batch.mask_BT)
    frames = ant.render(identity, motion, batch.pose_BTP2, torch.randn(2, 3, 16))
    ((frames * torch.randn_like(frames)).sum() + ant.lips(motion).square().sum()).backward()
    assert [name for name, p in ant.named_parameters() if p.grad is None or not p.grad.any()] == []
