"""What valence and arousal do to a face: a path from each point of the circumplex to the muscles' actions.

CHOSEN. The strengths follow the textbook action units of each emotion (Ekman & Friesen 1978); between two emotions'
directions they are interpolated, and they grow in proportion to the intensity. So a face is a function of (valence,
arousal) alone, and (valence, arousal) can be read from a face.
"""

from __future__ import annotations

import numpy as np

from eap.data.pseudo_labels import DIRECTION_DEG

ACTIONS = (
    "brow_inner_up",
    "brow_outer_up",
    "brow_down",
    "lid_up",
    "lid_droop",
    "squint",
    "cheek_up",
    "nose_up",
    "corner_up",
    "corner_down",
    "corner_aside",
    "stretch",
    "tighten",
    "upper_lip_up",
    "jaw",
)
"""The muscles' actions, each 0 (rest) to about 1."""

_STRENGTHS: dict[str, dict[str, float]] = {
    "happy": {"corner_up": 1.0, "cheek_up": 0.9, "squint": 0.5, "brow_outer_up": 0.15, "jaw": 0.05},
    "surprised": {"brow_inner_up": 1.0, "brow_outer_up": 1.0, "lid_up": 1.0, "jaw": 0.45},
    "fear": {"brow_inner_up": 1.0, "brow_down": 0.25, "lid_up": 0.9, "stretch": 0.9, "corner_down": 0.25, "jaw": 0.15},
    "angry": {"brow_down": 1.0, "lid_up": 0.35, "squint": 0.35, "tighten": 0.9, "corner_down": 0.3, "nose_up": 0.25},
    "disgusted": {"nose_up": 1.0, "upper_lip_up": 1.0, "brow_down": 0.55, "squint": 0.7, "cheek_up": 0.5},
    "contempt": {"corner_aside": 1.0, "lid_droop": 0.35, "tighten": 0.3, "brow_down": 0.1},
    "sad": {"brow_inner_up": 0.9, "brow_down": 0.3, "corner_down": 1.0, "lid_droop": 0.7},
    "calm": {"corner_up": 0.3, "lid_droop": 0.4},
}

_ORDER = sorted(_STRENGTHS, key=DIRECTION_DEG.__getitem__)
_ANGLES_DEG = np.array([DIRECTION_DEG[name] for name in _ORDER], float)
_TABLE = np.array([[_STRENGTHS[name].get(action, 0.0) for action in ACTIONS] for name in _ORDER])


def around_circumplex(table_KA: np.ndarray, va_T2: np.ndarray) -> np.ndarray:
    """Values ``[K, A]`` given for the classes (in order of their direction), interpolated to ``[T, A]``.

    Linear in the angle between neighbouring classes, proportional to the radius; (0, 0) gives zeros.
    """
    angles = np.rad2deg(np.arctan2(va_T2[:, 1], va_T2[:, 0])) % 360
    radius = np.hypot(va_T2[:, 0], va_T2[:, 1])
    at = [np.interp(angles, _ANGLES_DEG, column, period=360) for column in table_KA.T]
    return np.stack(at, -1) * radius[:, None]


def class_table(values: dict[str, tuple[float, ...]]) -> np.ndarray:
    """Per-class values as the table that `around_circumplex` takes."""
    return np.array([values[name] for name in _ORDER], float)


def actions(va_T2: np.ndarray) -> np.ndarray:
    """Strength of each of `ACTIONS` ``[T, A]`` for valence and arousal ``[T, 2]``."""
    return around_circumplex(_TABLE, va_T2)


def column(actions_TA: np.ndarray, name: str) -> np.ndarray:
    """One action's strength ``[T]``."""
    return actions_TA[..., ACTIONS.index(name)]
