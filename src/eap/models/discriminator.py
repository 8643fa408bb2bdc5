"""The critics D (real or fake) and D_E (real or fake, per emotion class)."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm


class Discriminator(nn.Module):
    """Patch critic with one branch (D) or one per class (D_E): ``[N, 3, H, W] -> logits [N, branches, h, w]``.

    KNOWN: D_E judges real/fake for each class (suppl. A.2). CHOSEN: patches, spectral normalisation, four halvings.

    Parameters
    ----------
    channels
        After the first convolution.
    branches
        1, or K.
    head
        ``multi_branch``: a convolution of its own for each class. ``projection``: one for all, plus the inner product
        of the features with a learnt vector per class (Miyato & Koyama 2018), for all classes at once.
    """

    def __init__(
        self, channels: int, branches: int, head: Literal["multi_branch", "projection"] = "multi_branch"
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        c_in, c_out = 3, channels
        for _ in range(4):
            layers += [spectral_norm(nn.Conv2d(c_in, c_out, 4, stride=2, padding=1)), nn.LeakyReLU(0.2)]
            c_in, c_out = c_out, min(2 * c_out, 8 * channels)
        own = branches if head == "multi_branch" else 1
        layers.append(spectral_norm(nn.Conv2d(c_in, own, 3, padding=1)))
        self.layers = nn.Sequential(*layers)
        self.classes = spectral_norm(nn.Conv2d(c_in, branches, 1, bias=False)) if head == "projection" else None

    def forward(self, frames_NCHW: Tensor) -> Tensor:
        """Logits; a loss averages over the patches."""
        if self.classes is None:
            return self.layers(frames_NCHW)
        features = self.layers[:-1](frames_NCHW)
        return self.layers[-1](features) + self.classes(features)
