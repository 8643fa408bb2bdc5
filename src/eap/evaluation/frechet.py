"""FID (Heusel et al., NeurIPS 2017) by torchmetrics, on the Inception of torch-fidelity.

The features of each frame are kept, so that clips can be read in any order and process; the distance is one over all
frames. Its covariances have 2048 x 2048 entries: from fewer frames than that they are singular, and FID measures
mostly how few frames there were.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torchmetrics.image.fid import FrechetInceptionDistance, NoTrainInceptionV3

FEATURES = 2048
MIN_FRAMES = FEATURES
"""On each side; below it no FID is given (CHOSEN: as many as the covariance has rows)."""
FEW_FRAMES = 10_000
"""Below it FID is flagged as biased (CHOSEN: the smallest number that its authors recommend)."""
BATCH = 16
"""Frames at once."""


class InceptionFeatures:
    """The published FID network.

    Parameters
    ----------
    weights
        torch-fidelity's ``weights-inception-2015-12-05-6726825d.pth``.

    Raises
    ------
    ValueError
        If the file is another one.
    """

    def __init__(self, weights: Path) -> None:
        try:
            self._network = NoTrainInceptionV3("inception-v3-compat", [str(FEATURES)], str(weights)).eval()
        except (RuntimeError, KeyError, AttributeError, TypeError) as error:
            first = (str(error).splitlines() or ["empty"])[0]
            raise ValueError(f"not the weights of torch-fidelity's Inception: {first}") from error

    @torch.inference_mode()
    def __call__(self, frames_THWC: np.ndarray) -> np.ndarray:
        """Features of RGB uint8 frames ``[T, H, W, 3]``, float32 ``[T, 2048]``."""
        frames = torch.from_numpy(np.ascontiguousarray(frames_THWC)).permute(0, 3, 1, 2)
        return torch.cat([self._network(part) for part in frames.split(BATCH)]).numpy()


class FrechetDistance:
    """Gathers features of both sides, then tells their distance.

    Parameters
    ----------
    n_features
        Length of a feature.
    """

    def __init__(self, n_features: int = FEATURES) -> None:
        self._metric = FrechetInceptionDistance(feature=_Passed(n_features))

    def add(self, features_TD: np.ndarray, real: bool) -> None:
        """Take in the features ``[T, D]`` of some frames."""
        self._metric.update(torch.from_numpy(features_TD).double(), real=real)

    @property
    def n(self) -> tuple[int, int]:
        """Frames so far: reference, generated."""
        return int(self._metric.real_features_num_samples), int(self._metric.fake_features_num_samples)

    def compute(self) -> float:
        """``|mu_r - mu_g|^2 + tr(S_r + S_g - 2 (S_r S_g)^(1/2))``."""
        return float(self._metric.compute())


class _Passed(nn.Module):
    """torchmetrics' place for a network, where the features are there already."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features

    def forward(self, features_TD: Tensor) -> Tensor:
        return features_TD
