"""The sync expert: do these lips belong to this sound?"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from eap.models.layers import MelEncoder

WINDOW = 5
"""Frames (and mel columns) of a window, as published (Chung and Zisserman 2016)."""


class SyncExpert(nn.Module):
    """A small two-stream network in SyncNet's manner, trained by the pipeline. CHOSEN.

    Lips: the lower half of five frames. Sound: the five mel columns of the same frames. Scores made with it are named
    ``*_expert``: they cannot be compared with the published SyncNet's.

    Both embeddings end in batch normalisation (CHOSEN, docs/adr/0037): they then start with one centre and one scale,
    so that distances between them tell windows apart from the first steps on. Without it who speaks lies between the
    two streams as a constant, which every window of a clip shares and which has to be unlearnt first.
    """

    def __init__(self, n_mels: int, channels: int, d_embedding: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        c_in, c_out = 3 * WINDOW, channels
        for _ in range(4):
            layers += [nn.Conv2d(c_in, c_out, 3, stride=2, padding=1), nn.BatchNorm2d(c_out), nn.ReLU()]
            c_in, c_out = c_out, 2 * c_out
        self.lips = nn.Sequential(*layers, nn.AdaptiveAvgPool2d((2, 4)), nn.Flatten(), nn.Linear(c_in * 8, d_embedding))
        self.sound = MelEncoder(n_mels, WINDOW, 2 * channels, d_embedding)
        self.lips_norm, self.sound_norm = nn.BatchNorm1d(d_embedding), nn.BatchNorm1d(d_embedding)
        self.scale = nn.Parameter(torch.tensor(1.0))

    def embed_video(self, frames_LWCHW: Tensor) -> Tensor:
        """``[L, 5, 3, H, W]`` windows in [-1, 1] to ``[L, D]``."""
        lower = frames_LWCHW[..., frames_LWCHW.shape[-2] // 2 :, :]
        return self.lips_norm(self.lips(lower.flatten(1, 2)))

    def embed_audio(self, mel_LMW: Tensor) -> Tensor:
        """``[L, M, 5]`` windows to ``[L, D]``."""
        return self.sound_norm(self.sound(mel_LMW[None])[0])
