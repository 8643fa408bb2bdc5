"""The map of E_E: does each class have an expression embedding space of its own (KNOWN that it should)?"""

from __future__ import annotations

from typing import Any

import numpy as np

from eap.evaluation.setup import Setup
from eap.evaluation.variants import choose_clips

MAX_CLIPS = 500
"""Test clips on the map, spread over speakers and emotions: E_E hears them in seconds, since nothing is rendered."""


def embedding_rows(setup: Setup) -> list[dict[str, Any]]:
    """Rows of table ``embeddings``."""
    rows, pooled = [], []
    for clip_id in choose_clips(setup.store, MAX_CLIPS):
        clip = setup.store[clip_id]
        pooled.append(setup.face.hear(clip.mel_TM)[0].mean(0).cpu().numpy())
        rows.append(
            {
                "clip_id": clip_id, "speaker_id": clip.speaker_id, "emotion": clip.emotion,
                "level": setup.level(clip_id), "z": pooled[-1],
                "true_intensity": float(np.linalg.norm(clip.va_T2, axis=1).mean()),
            }
        )  # fmt: skip
    places, explained = project(np.stack(pooled))
    return [
        {**row, "x": x, "y": y, "explained": explained} for row, (x, y) in zip(rows, places, strict=True)
    ]  # fmt: skip


def project(z_ND: np.ndarray) -> tuple[np.ndarray, float]:
    """Place of each embedding on its first two principal components, and their share of the variance.

    Parameters
    ----------
    z_ND
        ``[N, D]``.

    Returns
    -------
    tuple
        ``[N, 2]`` (0 where there is no such component), the largest weight of each component being positive, so that
        the map does not flip between runs; the share, 0 .. 1, NaN if all embeddings are equal.
    """
    centred = z_ND.astype(np.float64) - z_ND.mean(0, dtype=np.float64)
    _, sizes, axes = np.linalg.svd(centred, full_matrices=False)
    axes = axes[:2] * np.sign(axes[:2][np.arange(len(axes[:2])), np.abs(axes[:2]).argmax(1)])[:, None]
    places = np.zeros((len(z_ND), 2))
    places[:, : len(axes)] = centred @ axes.T
    total = (sizes**2).sum()
    return places, float((sizes[:2] ** 2).sum() / total) if total > 0 else float("nan")
