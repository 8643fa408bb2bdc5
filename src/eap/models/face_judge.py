"""The network of judge "faces": it reads emotion from a frame, beside the same person's neutral face."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from eap.models.era import VABackbone

D_FEATURES = 64
"""Width of its features (CHOSEN)."""


class FaceJudge(nn.Module):
    """Features of a frame less those of the neutral face; of these valence and arousal, and the class. CHOSEN.

    People are born with low brows and drooping lids: what counts is the difference. Its layers are those of F, its
    weights and the people that it learns from are not.

    Parameters
    ----------
    channels
        Of the first layer.
    d_features
        Width of the features.
    n_classes
        K.
    """

    def __init__(self, channels: int, d_features: int, n_classes: int) -> None:
        super().__init__()
        self.backbone = VABackbone(channels, d_features)
        self.va = nn.Linear(d_features, 2)
        self.classes = nn.Linear(d_features, n_classes)

    def features(self, frames_NCHW: Tensor) -> Tensor:
        """``[N, d_features]`` of frames in [-1, 1]."""
        return self.backbone(frames_NCHW)

    def read(self, features_ND: Tensor, neutral_ND: Tensor) -> tuple[Tensor, Tensor]:
        """Valence and arousal ``[N, 2]`` and logits ``[N, K]``; `neutral_ND` also as ``[1, D]``, for one person."""
        difference = F.leaky_relu(features_ND - neutral_ND, 0.2)
        return self.va(difference), self.classes(difference)
