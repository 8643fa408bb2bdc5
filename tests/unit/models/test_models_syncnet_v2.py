"""The published SyncNet: names and shapes of its state dict, and the folded form's equality."""

from __future__ import annotations

import pytest
import torch

from eap.evaluation.bench import random_syncnet
from eap.models.syncnet_v2 import FoldedSyncNet, SyncNet


@pytest.fixture(scope="module")
def network() -> SyncNet:
    return random_syncnet(0)


def test_the_state_dict_has_the_published_names_and_shapes(network: SyncNet) -> None:
    state = network.state_dict()
    assert {name.partition(".")[0] for name in state} == {"netcnnaud", "netfcaud", "netfclip", "netcnnlip"}
    # Positions count pooling and ReLU layers too: read off the published SyncNetModel.py
    shapes = {
        "netcnnaud.0": (64, 1, 3, 3), "netcnnaud.4": (192, 64, 3, 3), "netcnnaud.8": (384, 192, 3, 3),
        "netcnnaud.11": (256, 384, 3, 3), "netcnnaud.14": (256, 256, 3, 3), "netcnnaud.18": (512, 256, 5, 4),
        "netcnnlip.0": (96, 3, 5, 7, 7), "netcnnlip.4": (256, 96, 1, 5, 5), "netcnnlip.8": (256, 256, 1, 3, 3),
        "netcnnlip.11": (256, 256, 1, 3, 3), "netcnnlip.14": (256, 256, 1, 3, 3), "netcnnlip.18": (512, 256, 1, 6, 6),
        "netfcaud.0": (512, 512), "netfcaud.3": (1024, 512), "netfclip.0": (512, 512), "netfclip.3": (1024, 512),
    }  # fmt: skip
    weights = {n.removesuffix(".weight"): tuple(v.shape) for n, v in state.items() if n.endswith(".weight")}
    assert {name: shape for name, shape in weights.items() if len(shape) > 1} == shapes
    norms = {name.removesuffix(".running_mean") for name in state if name.endswith("running_mean")}
    assert norms == {f"{net}.{i}" for net in ("netcnnaud", "netcnnlip") for i in (1, 5, 9, 12, 15, 19)} | {
        "netfcaud.1",
        "netfclip.1",
    }
    # The published file has 54,573,114 bytes: these numbers and the file's own bookkeeping
    n_bytes = sum(value.numel() * value.element_size() for value in state.values())
    assert 54_573_114 - 20_000 < n_bytes < 54_573_114


@torch.no_grad()
def test_the_folded_lip_branch_gives_the_same_numbers(network: SyncNet) -> None:
    frames = torch.randint(0, 256, (7, 224, 224, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    windows = torch.stack([frames[i : i + 5].permute(3, 0, 1, 2).float() for i in range(3)])
    expected = network.embed_lips(windows)
    assert expected.shape == (3, 1024)
    assert expected.std() > 0.1
    for batch in (2, 8):
        torch.testing.assert_close(FoldedSyncNet(network, batch).embed_lips(frames), expected, rtol=1e-4, atol=2e-4)


@torch.no_grad()
def test_the_folded_sound_branch_gives_the_same_numbers(network: SyncNet) -> None:
    windows = torch.randn(20, 1, 13, 20, generator=torch.Generator().manual_seed(2))
    expected = network.embed_sound(windows)
    assert expected.shape == (20, 1024)
    assert expected.std() > 0.1
    torch.testing.assert_close(FoldedSyncNet(network, 2).embed_sound(windows), expected, rtol=1e-4, atol=2e-4)


@pytest.mark.parametrize("shape", [(4, 224, 224, 3), (5, 256, 256, 3), (5, 3, 224, 224)])
def test_other_frames_are_refused(network: SyncNet, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="224"):
        FoldedSyncNet(network).embed_lips(torch.zeros(shape, dtype=torch.uint8))
