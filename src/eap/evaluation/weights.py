"""The published networks whose weights no package carries: where they are, and what is absent without them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class WeightFile:
    """Weights that a user has and no package carries."""

    name: str
    option: str
    url: str
    sha256: str
    """Of the published file: all 64 digits, or as many as its name tells."""

    def is_published(self, sha256: str) -> bool:
        """Whether a file of this SHA-256 is the published one."""
        return sha256.startswith(self.sha256)

    @property
    def absence(self) -> str:
        """Why metrics are absent without it."""
        return f"no weights of {self.name}: download {self.url} and give its path with {self.option}"


WEIGHTS = {
    "syncnet": WeightFile(
        "SyncNet v2",
        "--syncnet-weights",
        "http://www.robots.ox.ac.uk/~vgg/software/lipsync/data/syncnet_v2.model",
        "961e8696f888fce4f3f3a6c3d5b3267cf5b343100b238e79b2659bff2c605442",
    ),
    "emonet": WeightFile(  # the same as in preset paper, which a test holds
        "EmoNet, 8 classes",
        "--emonet-weights",
        "https://raw.githubusercontent.com/face-analysis/emonet/49eef301513686d6cfd8304682d3ba7216baf398/pretrained/"
        "emonet_8.pth",
        "52918cffba56f31886e6959f6837266a5f7ef5c0a552baf4c6dabe1e8fa9bc97",
    ),
    "lpips": WeightFile(
        "torchvision's AlexNet, LPIPS's backbone",
        "--lpips-weights",
        "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
        "7be5be79",
    ),
    "inception": WeightFile(
        "torch-fidelity's Inception, FID's network",
        "--inception-weights",
        "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth",
        "6726825d",
    ),
}

MEASURES = {
    "syncnet": "LSE-D, LSE-C and offset of the published SyncNet",
    "emonet": "EmoNet's judgement of emotion",
    "lpips": "LPIPS",
    "inception": "FID",
}
"""What each of `WEIGHTS` is for in an evaluation of the pipeline."""


def unpublished(digests: Mapping[str, str]) -> dict[str, str]:
    """Networks whose weights are not the published file, from the SHA-256 of each: name by key of the configuration."""
    return {
        f"evaluation.weights.{kind}": WEIGHTS[kind].name
        for kind, sha256 in sorted(digests.items())
        if not WEIGHTS[kind].is_published(sha256)
    }


def absent(weights: Any) -> dict[str, str]:
    """What is not measured for want of weights: text by key of the configuration.

    Parameters
    ----------
    weights
        Section ``evaluation.weights``: a path or None for each of `WEIGHTS`.
    """
    return {
        f"evaluation.weights.{name}": measured for name, measured in MEASURES.items() if getattr(weights, name) is None
    }
