"""The sync expert."""

from __future__ import annotations

import pytest
import torch

from eap.models.syncnet import WINDOW, SyncExpert


@pytest.fixture
def expert():
    torch.manual_seed(0)
    return SyncExpert(16, 4, 12).eval()


@pytest.mark.parametrize("side", [32, 64])
def test_one_embedding_per_window(expert, side):
    assert expert.embed_video(torch.randn(3, WINDOW, 3, side, side)).shape == (3, 12)
    assert expert.embed_audio(torch.randn(3, 16, WINDOW)).shape == (3, 12)


def test_only_the_lower_half_is_seen(expert):
    lips = torch.randn(2, WINDOW, 3, 32, 32)
    changed = lips.clone()
    changed[..., :16, :] += 1
    assert torch.equal(expert.embed_video(changed), expert.embed_video(lips))
    changed[..., 16:, :] += 1
    assert (expert.embed_video(changed) - expert.embed_video(lips)).abs().max() > 1e-4


def test_windows_do_not_mix_in_evaluation(expert):
    lips, sound = torch.randn(3, WINDOW, 3, 32, 32), torch.randn(3, 16, WINDOW)
    torch.testing.assert_close(expert.embed_video(lips)[1:2], expert.embed_video(lips[1:2]))
    torch.testing.assert_close(expert.embed_audio(sound)[1:2], expert.embed_audio(sound[1:2]))


def test_order_of_frames_matters(expert):
    lips = torch.randn(1, WINDOW, 3, 32, 32)
    assert (expert.embed_video(lips) - expert.embed_video(lips.flip(1))).abs().max() > 1e-4
