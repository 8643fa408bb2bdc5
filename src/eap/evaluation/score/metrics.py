"""Every metric of `eap score`: its unit, its direction, how clips become one value, and what it needs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from eap.evaluation.scores import AGREEMENT, QUANTITIES

Better = Literal["lower", "higher", "zero"]


@dataclass(frozen=True)
class Metric:
    """One number."""

    name: str
    better: Better
    unit: str = ""
    pooled: bool = False
    """Whether the summary's value is over all frames together, instead of the mean over clips."""
    per_clip: bool = True
    """Whether one clip has a value."""


@dataclass(frozen=True)
class Group:
    """Metrics that are measured together."""

    module: str
    """Where its `measure` is."""
    metrics: tuple[Metric, ...]
    weights: str | None = None
    """Which of `eap.evaluation.score.settings.WEIGHTS` it needs."""


@dataclass(frozen=True)
class Measured:
    """What one group gave for one clip."""

    values: dict[str, float]
    """By metric; NaN where a value is not defined."""
    reasons: dict[str, str] = field(default_factory=dict)
    """Why it is not defined."""
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    """What pooling over clips needs."""
    facts: dict[str, float] = field(default_factory=dict)
    """What else the clip's row says."""


_HERE = "eap.evaluation.score"
_CORRELATION = (Metric("opening_correlation", "higher"), Metric("width_correlation", "higher"))

GROUPS = {
    "lips": Group(
        f"{_HERE}.lips",
        (
            Metric("lmd", "lower", "px"),
            Metric("lmd_center", "lower", "px"),
            Metric("lmd_interocular", "lower"),
            *_CORRELATION,
            Metric("coverage", "higher"),
        ),
    ),
    "sync": Group(
        f"{_HERE}.sync",
        (
            Metric("lse_d", "lower"),
            Metric("lse_c", "higher"),
            Metric("offset", "zero", "frames"),
            Metric("abs_offset", "lower", "frames"),
            Metric("lse_at_zero", "lower"),
        ),
        "syncnet",
    ),
    "image": Group(f"{_HERE}.image", (Metric("psnr", "higher", "dB"), Metric("ssim", "higher"))),
    "perceptual": Group(f"{_HERE}.perceptual", (Metric("lpips", "lower"),), "lpips"),
    "frechet": Group(f"{_HERE}.frechet", (Metric("fid", "lower", pooled=True, per_clip=False),), "inception"),
    "identity": Group(f"{_HERE}.identity", (Metric("identity_cosine", "higher"), Metric("identity_distance", "lower"))),
    "emotion": Group(
        f"{_HERE}.emotion",
        (
            *(
                Metric(f"{name}_{quantity}", "lower" if name == "rmse" else "higher", pooled=True)
                for quantity in QUANTITIES
                for name in AGREEMENT
            ),
            Metric("emotion_agreement", "higher"),
            Metric("emotion_accuracy", "higher"),
        ),
        "emonet",
    ),
}

METRICS = {metric.name: metric for group in GROUPS.values() for metric in group.metrics}
