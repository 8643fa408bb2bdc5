"""Frames and exact landmarks of a performance.

The painted head is warped by the skin's fields, eyes and mouth are drawn on it from the landmarks themselves, and the
whole is projected by the head's pose onto the scene.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from eap.data.phantom.canvas import SUBPIXEL_BITS, Canvas, fill, smooth_matrix
from eap.data.phantom.expression import ACTIONS
from eap.data.phantom.face import JAW_DROP, Pose, lid_points, lip_points, project, skin_fields
from eap.data.phantom.identity import Identity
from eap.data.phantom.portrait import paint_head, paint_scene
from eap.data.phantom.visemes import CHANNELS

UNITS_PER_SIDE = 6.4
"""Side of the picture, face units: the landmarks' height is about half of it."""
HEAD_UNITS = 5.9
"""Side of the head's own canvas, face units."""
OVERSAMPLING = 1.5
"""Pixels of the head's canvas per pixel of the picture."""
CELLS = 44
"""Warps are computed on a grid of this many cells and interpolated."""
_SKIN_ROUNDS = 5
"""Fixed-point rounds that invert the skin's warp: within 0.5 px of the picture where a face is most distorted."""
_POSE_ROUNDS = 3
"""The same for the pose: within 0.003 px."""


@dataclass(frozen=True)
class Performance:
    """What a face does in T frames."""

    actions_TA: np.ndarray
    """Strengths of `expression.ACTIONS`."""
    mouth_TC: np.ndarray
    """`visemes.CHANNELS`."""
    blink_T: np.ndarray
    """0 open to 1 shut."""
    gaze_T2: np.ndarray
    """Shift of the iris, face units."""
    pose: Pose

    def __len__(self) -> int:
        return len(self.blink_T)


