"""Fit the guess of a stranger's neutral shape: ridge regression over the training speakers. CHOSEN (ADR 36).

.. math:: s(x) = \\bar s + (x - \\bar x) W, \\qquad
          W = (X^T X + \\lambda I)^{-1} X^T Y

x: landmarks of one frame without pose; s: the neutral shape of the person that it shows. Expression is in x and not in
s, so that W learns to take it out. lambda is the one that guesses speakers best who are left out of the fit; the mean
shape alone (W = 0) competes with it and wins where speakers are few.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from eap.data.clip_store import ClipStore
from eap.data.pose import to_canonical
from eap.losses.shape import UNIT_PX
from eap.models.neutral_shape import NeutralShape

RIDGES = (0.01, 0.03, 0.1, 0.3, 1.0)
"""Candidates for lambda, as shares of the features' mean sum of squares."""
MAX_CLIPS = 1000
"""Training clips that are read, at most, evenly spread over their sorted names."""
FRAME_STEP = 5
"""Neighbouring frames say the same twice."""
FOLDS = 10
"""Groups of speakers that are left out in turn, at most."""


@dataclass(frozen=True)
class Fit:
    """How well strangers are guessed, by speakers left out; distances in about px at a 256 scale."""

    n_speakers: int
    ridge: float | None
    """lambda; None: the mean shape is used."""
    error_px: float
    """Mean distance of guessed neutral points; NaN with a single speaker, whom nobody is left to guess."""
    mean_shape_error_px: float
    """The same for the mean shape."""


def fit_neutral_shape(store: ClipStore) -> tuple[NeutralShape, dict[str, Any]]:
    """The fitted map, and a `Fit` for the model's record."""
    ids = store.ids("train")
    chosen = [ids[i] for i in np.unique(np.linspace(0, len(ids) - 1, min(len(ids), MAX_CLIPS)).round().astype(int))]
    x, y, speakers = [], [], []
    for clip_id in chosen:
        clip = store[clip_id]
        faces = to_canonical(clip.landmarks_TP2[::FRAME_STEP]).reshape(-1, 136)
        x.append(faces)
        y.append(np.broadcast_to(store.shape(clip.speaker_id).reshape(136), faces.shape))
        speakers += [clip.speaker_id] * len(faces)
    x_ND, y_ND = np.concatenate(x).astype(np.float64), np.concatenate(y).astype(np.float64)
    fit = choose_ridge(x_ND, y_ND, np.array(speakers))
    shape = NeutralShape()
    mean, weight, neutral = regress(x_ND, y_ND, np.array(speakers), fit.ridge)
    for name, value in (("mean", mean), ("weight", weight), ("neutral", neutral)):
        shape.get_buffer(name).copy_(torch.from_numpy(value))
    return shape, asdict(fit)


def regress(
    x_ND: np.ndarray, y_ND: np.ndarray, speaker_N: np.ndarray, ridge: float | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean of x, W, mean of y; every speaker weighs the same, however many frames there are of each."""
    _, index, counts = np.unique(speaker_N, return_inverse=True, return_counts=True)
    share_N = 1 / (len(counts) * counts[index])
    x_mean, y_mean = share_N @ x_ND, share_N @ y_ND
    if ridge is None:
        return x_mean, np.zeros((x_ND.shape[1], y_ND.shape[1])), y_mean
    x, y = x_ND - x_mean, y_ND - y_mean
    gram = (x * share_N[:, None]).T @ x
    penalty = ridge * np.trace(gram) / len(gram) + 1e-12
    return x_mean, np.linalg.solve(gram + penalty * np.eye(len(gram)), (x * share_N[:, None]).T @ y), y_mean


def choose_ridge(x_ND: np.ndarray, y_ND: np.ndarray, speaker_N: np.ndarray) -> Fit:
    """The lambda (or None) with the least error on speakers that are left out."""
    names = np.unique(speaker_N)
    if len(names) < 2:
        return Fit(len(names), None, float("nan"), float("nan"))
    errors: dict[float | None, list[np.ndarray]] = {ridge: [] for ridge in (None, *RIDGES)}
    for group in np.array_split(names, min(len(names), FOLDS)):
        out = np.isin(speaker_N, group)
        for ridge, found in errors.items():
            mean, weight, neutral = regress(x_ND[~out], y_ND[~out], speaker_N[~out], ridge)
            away = (neutral + (x_ND[out] - mean) @ weight - y_ND[out]).reshape(out.sum(), -1, 2)
            distance_n = np.linalg.norm(away, axis=-1).mean(1) * UNIT_PX
            found += [distance_n[speaker_N[out] == name].mean() for name in group]
    means = {ridge: float(np.mean(found)) for ridge, found in errors.items()}
    best = min(means, key=lambda ridge: means[ridge])
    return Fit(len(names), best, means[best], means[None])
