"""Painting tools: the canvas on which a head is painted, masks with soft edges, smooth curves, noise.

Coordinates are face units (see `eap.data.phantom.identity`); a canvas knows its pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from scipy.interpolate import CubicSpline
from scipy.ndimage import gaussian_filter

SUBPIXEL_BITS = 4
"""OpenCV's fixed-point coordinates: 1/16 px."""


@dataclass(frozen=True)
class Canvas:
    """A square picture of side `side` px; the face unit is `unit` px, the face's origin lies at `origin` (px)."""

    side: int
    unit: float
    origin: tuple[float, float]

    @cached_property
    def grid(self) -> tuple[np.ndarray, np.ndarray]:
        """x and y of every pixel's centre in face units, float32 ``[side, side]``."""
        y, x = np.mgrid[: self.side, : self.side].astype(np.float32)
        return (x - self.origin[0]) / self.unit, (y - self.origin[1]) / self.unit

    def to_px(self, points_N2: np.ndarray) -> np.ndarray:
        """Face units to px, ``[N, 2]``."""
        return np.asarray(points_N2) * self.unit + self.origin

    def mask(self, outline_N2: np.ndarray, blur: float = 0.0) -> np.ndarray:
        """Inside of a closed curve as float32 in [0, 1], edges antialiased, then blurred by `blur` face units."""
        filled = fill(np.zeros((self.side, self.side), np.uint8), self.to_px(outline_N2)).astype(np.float32) / 255
        return gaussian_filter(filled, blur * self.unit) if blur else filled

    def blob(self, x: float, y: float, sigma_x: float, sigma_y: float, angle: float = 0.0) -> np.ndarray:
        """A Gaussian hill of height 1, float32 ``[side, side]``."""
        grid_x, grid_y = self.grid
        dx, dy = grid_x - x, grid_y - y
        c, s = np.cos(angle), np.sin(angle)
        return np.exp(-0.5 * (((c * dx + s * dy) / sigma_x) ** 2 + ((c * dy - s * dx) / sigma_y) ** 2))

    def ridge(self, points_N2: np.ndarray, sigma: float) -> np.ndarray:
        """A soft line through points: 1 on the line, falling off with its distance."""
        off = np.full((self.side, self.side), 255, np.uint8)
        line = np.round(self.to_px(points_N2) * 2**SUBPIXEL_BITS).astype(np.int32)
        cv2.polylines(off, [line], False, 0, 1, cv2.LINE_8, SUBPIXEL_BITS)
        distance = cv2.distanceTransform(off, cv2.DIST_L2, 5) / self.unit
        return np.exp(-0.5 * (distance / sigma) ** 2)


def fill(image: np.ndarray, outline_N2: np.ndarray, colour: int | tuple[int, ...] = 255) -> np.ndarray:
    """Fill a closed curve (px) in place, antialiased."""
    points = np.round(outline_N2 * 2**SUBPIXEL_BITS).astype(np.int32)
    return cv2.fillPoly(image, [points], colour, cv2.LINE_AA, SUBPIXEL_BITS)


def smooth_matrix(n_points: int, n_samples: int, closed: bool) -> np.ndarray:
    """Matrix ``[n_samples, n_points]`` that turns points into a smooth curve through them (cubic spline)."""
    if closed:
        t = np.arange(n_points + 1)
        basis = np.vstack([np.eye(n_points), np.eye(n_points)[:1]])
        return CubicSpline(t, basis, bc_type="periodic")(np.linspace(0, n_points, n_samples, endpoint=False))
    return CubicSpline(np.arange(n_points), np.eye(n_points))(np.linspace(0, n_points - 1, n_samples))


def smooth(points_N2: np.ndarray, n_samples: int = 60, closed: bool = False) -> np.ndarray:
    """A smooth curve through points, ``[n_samples, 2]``."""
    return smooth_matrix(len(points_N2), n_samples, closed) @ points_N2


def value_noise(rng: np.random.Generator, side: int, cells: int) -> np.ndarray:
    """Smooth noise of mean 0 and deviation 1 whose features are about side / cells px wide."""
    coarse = rng.standard_normal((cells + 2, cells + 2)).astype(np.float32)
    noise = cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC)
    return (noise - noise.mean()) / noise.std()


def lerp(below: np.ndarray, above: np.ndarray | tuple[float, ...], weight_HW: np.ndarray) -> np.ndarray:
    """`above` laid over `below` (both ``[H, W, 3]`` or a colour) with opacity ``[H, W]``."""
    return below + (np.asarray(above, np.float32) - below) * weight_HW[..., None]
