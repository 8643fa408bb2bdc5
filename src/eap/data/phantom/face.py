"""Landmarks of a moving face: muscles, mouth and lids deform the neutral shape, the head's pose projects it.

Everything here is exact: the picture is drawn from these very points (lips, lids) or warped by these very fields
(skin), so the points are the ground truth.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from eap.data.phantom.expression import ACTIONS
from eap.data.phantom.identity import LEFT_EYE, RIGHT_EYE

PIVOT = np.array([0.0, 1.2])
"""Point about which the head turns, face units."""

_LIP = np.arange(20)
_UPPER, _LOWER, _INNER = (
    np.isin(_LIP, [1, 2, 3, 4, 5, 13, 14, 15]),
    np.isin(_LIP, [7, 8, 9, 10, 11, 17, 18, 19]),
    _LIP >= 12,
)
_CORNERS = ~(_UPPER | _LOWER)

JAW_DROP = 0.40
"""How far the chin falls at `open` = 1, face units."""


@dataclass(frozen=True)
class Pose:
    """Head pose of T frames."""

    yaw_T: np.ndarray
    """Radians, positive turns the face to the picture's right."""
    pitch_T: np.ndarray
    """Radians, positive looks down."""
    roll_T: np.ndarray
    """Radians, positive tilts clockwise in the picture."""
    shift_T2: np.ndarray
    """Face units."""
    scale_T: np.ndarray

    def matrix(self, i: int) -> np.ndarray:
        """Rows x and y of the rotation, times the scale, ``[2, 3]``."""
        y, p, r = self.yaw_T[i], self.pitch_T[i], self.roll_T[i]
        rx = np.array([[1, 0, 0], [0, np.cos(p), np.sin(p)], [0, -np.sin(p), np.cos(p)]])
        ry = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
        rz = np.array([[np.cos(r), -np.sin(r), 0], [np.sin(r), np.cos(r), 0], [0, 0, 1]])
        return self.scale_T[i] * (rz @ ry @ rx)[:2]


def depth(points_N2: np.ndarray) -> np.ndarray:
    """Depth of the head at points of the face, face units towards the viewer: a smooth skull with a nose."""
    x, y = points_N2[..., 0], points_N2[..., 1]
    skull = 1.15 * np.exp(-0.5 * ((x / 1.15) ** 2 + ((y - 0.1) / 1.8) ** 2))
    nose = 0.36 * np.exp(-0.5 * ((x / 0.26) ** 2 + ((y - 0.28) / 0.34) ** 2))
    return skull + nose


def project(points_N2: np.ndarray, matrix_23: np.ndarray, shift_2: np.ndarray) -> np.ndarray:
    """Face points to the picture (face units), under a pose."""
    centred = points_N2 - PIVOT
    return centred @ matrix_23[:, :2].T + depth(points_N2)[..., None] * matrix_23[:, 2] + PIVOT + shift_2


def skin_fields(shape_P2: np.ndarray, points_N2: np.ndarray) -> np.ndarray:
    """How each action and the falling jaw move the skin at given points: ``[A + 1, N, 2]`` face units per unit."""
    x, y = points_N2[:, 0], points_N2[:, 1]
    side = np.tanh(x / 0.08)
    fields = np.zeros((len(ACTIONS) + 1, len(points_N2), 2))
    mouth, half = shape_P2[60:68].mean(0), (shape_P2[54, 0] - shape_P2[48, 0]) / 2
    brow_y = shape_P2[17:27, 1].mean()

    def hill(at_x: float, at_y: float, sigma_x: float, sigma_y: float) -> np.ndarray:
        return np.exp(-0.5 * (((np.abs(x) - at_x) / sigma_x) ** 2 + ((y - at_y) / sigma_y) ** 2))

    def move(action: str, dx: np.ndarray | float, dy: np.ndarray | float) -> None:
        fields[ACTIONS.index(action)] = np.stack(np.broadcast_arrays(dx, dy), -1)

    inner, outer = hill(0.32, brow_y, 0.34, 0.26), hill(1.02, brow_y, 0.36, 0.26)
    move("brow_inner_up", 0.0, -0.20 * inner)
    move("brow_outer_up", 0.0, -0.18 * outer - 0.04 * inner)
    move("brow_down", -0.06 * side * inner, 0.17 * hill(0.42, brow_y, 0.46, 0.24))
    corner = hill(half, mouth[1], 0.34, 0.30)
    move("corner_up", 0.15 * side * corner, -0.15 * corner - 0.05 * hill(0.95, 0.35, 0.40, 0.32))
    move("corner_down", 0.0, 0.12 * corner)
    right = corner * (x > 0)
    move("corner_aside", 0.10 * right, -0.13 * right)
    move("stretch", 0.13 * side * corner, 0.03 * corner)
    move("cheek_up", 0.0, -0.09 * hill(0.92, 0.28, 0.42, 0.28))
    move("nose_up", 0.0, -0.08 * hill(0.22, 0.40, 0.26, 0.20))
    move("upper_lip_up", 0.0, -0.06 * hill(0.25, 0.75, 0.35, 0.18))
    chin = shape_P2[8, 1]
    fall = np.clip((y - mouth[1]) / (chin - 0.25 - mouth[1]), 0, 1)
    fall = fall**2 * (3 - 2 * fall) * np.clip(1 - 0.30 * (x / 1.4) ** 2, 0, 1)
    fields[-1] = np.stack([np.zeros_like(x), JAW_DROP * fall], -1)
    return fields


