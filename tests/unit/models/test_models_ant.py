"""ANT: shapes, what e = 0 means, what the source may hand to the decoder, and padding."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_data import PRESETS, landmarks, tiny_config

from eap.config import load_config
from eap.data.pose import pose_only_landmarks, to_canonical
from eap.models.ant import SHAPE_SCALE
from eap.models.geometry import copied_share, driving_landmarks, mouth_share, to_grid
from eap.models.pose_encoder import resize_maps, warp_maps
from eap.training.bench import random_batch
from eap.training.build import build_ant


def make(overrides=None, size=2, frames=3):
    config = tiny_config(overrides)
    torch.manual_seed(0)
    return build_ant(config).eval(), random_batch(config, size, frames)


def run(ant, batch, e=None):
    source = (batch.source_BCHW, batch.source_points_BP2, batch.source_pose_BP2)
    return ant(*source, batch.content_mel_BTMW, batch.pose_BTP2, batch.mask_BT, e)


def encode(ant, batch):
    return ant.encode_identity(batch.source_BCHW, batch.source_points_BP2, batch.source_pose_BP2)


@pytest.mark.parametrize("max_skip_px", [8, 64])
@pytest.mark.parametrize("warp", ["none", "pose", "landmarks"])
def test_frames_have_the_images_shape_and_range(warp, max_skip_px):
    ant, batch = make({"model": {"warp": warp, "max_skip_px": max_skip_px}})
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
    # Skips f32 and f64 of a 256-px image only, or the source's expression would pass.
    with torch.device("meta"):
        ant = build_ant(load_config({"preset": "paper"}, PRESETS))
    assert 50e6 <= sum(p.numel() for p in ant.parameters()) <= 65e6
    assert ant.generator.skip_strides == (4, 8)


@pytest.mark.parametrize("door", ["style_emotion", "shape_emotion"])
def test_no_emotion_is_the_zero_emotion(door):
    ant, batch = make()
    torch.nn.init.normal_(getattr(ant, door).weight)
    zero = torch.zeros(2, 3, 16)
    assert torch.equal(run(ant, batch), run(ant, batch, zero))
    assert (run(ant, batch) - run(ant, batch, zero + 0.5)).abs().max() > 1e-3


def test_before_era_every_emotion_gives_the_neutral_face():
    ant, batch = make()
    for door in (ant.style_emotion, ant.shape_emotion):
        assert door.bias is None
        assert not door.weight.any()
    assert torch.equal(run(ant, batch), run(ant, batch, torch.randn(2, 3, 16)))


def test_source_reaches_the_decoder_only_through_allowed_maps():
    ant, batch = make()  # 32 px, at most 8 px: strides 4 and 8
    identity = encode(ant, batch)
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
    ant, batch = make({"model": {"warp": "pose", "max_skip_px": 64}})
    assert ant.generator.skip_strides == (1, 2, 4, 8)
    identity = encode(ant, batch)
    assert torch.equal(identity.maps[1], batch.source_BCHW)
    # Where the decoder paints nothing, the picture shows, moved to the pose; here the pose is the source's own.
    torch.nn.init.zeros_(ant.generator.to_rgb.weight)
    torch.nn.init.zeros_(ant.generator.to_rgb.bias)
    pose = batch.source_pose_BP2[:, None].expand(2, 3, 68, 2)
    frames = ant.render(identity, torch.randn(2, 3, 32), pose, None)
    torch.testing.assert_close(frames, batch.source_BCHW[:, None].expand(2, 3, 3, 32, 32), atol=0.02, rtol=0)


def test_paint_of_a_lower_resolution_is_added_to_the_whole_picture():
    ant, batch = make({"model": {"image_size": 64, "paint_px": 32, "max_skip_px": 64}}, frames=2)
    identity = encode(ant, batch)
    assert [x.shape[-1] for x in identity.maps.values()] == [64, 16, 8, 4, 2]
    assert run(ant, batch).shape == (2, 2, 3, 64, 64)
    torch.nn.init.zeros_(ant.generator.to_rgb.weight)
    torch.nn.init.constant_(ant.generator.to_rgb.bias, 0.5)
    motion = torch.zeros(2, 2, 32)
    flow, guides = ant.flow(identity, batch.pose_BTP2, ant.shape(motion, None))
    picture = warp_maps(batch.source_BCHW, flow)
    expected = torch.tanh(0.5 + torch.atanh(0.99 * picture) * resize_maps(copied_share(guides), 64))
    frames = ant.render(identity, motion, batch.pose_BTP2, None).flatten(0, 1)
    torch.testing.assert_close(frames, expected, atol=1e-5, rtol=0)


def test_paint_may_be_kept_to_the_mouth():
    ant, batch = make({"model": {"max_skip_px": 64, "paint": "mouth"}}, frames=2)
    points = landmarks("ann/happy-0.mp4").astype(np.float32)[:2] * 4
    pose = torch.from_numpy(pose_only_landmarks(points, to_canonical(points).mean(0)).astype(np.float32))
    source = torch.from_numpy(points)
    batch = replace(batch, source_points_BP2=source, source_pose_BP2=pose, pose_BTP2=pose.expand(2, 2, 68, 2))
    identity, motion = encode(ant, batch), torch.zeros(2, 2, 32)
    torch.nn.init.zeros_(ant.generator.to_rgb.weight)
    shown = {}
    for paint in (0.0, 1.5):
        torch.nn.init.constant_(ant.generator.to_rgb.bias, paint)
        shown[paint] = ant.render(identity, motion, batch.pose_BTP2, None).flatten(0, 1)
    flow, guides = ant.flow(identity, batch.pose_BTP2, ant.shape(motion, None))
    mouth, picture = mouth_share(guides), 0.99 * warp_maps(batch.source_BCHW, flow)
    changed = torch.atanh(shown[1.5]) - torch.atanh(shown[0.0])
    torch.testing.assert_close(changed, 1.5 * mouth.expand_as(changed), atol=1e-2, rtol=0)
    copied = torch.atanh(picture) * (1 - mouth * (1 - copied_share(guides)))
    torch.testing.assert_close(shown[0.0], torch.tanh(copied), atol=1e-5, rtol=0)
    assert mouth.min() < 0.05
    assert mouth.max() > 0.9


def test_padding_does_not_reach_valid_frames():
    ant, batch = make(frames=5)
    identity = encode(ant, batch)
    mask = torch.tensor([[True] * 3 + [False] * 2, [True] * 5])
    mel, pose = batch.content_mel_BTMW.clone(), batch.pose_BTP2.clone()
    motion = ant.motion(identity, mel, pose, mask)
    mel[0, 3:] += 100
    pose[0, 3:] -= 70
    torch.testing.assert_close(ant.motion(identity, mel, pose, mask)[mask], motion[mask], atol=1e-6, rtol=0)
    # The padded clip gives what the clip alone, without padding, gives.
    alone = ant.encode_identity(batch.source_BCHW[:1], batch.source_points_BP2[:1], batch.source_pose_BP2[:1])
    short = ant.motion(alone, mel[:1, :3], pose[:1, :3], mask[:1, :3])
    torch.testing.assert_close(motion[:1, :3], short, atol=1e-5, rtol=0)
    assert (ant.motion(identity, mel, pose, torch.ones_like(mask)) - motion)[0, :3].abs().max() > 1e-3


def test_motion_depends_on_voice_order_pose_and_face():
    ant, batch = make(frames=4)
    identity = encode(ant, batch)

    def motion(mel=batch.content_mel_BTMW, pose=batch.pose_BTP2, who=identity):
        return ant.motion(who, mel, pose, batch.mask_BT)

    plain = motion()
    assert (motion(mel=batch.content_mel_BTMW + 1) - plain).abs().max() > 1e-3
    assert (motion(pose=batch.pose_BTP2 + 20) - plain).abs().max() > 1e-3
    other = ant.encode_identity(batch.source_BCHW.flip(0), batch.source_points_BP2, batch.source_pose_BP2)
    assert (motion(who=other) - plain).abs().max() > 1e-4
    # Same frames in another order: the time codes tell.
    reversed_ = motion(batch.content_mel_BTMW.flip(1), batch.pose_BTP2.flip(1)).flip(1)
    assert (reversed_ - plain).abs().max() > 1e-3


def test_shape_that_motion_and_emotion_imply():
    ant, batch = make(frames=5)
    identity = encode(ant, batch)
    motion = ant.motion(identity, batch.content_mel_BTMW, batch.pose_BTP2, batch.mask_BT)
    shape = ant.shape(motion, None)
    assert shape.shape == (2, 5, 68, 2)
    torch.testing.assert_close(shape[1, 3].flatten(), SHAPE_SCALE * ant.shape_motion(motion[1, 3]))
    # Emotion adds to it, in proportion to e: half of an emotion moves the landmarks half as far.
    torch.nn.init.normal_(ant.shape_emotion.weight)
    e = torch.randn(2, 5, 16)
    assert torch.equal(ant.shape(motion, 0 * e), shape)
    whole, half = (ant.shape(motion, g * e) - shape for g in (1.0, 0.5))
    torch.testing.assert_close(half, whole / 2, atol=1e-6, rtol=0)
    assert whole.abs().max() > 0.01


def test_landmarks_go_where_motion_says():
    """With `landmarks`, the source's features at a landmark end up at the driving one, expression taken along."""
    ant, batch = make({"model": {"warp": "landmarks", "flow_px": 32}}, size=1, frames=2)
    points = landmarks("ann/happy-0.mp4")[:3] * 4
    shape = to_canonical(points)[0]
    pose = torch.from_numpy(pose_only_landmarks(points, shape).astype(np.float32))
    identity = ant.encode_identity(batch.source_BCHW, torch.from_numpy(points[:1].astype(np.float32)), pose[:1])
    deviation = torch.zeros(1, 2, 68, 2)
    deviation[0, 1, 48:68, 1] = 0.1  # the mouth is drawn down
    flow, guides = ant.flow(identity, pose[None, 1:], deviation)
    assert flow.shape == (1, 2, 32, 32, 2)
    assert guides.shape == (2, 4, 32, 32)
    driving = to_grid(driving_landmarks(pose[None, 1:], deviation))[0]
    found = torch.nn.functional.grid_sample(flow[0].permute(0, 3, 1, 2), driving[:, :, None], align_corners=False)
    error_px = (found[..., 0].mT - to_grid(identity.points_BP2)).norm(dim=-1) * 128
    assert error_px.mean() < 1
    unmoved = (driving - to_grid(identity.points_BP2)).norm(dim=-1) * 128
    assert unmoved[1, 48:].mean() > 4


def test_longer_than_any_training_window():
    ant, batch = make(size=1, frames=40)
    assert run(ant, batch).shape == (1, 40, 3, 32, 32)


@pytest.mark.parametrize("warp", ["none", "pose", "landmarks"])
def test_every_parameter_is_used(warp):
    ant, batch = make({"model": {"warp": warp, "max_skip_px": 64}})
    for door in (ant.style_emotion, ant.shape_emotion):
        torch.nn.init.normal_(door.weight, std=0.1)
    identity = encode(ant, batch)
    motion = ant.motion(identity, batch.content_mel_BTMW, batch.pose_BTP2, batch.mask_BT)
    e = torch.randn(2, 3, 16)
    frames = ant.render(identity, motion, batch.pose_BTP2, e)
    ((frames * torch.randn_like(frames)).sum() + ant.shape(motion, e).square().sum()).backward()
    assert [name for name, p in ant.named_parameters() if p.grad is None or not p.grad.any()] == []
