"""A judge of emotion that no training ever saw: valence, arousal and class from landmarks.

x: all landmarks, aligned, averaged over 0.8 s (so that speech counts less), less the person's own neutral shape; their
first principal components z, and products of the first of these. Ridge regression on ``[1, z, z z^T]`` gives valence,
arousal and one score per class. Lips take part: contempt, disgust and joy live in them, and products tell an open
mouth from a drawn one.

Fitted once, on real *validation* clips, so it has seen neither the training people nor the test people nor any
generated frame, and judges the output of every experiment and seed alike. Where validation lacks an emotion
of training, it is fitted on training clips (table "judge" says which). CHOSEN: theta(F(v)) must not judge
alone; how good this one is stands in the tables, as its agreement on real test clips (ADR 26).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.ndimage import convolve1d

from eap.data.clip_store import ClipStore
from eap.data.pose import to_canonical
from eap.schemas import read_table, write_table
from eap.training.face_judge import judges_split

MAX_CLIPS = 1000
"""Clips that are read, at most, evenly spread over their sorted names."""
FRAME_STEP = 3
"""Neighbouring frames say the same twice: every third is fitted."""
SMOOTHING_S = 0.8
"""Of a Hann window: dlib's jitter and speech weigh less, and emotion moves from word to word."""
COMPONENTS, MULTIPLIED = 30, 14
"""Principal components, and how many of them are multiplied with each other."""
RIDGE = 0.003
"""Penalty per frame; every feature has a variance of about 1."""


@dataclass(frozen=True)
class Fitted:
    """Coefficients of the judge."""

    mean_D: np.ndarray
    basis_DC: np.ndarray
    """Principal directions, each divided by its deviation."""
    weights_QK: np.ndarray
    """Of ``[1, z, z z^T]``, for valence, arousal and each of `classes`."""
    classes: tuple[str, ...]

    def __call__(self, features_ND: np.ndarray) -> np.ndarray:
        """``[N, 2 + classes]``: valence, arousal, scores of the classes."""
        return expand((features_ND - self.mean_D) @ self.basis_DC) @ self.weights_QK


def features(landmarks_TP2: np.ndarray, shape_P2: np.ndarray, fps: int) -> np.ndarray:
    """How each point differs from the neutral face, ``[T, 2 x 68]``, canonical units.

    Parameters
    ----------
    landmarks_TP2
        ``[T, 68, 2]`` px; NaN rows (no face) give NaN wherever the smoothing reaches them.
    shape_P2
        The person's neutral shape, ``[68, 2]``, canonical.
    """
    moved = to_canonical(landmarks_TP2, shape_P2) - shape_P2
    return smooth(moved.reshape(len(moved), -1), fps)


def smooth(values_TD: np.ndarray, fps: int) -> np.ndarray:
    """Values over time under a Hann window of `SMOOTHING_S`, ``[T, D]``."""
    half = round(SMOOTHING_S * fps / 2)
    window = np.hanning(2 * half + 3)[1:-1]
    return convolve1d(values_TD, window / window.sum(), axis=0, mode="nearest")


def expand(z_NC: np.ndarray) -> np.ndarray:
    """``[1, z, products of the first components]``, ``[N, Q]``."""
    i, j = np.triu_indices(min(MULTIPLIED, z_NC.shape[1]))
    return np.concatenate([np.ones((len(z_NC), 1)), z_NC, z_NC[:, i] * z_NC[:, j]], 1)


