"""LPIPS (Zhang et al., CVPR 2018) by its authors' package, which carries the calibration but not the backbone."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import numpy as np
import torch
from lpips import LPIPS
from torch import Tensor

BATCH = 8
"""Frames at once."""


class PerceptualDistance:
    """LPIPS version 0.1 on AlexNet.

    Parameters
    ----------
    backbone
        torchvision's ``alexnet`` state dict (ImageNet).

    Raises
    ------
    ValueError
        If it is not one.
    """

    def __init__(self, backbone: Mapping[str, Tensor]) -> None:
        with warnings.catch_warnings():  # lpips asks torchvision in a way that it calls outdated
            warnings.simplefilter("ignore", UserWarning)
            self._network = LPIPS(net="alex", pnet_rand=True, verbose=False).eval().requires_grad_(False)
        inner = self._network.net
        # slice2.3.weight is torchvision's features.3.weight
        wanted = {name: "features." + name.split(".", 1)[1] for name in inner.state_dict()}
        if missing := [theirs for theirs in wanted.values() if theirs not in backbone]:
            raise ValueError(f"not the weights of torchvision's AlexNet: no {missing[0]}")
        try:
            inner.load_state_dict({ours: backbone[theirs] for ours, theirs in wanted.items()})
        except RuntimeError as error:
            raise ValueError(
                f"not the weights of torchvision's AlexNet: {str(error).splitlines()[-1].strip()}"
            ) from error

    @torch.inference_mode()
    def __call__(self, generated_THWC: np.ndarray, reference_THWC: np.ndarray) -> np.ndarray:
        """LPIPS of each frame, float64 ``[T]``, of RGB uint8 ``[T, H, W, 3]``; 0 for equal frames."""
        values = []
        for start in range(0, len(generated_THWC), BATCH):
            pair = (_scaled(frames[start : start + BATCH]) for frames in (generated_THWC, reference_THWC))
            values.append(self._network(*pair).flatten())
        return torch.cat(values).double().numpy() if values else np.zeros(0)


def _scaled(frames_THWC: np.ndarray) -> Tensor:
    """RGB in [-1, 1], ``[T, 3, H, W]``."""
    return torch.from_numpy(np.ascontiguousarray(frames_THWC)).permute(0, 3, 1, 2).float() / 127.5 - 1
