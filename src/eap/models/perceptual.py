"""Networks under L_per."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torchvision.models import vgg19


class Vgg19Features(nn.Module):
    """VGG19's relu1_1, relu2_1, relu3_1, relu4_1, relu5_1 (KNOWN: VGG; layers INFERRED from the FOMM family).

    Parameters
    ----------
    state
        torchvision's ``vgg19`` state dict, or None for random weights.
    """

    TAPS = (1, 6, 11, 20, 29)

    def __init__(self, state: dict[str, Tensor] | None) -> None:
        super().__init__()
        network = vgg19(weights=None)
        if state is not None:
            network.load_state_dict(state)
        self.layers = network.features[: self.TAPS[-1] + 1]
        self.requires_grad_(False)
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1))

    def features(self, frames_NCHW: Tensor) -> list[Tensor]:
        """Activations of images in [-1, 1]; layers whose map would vanish are left out."""
        x, out = ((frames_NCHW + 1) / 2 - self.mean) / self.std, []
        for i, layer in enumerate(self.layers):
            if isinstance(layer, nn.MaxPool2d) and x.shape[-1] < 4:
                break
            x = layer(x)
            if i in self.TAPS:
                out.append(x)
        return out
