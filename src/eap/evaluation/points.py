"""A judge of emotion that no training ever saw: valence and arousal from landmarks, by a linear map.

.. math:: (v, a) = c + \\sum_j w_j x_j, \\qquad
          (w, c) = \\arg\\min \\sum_n \\| (v, a)_n - c - w x_n \\|^2 + \\lambda \\|w\\|^2

x: the expressive points (brows, eyes, nose, upper jaw; no lips, or speech would count), aligned, averaged over 0.2 s,
less the person's own neutral shape. Fitted once, on *real training* clips and their labels, so it judges the output of
every experiment and seed alike. CHOSEN: method 7 asks for a judge beside theta(F(v)); how good this one is stands in
the tables, as its agreement on real test clips.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from scipy.ndimage import convolve1d

from eap.data.clip_store import ClipStore
from eap.data.pose import to_canonical
from eap.data.pseudo_labels import EXPRESSIVE, SMOOTHING_S
from eap.schemas import read_table, write_table
from eap.stage import StageError

MAX_CLIPS = 1000
"""Training clips that are read, at most, evenly spread over their sorted names."""
FRAME_STEP = 5
"""Neighbouring frames say the same twice: every fifth is fitted."""
RIDGE = 0.01
"""lambda, as a share of the features' mean sum of squares."""


def features(landmarks_TP2: np.ndarray, shape_P2: np.ndarray, fps: int) -> np.ndarray:
    """How each expressive point differs from the neutral face, ``[T, 2 x 37]``, canonical units.

    Parameters
    ----------
    landmarks_TP2
        ``[T, 68, 2]`` px; NaN rows (no face) give NaN wherever the smoothing reaches them.
    shape_P2
        The person's neutral shape, ``[68, 2]``, canonical.
    """
    width = max(round(SMOOTHING_S * fps), 1)
    aligned = to_canonical(landmarks_TP2, shape_P2)[:, EXPRESSIVE] - shape_P2[EXPRESSIVE]
    return convolve1d(aligned.reshape(len(aligned), -1), np.full(width, 1 / width), axis=0, mode="nearest")


def fit(features_ND: np.ndarray, va_N2: np.ndarray) -> np.ndarray:
    """Coefficients ``[1 + D, 2]``, the first row being the intercept c.

    Raises
    ------
    ValueError
        If there are no frames, or the numbers of frames differ.
    """
    if len(features_ND) == 0 or len(features_ND) != len(va_N2):
        raise ValueError(f"need as many labels as frames, and some: got {len(features_ND)} and {len(va_N2)}")
    x, y = features_ND.astype(np.float64), va_N2.astype(np.float64)
    x_mean, y_mean = x.mean(0), y.mean(0)
    gram = (x - x_mean).T @ (x - x_mean)
    penalty = RIDGE * np.trace(gram) / len(gram) + 1e-12  # still solvable where no point moves
    w = np.linalg.solve(gram + penalty * np.eye(len(gram)), (x - x_mean).T @ (y - y_mean))
    return np.concatenate([[y_mean - x_mean @ w], w])


class PointsJudge:
    """Reads valence and arousal ``[T, 2]`` from landmarks; clipped to [-1, 1], as labels are."""

    def __init__(self, coefficients: np.ndarray, fps: int) -> None:
        self.coefficients, self.fps = coefficients, fps

    def __call__(self, landmarks_TP2: np.ndarray, shape_P2: np.ndarray) -> np.ndarray:
        """Parameters as of `features`; NaN where no face was found."""
        x = features(landmarks_TP2, shape_P2, self.fps)
        return np.clip(self.coefficients[0] + x @ self.coefficients[1:], -1, 1)


def fit_judge(store: ClipStore, fps: int, sources: list[Path], path: Path, config: Any) -> PointsJudge:
    """Fit the judge on the training split and write table "judge".

    Raises
    ------
    StageError
        If there is no training clip.
    """
    ids = store.ids("train")
    if not ids:
        raise StageError("no training clip: judge 'points' is fitted on them; change the split, or add clips")
    chosen = [ids[i] for i in np.unique(np.linspace(0, len(ids) - 1, min(len(ids), MAX_CLIPS)).round().astype(int))]
    x, y = [], []
    for clip_id in chosen:
        clip = store[clip_id]
        x.append(features(clip.landmarks_TP2, store.shape(clip.speaker_id), fps)[::FRAME_STEP])
        y.append(clip.va_T2[::FRAME_STEP])
    x_ND, y_N2 = np.concatenate(x), np.concatenate(y)
    found = np.isfinite(x_ND).all(1)
    coefficients = fit(x_ND[found], y_N2[found])
    rows = [
        {"feature": i - 1, "valence": v, "arousal": a, "n_frames": int(found.sum())}
        for i, (v, a) in enumerate(coefficients)
    ]
    write_table(path, "judge", rows, sources=sources, config=config)
    return PointsJudge(coefficients, fps)


def read_judge(path: Path, fps: int) -> PointsJudge:
    """The judge that `fit_judge` wrote."""
    rows = read_table(path, "judge").sort_values("feature")
    return PointsJudge(rows[["valence", "arousal"]].to_numpy(), fps)
