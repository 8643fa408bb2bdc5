"""What the face of a stranger looks like at rest, guessed from one picture of any expression. CHOSEN (ADR 36)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

N_POINTS = 68


class NeutralShape(nn.Module):
    """A linear map from a face's landmarks without pose to its neutral shape, both in the canonical frame.

    Fresh from here it answers the origin; `eap.training.neutral_shape` fits it, and its numbers lie in the model file.
    """

    def __init__(self) -> None:
        super().__init__()
        size = 2 * N_POINTS
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("weight", torch.zeros(size, size))
        self.register_buffer("neutral", torch.zeros(size))

    def forward(self, landmarks_NP2: Tensor) -> Tensor:
        """``[N, 68, 2]`` landmarks in the canonical frame (`eap.data.pose.to_canonical`) to neutral shapes."""
        x = landmarks_NP2.flatten(1) - self.mean
        return (self.neutral + x @ self.weight).unflatten(1, (N_POINTS, 2))