def fit(features_ND: np.ndarray, va_N2: np.ndarray, emotion_N: np.ndarray) -> Fitted:
    """Ridge regression.

    Raises
    ------
    ValueError
        If there are no frames, or the numbers of frames differ.
    """
    n = len(features_ND)
    if n == 0 or n != len(va_N2) or n != len(emotion_N):
        raise ValueError(
            f"need as many labels as frames, and some: got {len(va_N2)}, {len(emotion_N)} and {n} frames"
        )  # fmt: skip
    x = features_ND.astype(np.float64)
    mean_D = x.mean(0)
    _, scale, directions = np.linalg.svd(x - mean_D, full_matrices=False)
    kept = scale[:COMPONENTS] > 1e-9 * max(scale[0], 1e-12)  # what never moves says nothing
    basis_DC = (directions[:COMPONENTS] / np.maximum(scale[:COMPONENTS, None] / np.sqrt(n), 1e-12))[kept].T
    classes = sorted(set(emotion_N.tolist()))
    target = np.concatenate([va_N2, np.asarray(emotion_N)[:, None] == np.array(classes)], 1).astype(np.float64)
    q = expand((x - mean_D) @ basis_DC)
    penalty = RIDGE * n * np.eye(q.shape[1])
    penalty[0, 0] = 0
    return Fitted(mean_D, basis_DC, np.linalg.solve(q.T @ q + penalty, q.T @ target), tuple(classes))


class PointsJudge:
    """Reads emotion from landmarks."""

    def __init__(self, fitted: Fitted, fps: int) -> None:
        self.fitted, self.fps = fitted, fps

    def __call__(self, landmarks_TP2: np.ndarray, shape_P2: np.ndarray) -> tuple[np.ndarray, str | None]:
        """Valence and arousal ``[T, 2]``, clipped to [-1, 1] as labels are, and the clip's class.

        Parameters as of `features`; NaN where no face was found, and no class where there is none at all.
        """
        x = features(landmarks_TP2, shape_P2, self.fps)
        found = np.isfinite(x).all(1)
        read = np.where(found[:, None], self.fitted(x), np.nan)
        shown = self.fitted.classes[int(read[found, 2:].mean(0).argmax())] if found.any() else None
        return np.clip(read[:, :2], -1, 1), shown


def fit_judge(store: ClipStore, fps: int, sources: list[Path], path: Path, config: Any) -> PointsJudge:
    """Fit the judge and write table "judge".

    Raises
    ------
    StageError
        If there is neither a validation nor a training clip.
    """
    split = judges_split(store)
    ids = store.ids(split)
    chosen = [ids[i] for i in np.unique(np.linspace(0, len(ids) - 1, min(len(ids), MAX_CLIPS)).round().astype(int))]
    x, y, emotions = [], [], []
    for clip_id in chosen:
        clip = store[clip_id]
        x.append(features(clip.landmarks_TP2, store.detected_shape(clip.speaker_id), fps)[::FRAME_STEP])
        y.append(clip.va_T2[::FRAME_STEP])
        emotions += [clip.emotion] * len(y[-1])
    x_ND, y_N2, emotion_N = np.concatenate(x), np.concatenate(y), np.array(emotions)
    found = np.isfinite(x_ND).all(1)
    fitted = fit(x_ND[found], y_N2[found], emotion_N[found])
    write_table(path, "judge", _rows(fitted, split, int(found.sum())), sources=sources, config=config)
    print(f"judge 'points': fitted on {len(chosen)} {split} clips", flush=True)
    return PointsJudge(fitted, fps)


def _rows(fitted: Fitted, split: str, n_frames: int) -> list[dict[str, Any]]:
    parts = [("mean", fitted.mean_D), *(("basis", column) for column in fitted.basis_DC.T)]
    parts += zip(
        ("valence", "arousal", *(f"class {name}" for name in fitted.classes)), fitted.weights_QK.T, strict=True
    )
    return [
        {"row": i, "name": name, "values": values, "split": split, "n_frames": n_frames}
        for i, (name, values) in enumerate(parts)
    ]


def read_judge(path: Path, fps: int) -> PointsJudge:
    """The judge that `fit_judge` wrote."""
    rows = read_table(path, "judge").sort_values("row")
    values, names = [np.asarray(v) for v in rows["values"]], list(rows["name"])
    weights = names.index("valence")
    classes = tuple(name.removeprefix("class ") for name in names[weights + 2 :])
    basis = np.stack(values[1:weights], 1) if weights > 1 else np.zeros((len(values[0]), 0))
    return PointsJudge(Fitted(values[0], basis, np.stack(values[weights:], 1), classes), fps)