def lip_points(shape_P2: np.ndarray, mouth: dict[str, float], act: dict[str, float]) -> np.ndarray:
    """Points 48-67 for a mouth (`visemes.CHANNELS`) and muscles (`ACTIONS`), ``[20, 2]`` face units."""
    lips = shape_P2[48:68].copy()
    line = lips[12:20, 1].mean() + 0.02
    x = lips[:, 0]
    half = (lips[6, 0] - lips[0, 0]) / 2
    across = np.clip(x / half, -1, 1)
    arch = np.clip(1 - across**2, 0, 1) ** 0.6
    upper, lower, inner = _UPPER, _LOWER, _INNER
    # At rest the lips touch: the inner contours fall together on a line with a slight cupid's bow
    rest = line - 0.02 * np.cos(3 * across)
    thick = 1 - 0.22 * mouth["press"] - 0.30 * act["tighten"] - 0.10 * mouth["wide"] + 0.15 * mouth["round"]
    y = np.where(inner, rest, line + (lips[:, 1] - line) * thick)
    y = np.where(_CORNERS, line - 0.02, y)
    open_ = mouth["open"]
    drop = JAW_DROP * open_ * arch
    y = y + np.where(lower, drop * np.where(inner, 1.0, 0.97), 0) - np.where(upper, 0.07 * open_ * arch, 0)
    y = y + np.where(_CORNERS, 0.20 * open_, 0)
    gap = 0.12 * mouth["round"] * (1 - mouth["press"]) * arch
    y = y + np.where(lower, gap / 2, 0) - np.where(upper, gap / 2, 0)
    y = y - np.where(lower, mouth["tuck"] * 0.07 * arch, 0) - np.where(upper & inner, mouth["tuck"] * 0.05 * arch, 0)
    y = y - np.where(upper, 0.10 * act["upper_lip_up"] * (1 - 0.5 * np.abs(across)), 0)
    x = x * (1 + 0.10 * mouth["wide"] - 0.34 * mouth["round"] - 0.05 * open_)
    pull = np.abs(across) ** 1.5
    aside = np.where(across > 0, act["corner_aside"], 0)
    x = x + np.sign(across) * pull * (0.15 * act["corner_up"] + 0.13 * act["stretch"] + 0.08 * aside)
    y = y + pull * (-0.16 * act["corner_up"] + 0.13 * act["corner_down"] - 0.14 * aside + 0.02 * act["stretch"])
    # No muscle may carry one lip through the other
    for above, below in ((13, 19), (14, 18), (15, 17)):
        if y[below] < y[above]:
            y[above] = y[below] = (y[above] + y[below]) / 2
    return np.stack([x, y], -1)


def lid_points(shape_P2: np.ndarray, blink: float, act: dict[str, float]) -> np.ndarray:
    """Points 36-47, ``[12, 2]`` face units; `blink` 0 (open) to 1 (shut)."""
    aperture = (1 + 0.38 * act["lid_up"] - 0.42 * act["lid_droop"] - 0.18 * act["squint"]) * (1 - blink)
    eyes = []
    for points in (shape_P2[LEFT_EYE], shape_P2[RIGHT_EYE]):
        eye = points.copy()
        a, b = eye[0], eye[3]
        level = a[1] + (b[1] - a[1]) * (eye[:, 0] - a[0]) / (b[0] - a[0])
        height = eye[:, 1] - level
        height[[4, 5]] *= 1 - 0.45 * act["squint"]
        bottom = height[[5, 4]]
        height[[1, 2]] = bottom + (height[[1, 2]] - bottom) * aperture
        eye[:, 1] = level + height
        eyes.append(eye)
    return np.concatenate(eyes)
