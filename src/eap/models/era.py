"""ERA's networks: emotion heard (E_E), emotion seen (F), and the heads that serve both (theta, phi)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from eap.models.layers import SequenceEncoder


class EmotionEncoder(nn.Module):
    """E_E: speech to an emotion embedding per frame, ``[B, T, M, W] -> e [B, T, d_e]`` (KNOWN that it exists).

    CHOSEN: each frame's own window of about 1 s through convolutions, then an MLP. The frames are consecutive.

    Parameters
    ----------
    pooled
        Each frame also hears the mean over the frames that are given with it: what is loud or high for *this* voice
        shows against the voice's own average (ADR 21).
    """

    def __init__(self, n_mels: int, mel_width: int, channels: int, d_emotion: int, pooled: bool) -> None:
        super().__init__()
        self.encoder = SequenceEncoder(n_mels, mel_width, channels, 2 * d_emotion)
        self.mix = nn.Linear(4 * d_emotion, 2 * d_emotion) if pooled else None
        self.project = nn.Sequential(nn.LeakyReLU(0.2), nn.Linear(2 * d_emotion, d_emotion))

    def active(self, mel_BTMW: Tensor) -> Tensor:
        """What each window alone says, ``[B, T, 2 d_e]``; of this the mean is taken."""
        return F.leaky_relu(self.encoder(mel_BTMW), 0.2)

    def forward(self, mel_BTMW: Tensor, mask_BT: Tensor, mean_BD: Tensor | None = None) -> Tensor:
        """Emotion embeddings; their norm is trained towards the intensity (CHOSEN).

        Frames outside of the mask are not part of the mean. `mean_BD` replaces it: the mean of `active` over more of
        the voice than is given here.
        """
        heard = self.encoder(mel_BTMW)
        if self.mix is not None:
            active, valid = F.leaky_relu(heard, 0.2), mask_BT[..., None]
            if mean_BD is None:
                mean_BD = torch.where(valid, active, 0).sum(1) / valid.sum(1).clamp_min(1)
            heard = heard + self.mix(torch.cat([active, mean_BD[:, None].expand_as(active)], -1))
        return self.project(heard)


class VABackbone(nn.Module):
    """F: frames to features, ``[N, 3, H, W] -> f [N, d_e]`` (KNOWN that it exists; a small CNN is CHOSEN)."""

    def __init__(self, channels: int, d_emotion: int) -> None:
        super().__init__()
        widths = [channels, 2 * channels, 4 * channels, 8 * channels]
        layers: list[nn.Module] = []
        c_in = 3
        for width in widths:
            layers += [
                nn.Conv2d(c_in, width, 3, stride=2, padding=1),
                nn.GroupNorm(min(8, width), width),
                nn.ReLU(),
                nn.Conv2d(width, width, 3, padding=1),
                nn.GroupNorm(min(8, width), width),
                nn.ReLU(),
            ]
            c_in = width
        self.convolutions = nn.Sequential(*layers)
        self.project = nn.Linear(c_in * 16, d_emotion)

    def forward(self, frames_NCHW: Tensor) -> Tensor:
        """Features of each frame; a 4 x 4 grid is kept, since expression is a matter of place."""
        x = F.adaptive_avg_pool2d(self.convolutions(frames_NCHW), 4)
        return self.project(x.flatten(1))


class Regressor(nn.Module):
    """theta: embedding to (valence, arousal) in [-1, 1], ``[..., d_e] -> [..., 2]``.

    No layer has a bias and every activation is odd, so that theta(0) = (0, 0): no embedding, no emotion (CHOSEN).
    """

    def __init__(self, d_emotion: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(d_emotion, d_emotion, bias=False)
        self.out = nn.Linear(d_emotion, 2, bias=False)

    def forward(self, e: Tensor) -> Tensor:
        """Valence and arousal."""
        return torch.tanh(self.out(torch.tanh(self.hidden(e))))


class Classifier(nn.Module):
    """phi: embedding to class logits, ``[..., d_e] -> [..., K]``."""

    def __init__(self, d_emotion: int, n_classes: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(d_emotion, d_emotion), nn.ReLU(), nn.Linear(d_emotion, n_classes))

    def forward(self, e: Tensor) -> Tensor:
        """Logits."""
        return self.layers(e)


class EmotionDecoder(nn.Module):
    """psi: (valence, arousal) back to an embedding, ``[..., 2] -> [..., d_e]``; psi(0) = 0 (CHOSEN)."""

    def __init__(self, d_emotion: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(2, d_emotion, bias=False)
        self.out = nn.Linear(d_emotion, d_emotion, bias=False)

    def forward(self, va: Tensor) -> Tensor:
        """Embeddings."""
        return self.out(torch.tanh(self.hidden(va)))