class Renderer:
    """Draws one person.

    Parameters
    ----------
    person
        Who.
    size
        Side of the picture, px.
    """

    def __init__(self, person: Identity, size: int) -> None:
        self.person = person
        unit = size / UNITS_PER_SIDE
        self.picture = Canvas(size, unit, (size / 2 - 0.5, size * 0.475))
        side = round(HEAD_UNITS * OVERSAMPLING * unit)
        self.canvas = Canvas(side, OVERSAMPLING * unit, (side / 2 - 0.5, side * 0.49))
        self.head = np.round(paint_head(person, self.canvas)).astype(np.uint8)
        self.scene = paint_scene(person, self.picture, np.random.default_rng([person.seed, 2]))
        self._head_grid, self._picture_grid = _Grid(side), _Grid(size)
        nodes = (self._head_grid.nodes.reshape(-1, 2) - self.canvas.origin) / self.canvas.unit
        fields = skin_fields(person.shape_P2, nodes) * self.canvas.unit
        self._fields = fields.reshape(-1, CELLS + 1, CELLS + 1, 2).astype(np.float32)
        self._point_fields = skin_fields(person.shape_P2, person.shape_P2)

    def landmarks(self, performance: Performance) -> np.ndarray:
        """Ground truth ``[T, 68, 2]``, px of the picture."""
        points = [self._project(self._deformed(performance, i), performance.pose, i) for i in range(len(performance))]
        return np.stack(points).astype(np.float32)

    def frames(self, performance: Performance) -> Iterator[np.ndarray]:
        """RGB uint8 pictures ``[size, size, 3]``."""
        for i in range(len(performance)):
            points = self.canvas.to_px(self._deformed(performance, i))
            head = self._warp_skin(performance, i)
            self._draw_eye(head, points[36:42], performance.gaze_T2[i])
            self._draw_eye(head, points[42:48], performance.gaze_T2[i])
            self._draw_mouth(head, points[48:68], performance.mouth_TC[i])
            yield self._project_picture(head, performance.pose, i)

    def _weights(self, performance: Performance, i: int) -> np.ndarray:
        return np.append(performance.actions_TA[i], performance.mouth_TC[i, CHANNELS.index("open")])

    def _deformed(self, performance: Performance, i: int) -> np.ndarray:
        """Landmarks ``[68, 2]`` of frame i on the unposed face, face units."""
        shape = self.person.shape_P2
        points = shape + np.tensordot(self._weights(performance, i), self._point_fields, 1)
        act = dict(zip(ACTIONS, performance.actions_TA[i].tolist(), strict=True))
        mouth = dict(zip(CHANNELS, performance.mouth_TC[i].tolist(), strict=True))
        points[48:68] = lip_points(shape, mouth, act)
        points[36:48] = lid_points(shape, float(performance.blink_T[i]), act)
        return points

    def _project(self, points_N2: np.ndarray, pose: Pose, i: int) -> np.ndarray:
        return self.picture.to_px(project(points_N2, pose.matrix(i), pose.shift_T2[i]))

    def _warp_skin(self, performance: Performance, i: int) -> np.ndarray:
        """The head's painting with its skin moved, uint8 ``[side, side, 4]``."""
        shift = np.tensordot(self._weights(performance, i).astype(np.float32), self._fields, 1)
        target, step = self._head_grid.nodes, self._head_grid.step
        source = target - shift
        for _ in range(_SKIN_ROUNDS):
            source = target - cv2.remap(shift, source / step, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return self._head_grid.sample(self.head, source)

    def _project_picture(self, head: np.ndarray, pose: Pose, i: int) -> np.ndarray:
        """The posed head over the scene, uint8 ``[size, size, 3]``."""
        wanted = (self._picture_grid.nodes - self.picture.origin) / self.picture.unit
        matrix, shift = pose.matrix(i), pose.shift_T2[i]
        inverse = np.linalg.inv(matrix[:, :2]).T
        points = wanted
        for _ in range(_POSE_ROUNDS):
            points = points + (wanted - project(points, matrix, shift)) @ inverse
        posed = self._picture_grid.sample(head, points * self.canvas.unit + self.canvas.origin)
        clear = cv2.cvtColor(255 - posed[..., 3], cv2.COLOR_GRAY2RGB)
        return cv2.add(cv2.multiply(self.scene, clear, scale=1 / 255), cv2.cvtColor(posed, cv2.COLOR_RGBA2RGB))

    def _draw_eye(self, head: np.ndarray, eye: np.ndarray, gaze: np.ndarray) -> None:
        unit = self.canvas.unit
        upper, lower = _LID @ eye[:4], _LID @ eye[[0, 5, 4, 3]]
        low = np.floor(np.minimum(upper.min(0), lower.min(0)) - 0.12 * unit).astype(int)
        high = np.ceil(np.maximum(upper.max(0), lower.max(0)) + 0.12 * unit).astype(int)
        patch = head[low[1] : high[1], low[0] : high[0], :3]
        upper, lower, corners = upper - low, lower - low, (eye[[0, 3]] - low).mean(0)
        height, width = patch.shape[:2]
        opening = fill(np.zeros((height, width), np.uint8), np.concatenate([upper, lower[::-1]]))
        y, x = np.mgrid[:height, :width].astype(np.float32)
        ball = np.float32((0.93, 0.91, 0.90)) * np.ones((height, width, 1), np.float32)
        ball *= (0.72 + 0.28 * np.clip((y - upper[:, 1].min()) / (0.14 * unit), 0, 1))[..., None]
        ball *= (1 - 0.30 * np.clip(np.abs(x - corners[0]) / (0.30 * unit), 0, 1) ** 2)[..., None]
        centre = corners + unit * (gaze - [0, 0.015])
        distance = np.hypot(x - centre[0], y - centre[1])
        radius = 0.140 * unit
        iris = np.float32(self.person.iris) * (0.75 + 0.5 * (distance / radius) * (y > centre[1]) * 0.6)[..., None]
        iris = iris * (1 - 0.55 * np.clip((distance - 0.75 * radius) / (0.25 * radius), 0, 1))[..., None]
        ball = _over(ball, iris, np.clip(radius - distance + 0.5, 0, 1))
        ball = _over(ball, np.float32((0.03, 0.03, 0.03)), np.clip(0.058 * unit - distance + 0.5, 0, 1))
        light = np.hypot(x - centre[0] - 0.04 * unit * np.sign(self.person.light[0]), y - centre[1] + 0.045 * unit)
        ball = _over(ball, np.float32((1, 1, 1)), 0.9 * np.clip(0.028 * unit - light + 0.5, 0, 1))
        drawn = _over(patch / np.float32(255), ball, opening / np.float32(255))
        lash = _line(height, width, upper, 0.055 * unit if self.person.female else 0.042 * unit)
        drawn = _over(drawn, np.float32((0.06, 0.04, 0.04)), 0.85 * lash)
        rim = _line(height, width, lower, 0.025 * unit)
        drawn = _over(drawn, np.float32(self.person.skin) * np.float32((0.55, 0.40, 0.38)), 0.45 * rim)
        patch[:] = np.clip(255 * drawn, 0, 255)

    def _draw_mouth(self, head: np.ndarray, lips: np.ndarray, mouth: np.ndarray) -> None:
        unit, person = self.canvas.unit, self.person
        margin = 0.12 * unit
        low, high = np.floor(lips.min(0) - margin).astype(int), np.ceil(lips.max(0) + margin).astype(int)
        patch = head[low[1] : high[1], low[0] : high[0], :3]
        height, width = patch.shape[:2]
        lips = lips - low
        top, bottom = _UPPER_OUTER @ lips[:7], _LOWER_OUTER @ lips[[6, 7, 8, 9, 10, 11, 0]]
        inner_top, inner_bottom = _INNER @ lips[12:17], _INNER @ lips[[16, 17, 18, 19, 12]]
        blank = np.zeros((height, width), np.uint8)
        y, x = np.mgrid[:height, :width].astype(np.float32)
        lip = fill(blank.copy(), np.concatenate([top, bottom]))
        lip = cv2.GaussianBlur(lip, (0, 0), 0.012 * unit) / np.float32(255)
        upper = fill(blank.copy(), np.concatenate([top, inner_top[::-1]])) / np.float32(255)
        colour = np.float32(person.lips) * (0.98 - 0.24 * upper)[..., None]
        bulge = lips[[9, 18]].mean(0)
        gloss = np.exp(-0.5 * (((x - bulge[0]) / (0.26 * unit)) ** 2 + ((y - bulge[1]) / (0.055 * unit)) ** 2))
        crest = np.exp(-0.5 * ((x - bulge[0]) / (0.40 * unit)) ** 2)
        colour = colour * (0.80 + 0.20 * crest)[..., None] + 0.16 * gloss[..., None]
        drawn = _over(patch / np.float32(255), colour, 0.92 * lip)
        hole = fill(blank.copy(), np.concatenate([inner_top, inner_bottom])) / np.float32(255)
        drawn = _over(drawn, self._mouth_inside(x + low[0], y + low[1], mouth), hole)
        seam = _line(height, width, inner_top, 0.022 * unit)
        drawn = _over(drawn, np.float32(person.lips) * np.float32(0.30), 0.75 * seam)
        under = np.exp(-0.5 * ((y - bottom[:, 1].max() - 0.05 * unit) / (0.035 * unit)) ** 2) * crest**2
        drawn = drawn * (1 - 0.16 * under * (1 - lip))[..., None]
        patch[:] = np.clip(255 * drawn, 0, 255)

    def _mouth_inside(self, x: np.ndarray, y: np.ndarray, mouth: np.ndarray) -> np.ndarray:
        """Teeth, tongue and dark of the mouth at canvas positions, ``[H, W, 3]``; teeth hang on skull and jaw."""
        unit = self.canvas.unit
        shape = self.canvas.to_px(self.person.shape_P2[60:68])
        line, middle, half = shape[:, 1].mean(), shape[:, 0].mean(), (shape[4, 0] - shape[0, 0]) / 2
        state = dict(zip(CHANNELS, mouth.tolist(), strict=True))
        across = (x - middle) / half
        dark = np.float32((0.20, 0.06, 0.06)) * np.clip(1.1 - 0.5 * np.abs(across), 0.3, 1)[..., None]
        jaw = JAW_DROP * state["open"] * unit
        tip = line + jaw + (0.07 - 0.62 * (jaw / unit) * state["tongue"]) * unit
        height = (0.10 + 0.05 * state["tongue"]) * unit
        tongue = ((x - middle) / (0.34 * unit)) ** 2 + ((y - tip) / height) ** 2
        inside = _over(dark, np.float32((0.72, 0.34, 0.34)) * np.float32(0.85), np.clip((1 - tongue) * 3, 0, 1))
        gap = np.abs(np.mod(across * 4.2, 1) - 0.5) * 2
        ivory = np.float32((0.93, 0.90, 0.84)) * np.clip(1.0 - 0.45 * across**2, 0.3, 1)[..., None]
        ivory = ivory * (1 - 0.12 * np.clip(1 - (1 - gap) * 8, 0, 1))[..., None]
        edge = line + (0.085 - 0.05 * across**2) * unit
        upper = np.clip((edge - y) / 1.5 + 0.5, 0, 1) * (np.abs(across) < 0.85)
        inside = _over(inside, ivory, upper)
        edge = line + jaw + (0.07 + 0.03 * across**2) * unit
        lower = np.clip((y - edge) / 1.5 + 0.5, 0, 1) * (np.abs(across) < 0.7)
        return _over(inside, ivory * np.float32(0.82), lower)


class _Grid:
    """The nodes on which a warp is computed, spread over a square picture."""

    def __init__(self, side: int) -> None:
        at = np.linspace(0, side - 1, CELLS + 1, dtype=np.float32)
        self.nodes = np.stack(np.meshgrid(at, at), -1)
        self.step = np.float32(at[1])
        position = np.linspace(0, CELLS, side, dtype=np.float32)
        self._positions = np.stack(np.meshgrid(position, position), -1)

    def sample(self, image: np.ndarray, source: np.ndarray) -> np.ndarray:
        """`image` read at the px that the nodes name, interpolated between them, ``[side, side, C]``."""
        dense = cv2.remap(source.astype(np.float32), self._positions, None, cv2.INTER_LINEAR)
        return cv2.remap(image, dense, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)


_LID = smooth_matrix(4, 24, closed=False)
_UPPER_OUTER = smooth_matrix(7, 40, closed=False)
_LOWER_OUTER = smooth_matrix(7, 40, closed=False)
_INNER = smooth_matrix(5, 30, closed=False)


def _over(below: np.ndarray, above: np.ndarray, opacity_HW: np.ndarray) -> np.ndarray:
    return below + (above - below) * opacity_HW[..., None]


def _line(height: int, width: int, points_N2: np.ndarray, thickness: float) -> np.ndarray:
    """A line of fractional thickness (px) as opacity ``[height, width]``."""
    drawn = np.zeros((height, width), np.uint8)
    points = np.round(points_N2 * 2**SUBPIXEL_BITS).astype(np.int32)
    cv2.polylines(drawn, [points], False, 255, max(round(thickness), 1), cv2.LINE_AA, SUBPIXEL_BITS)
    return drawn * np.float32(min(thickness, 1) / 255)
