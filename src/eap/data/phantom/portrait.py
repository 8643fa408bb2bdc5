"""One person's head as a painting: skin under a light, hair, ears, brows; and the scene behind it.

Painted once per person or clip; `eap.data.phantom.render` moves it. Eyes and mouth are not in it: they are drawn
in each frame.
"""

from __future__ import annotations

import cv2
import numpy as np
from scipy.ndimage import gaussian_filter

from eap.data.phantom.canvas import Canvas, lerp, smooth, value_noise
from eap.data.phantom.identity import Identity

CROWN_Y, SKULL_WIDTH = -2.28, 1.60
"""Top and half width of the skull, face units."""


def paint_head(person: Identity, canvas: Canvas) -> np.ndarray:
    """The head, float32 ``[side, side, 4]`` in [0, 255]: RGB times opacity, and opacity."""
    rng = np.random.default_rng([person.seed, 1])
    outline = head_outline(person.shape_P2)
    face = canvas.mask(outline)
    skin = paint_skin(person, canvas, rng)
    ears = _ears(person, canvas)
    colour = np.asarray(person.skin, np.float32) * 0.82 * np.ones_like(skin)
    colour = lerp(colour, skin, face)
    alpha = np.maximum(face, ears)
    colour = _paint_brows(colour, person, canvas, rng)
    hair, strands = _hair(person, canvas, rng)
    colour = lerp(colour, strands, hair)
    alpha = np.maximum(alpha, hair)
    head = np.dstack([np.clip(colour, 0, 1) * alpha[..., None], alpha])
    return (255 * head).astype(np.float32)


def head_outline(shape_P2: np.ndarray) -> np.ndarray:
    """Jaw and skull as one closed curve, ``[N, 2]``."""
    jaw = smooth(shape_P2[:17], 120)
    right, left = shape_P2[16], shape_P2[0]
    angles = np.linspace(0, np.pi, 60)[1:-1]
    half = (right[0] - left[0]) / 2
    bulge = half + (SKULL_WIDTH - half) * np.sin(angles) ** 2
    skull = np.stack([np.cos(angles) * bulge, right[1] - np.sin(angles) * (right[1] - CROWN_Y)], -1)
    return np.concatenate([jaw, skull])


def height_field(shape_P2: np.ndarray, canvas: Canvas) -> np.ndarray:
    """The face's relief towards the viewer, face units, ``[side, side]``: what the light falls on."""
    x, y = canvas.grid
    radius = np.sqrt((x / 1.78) ** 2 + ((y + 0.05) / 2.5) ** 2)
    z = 1.7 * np.sqrt(np.clip(1 - radius**2, 0.03, 1))
    blob, p = canvas.blob, shape_P2
    nose = smooth(p[27:31], 40)
    along = np.clip((y - p[27, 1]) / (p[30, 1] - p[27, 1]), 0, 1.25)
    below = np.clip((y - p[30, 1]) / (p[33, 1] - p[30, 1]), 0, 1)
    width = 0.11 + 0.10 * along
    ridge = np.exp(-0.5 * ((x - np.interp(y, nose[:, 1], nose[:, 0])) / width) ** 2)
    z += ridge * (0.10 + 0.36 * along**1.3) * (y > p[27, 1] - 0.3) * np.clip(1 - below, 0, 1) ** 0.7
    for wing, side in ((p[31], -1), (p[35], 1)):
        z += 0.16 * blob(wing[0] + side * 0.02, wing[1] - 0.07, 0.12, 0.13)
    for eye, side in ((p[36:42].mean(0), -1), (p[42:48].mean(0), 1)):
        z -= 0.16 * blob(eye[0], eye[1] - 0.03, 0.40, 0.22)
        z += 0.13 * blob(eye[0], eye[1], 0.26, 0.15)
        z += 0.07 * blob(side * 0.72, p[19, 1] + 0.05, 0.5, 0.18)
        z += 0.14 * blob(side * 1.02, 0.30, 0.38, 0.34)
        corner = p[48] if side < 0 else p[54]
        fold = np.stack([p[31 if side < 0 else 35], corner]) + np.array([(side * 0.10, -0.02), (side * 0.20, -0.08)])
        z -= 0.03 * canvas.ridge(fold, 0.08)
    mouth = p[48:60].mean(0)
    z += 0.16 * blob(0, mouth[1], 0.48, 0.34) - 0.05 * blob(0, p[33, 1] + 0.18, 0.07, 0.14)
    z -= 0.10 * blob(0, p[57, 1] + 0.17, 0.35, 0.11)
    z += 0.16 * blob(0, p[8, 1] - 0.32, 0.34, 0.24)
    return z.astype(np.float32)


def paint_skin(person: Identity, canvas: Canvas, rng: np.random.Generator) -> np.ndarray:
    """Skin with its colour variations under the person's light, float32 ``[side, side, 3]`` in about [0, 1]."""
    p, blob, side = person.shape_P2, canvas.blob, canvas.side
    red = 0.5 * (blob(-0.95, 0.45, 0.38, 0.30) + blob(0.95, 0.45, 0.38, 0.30)) + 0.5 * blob(0, p[30, 1], 0.25, 0.25)
    red += 0.25 * blob(0, p[8, 1] - 0.2, 0.4, 0.25)
    skin = np.asarray(person.skin, np.float32) * np.ones((side, side, 1), np.float32)
    skin *= 1 + red[..., None] * (0.05, -0.07, -0.05)
    blotches = (
        0.018 * value_noise(rng, side, 9) + 0.012 * value_noise(rng, side, 40) + 0.012 * value_noise(rng, side, 150)
    )
    skin *= 1 + blotches[..., None]
    freckles = np.clip(value_noise(rng, side, 110) - 1.5, 0, 1) * (blob(0, 0.15, 1.0, 0.35) * person.freckles)
    skin = lerp(skin, np.asarray(person.skin) * (0.62, 0.5, 0.42), 0.7 * freckles)
    skin = lerp(skin, np.asarray(person.hair) * 0.6 + 0.08, _stubble(person, canvas, rng))
    for eye in (p[36:42], p[42:48]):
        centre = eye.mean(0)
        skin *= 1 - 0.20 * blob(*centre, 0.42, 0.22)[..., None] * (0.8, 1, 1)
        crease = smooth(eye[:4] - (0, 0.11), 30)
        skin *= 1 - 0.30 * canvas.ridge(crease, 0.028)[..., None]
        skin *= 1 - 0.10 * canvas.ridge(smooth(eye[[0, 5, 4, 3]] + (0, 0.13), 30), 0.05)[..., None]
    z = height_field(p, canvas)
    z = gaussian_filter(z, 0.035 * canvas.unit) * canvas.unit
    normal = np.dstack([-np.gradient(z, axis=1), -np.gradient(z, axis=0), np.ones_like(z)])
    normal /= np.linalg.norm(normal, axis=2, keepdims=True)
    light = np.asarray(person.light, np.float32)
    lit = np.clip(normal @ light, 0, None)
    half = light + np.float32([0, 0, 1])
    shine = np.clip(normal @ (half / np.linalg.norm(half)), 0, 1) ** 26
    occlusion = 1 - 0.30 * gaussian_filter(np.clip(gaussian_filter(z, 0.22 * canvas.unit) - z, 0, None), 2) / (
        0.08 * canvas.unit
    )
    skin = skin * ((0.50 + 0.60 * lit) * np.clip(occlusion, 0.55, 1))[..., None] + 0.13 * shine[..., None]
    for nostril, s in ((p[32], -1), (p[34], 1)):
        skin *= 1 - 0.62 * blob(nostril[0] + s * 0.03, nostril[1] - 0.045, 0.075, 0.04)[..., None] * (0.85, 1, 1)
    under = smooth(
        np.stack([p[31] + (-0.02, -0.02), p[32] + (0, 0.03), p[33] + (0, 0.03), p[34] + (0, 0.03), p[35]]), 30
    )
    return skin * (1 - 0.25 * canvas.ridge(under, 0.035)[..., None])


def _stubble(person: Identity, canvas: Canvas, rng: np.random.Generator) -> np.ndarray:
    if not person.stubble:
        return np.zeros((canvas.side, canvas.side), np.float32)
    p = person.shape_P2
    x, y = canvas.grid
    region = 1 / (1 + np.exp(-(y - 0.55 - 0.35 * np.exp(-((x / 0.9) ** 2)) + 0.25 * np.abs(x)) / 0.10))
    region *= 1 - canvas.blob(0, p[48:60, 1].mean(), 0.42, 0.16)
    grain = 0.75 + 0.25 * value_noise(rng, canvas.side, 170)
    return np.clip(person.stubble * region * grain, 0, 0.6).astype(np.float32)


def _ears(person: Identity, canvas: Canvas) -> np.ndarray:
    mask = np.zeros((canvas.side, canvas.side), np.float32)
    for x, y in (person.shape_P2[1] + (-0.03, -0.12), person.shape_P2[15] + (0.03, -0.12)):
        angles = np.linspace(0, 2 * np.pi, 40)
        mask = np.maximum(mask, canvas.mask(np.stack([x + 0.17 * np.cos(angles), y + 0.42 * np.sin(angles)], -1)))
    return mask


def _paint_brows(colour: np.ndarray, person: Identity, canvas: Canvas, rng: np.random.Generator) -> np.ndarray:
    hairs = np.zeros((canvas.side, canvas.side), np.uint8)
    for points in (person.shape_P2[17:22], person.shape_P2[26:21:-1]):
        curve = smooth(points, 50)
        outer = np.sign(points[0, 0])
        for t in rng.uniform(0, 1, 130):
            thickness = person.brow_thickness * (0.40 + 1.5 * t * (1.05 - t))
            lift = 0.05 * np.clip((t - 0.6) / 0.4, 0, 1)
            root = curve[int(t * 49)] + (0.03 * outer, 0.03 - lift + rng.uniform(-0.6, 0.7) * thickness)
            slant = np.array([outer * rng.uniform(0.07, 0.13), rng.uniform(-0.09, 0.0) * t + 0.03 * (1 - t)])
            ends = np.round(canvas.to_px(np.stack([root - slant / 2, root + slant / 2])) * 16).astype(np.int32)
            cv2.line(hairs, ends[0], ends[1], 255, 2, cv2.LINE_AA, 4)
    opacity = gaussian_filter(hairs.astype(np.float32) / 255, 0.010 * canvas.unit) * 0.9
    return lerp(colour, np.asarray(person.hair) * 0.55, opacity)


def _hair(person: Identity, canvas: Canvas, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Opacity ``[side, side]`` of the hair before the face, and its colour ``[side, side, 3]``."""
    x, y = canvas.grid
    style, volume = person.hair_style, person.hair_volume
    width, top = SKULL_WIDTH + 0.10 + 0.6 * volume, CROWN_Y - volume
    sides = {"short": -0.25, "receding": -0.3, "cropped": -0.35, "fringe": -0.1, "bob": 1.5, "long": 2.2, "bun": -0.2}
    bottom = sides[style]
    hanging = style in ("bob", "long")
    angles = np.linspace(np.pi, 2 * np.pi, 60)
    middle = -0.55
    cap = np.stack([width * np.cos(angles), middle + (middle - top) * np.sin(angles)], -1)
    hem = width + 0.1 if hanging else abs(person.shape_P2[0, 0]) + 0.02
    cap = np.concatenate([cap, [[hem, bottom], [-hem, bottom]]])
    outer = canvas.mask(cap, 0.02)
    fray = bottom + 0.05 * value_noise(rng, canvas.side, 40)
    outer = outer * np.clip((fray - y) / (0.7 if hanging else 0.12), 0, 1)
    line = person.hairline + (0.28 if style == "fringe" else 0) - (0.22 if style == "receding" else 0)
    temple = {"receding": 1.28, "cropped": 1.40, "bob": 1.30, "long": 1.30}.get(style, 1.36)
    opening = np.abs(x / temple) ** (3.2 if style != "receding" else 2.2)
    wave = 0.035 * value_noise(rng, canvas.side, 22)
    inside = y - (line + 1.15 * opening * (1.0 if style != "fringe" else 0.9) + wave)
    edge = 0.035 if style == "cropped" else 0.02
    opacity = outer / (1 + np.exp(np.clip(inside / edge, -40, 40)))
    side_hair = outer * (np.abs(x) > temple + 0.08 + 0.02 * value_noise(rng, canvas.side, 20)) * (y < bottom)
    opacity = np.maximum(opacity, gaussian_filter(side_hair.astype(np.float32), 1.0))
    if style == "bun":
        opacity = np.maximum(opacity, canvas.mask(_ellipse(0, top - 0.12, 0.5, 0.34), 0.015))
    strands = _strands(person, canvas, rng)
    if style == "cropped":
        opacity = opacity * 0.8 * canvas.mask(head_outline(person.shape_P2) * 1.01, 0.015)
    return np.clip(opacity, 0, 1).astype(np.float32), strands


def _strands(person: Identity, canvas: Canvas, rng: np.random.Generator) -> np.ndarray:
    """Hair that runs away from the parting: noise stretched along rays, with a band of shine."""
    x, y = canvas.grid
    parting = rng.uniform(-0.5, 0.5)
    angle = np.arctan2(y + 2.0, x - parting)
    radius = np.hypot(x - parting, y + 2.0)
    noise = rng.standard_normal((24, 512)).astype(np.float32)
    noise = gaussian_filter(noise, (0.5, 0.8))
    noise /= noise.std()
    streaks = cv2.remap(
        noise,
        ((angle / np.pi + 1) * 255).astype(np.float32),
        (radius * 4).astype(np.float32),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT,
    )
    shine = np.exp(-0.5 * ((radius - 0.75) / 0.28) ** 2) * np.clip(0.6 + person.light[0] * x, 0.2, 1)
    edge = np.clip(1.12 - 0.16 * np.hypot(x, (y + 0.8) * 0.8), 0.6, 1)
    tone = np.clip((0.82 + 0.20 * streaks) * edge, 0.25, 1.6)[..., None]
    return np.asarray(person.hair, np.float32) * tone + 0.10 * (shine * (1 + 0.6 * streaks))[..., None]


def paint_scene(person: Identity, canvas: Canvas, rng: np.random.Generator) -> np.ndarray:
    """What does not move with the head: wall, shoulders, neck, long hair; uint8 ``[side, side, 3]``."""
    x, y = canvas.grid
    wall = np.asarray(person.wall, np.float32)
    picture = wall * (1 + 0.10 * value_noise(rng, canvas.side, 3)[..., None] + 0.12 * (x * person.light[0])[..., None])
    picture = picture * (1 - 0.05 * np.hypot(x, y - 0.5))[..., None]
    chin = person.shape_P2[8, 1]
    if person.hair_style == "long":
        back = canvas.mask(_ellipse(0, 0.7, SKULL_WIDTH + 0.35 + 0.5 * person.hair_volume, 2.9), 0.03)
        picture = lerp(picture, _strands(person, canvas, rng) * 0.7, back)
    if person.hair_style == "bob":
        back = canvas.mask(_ellipse(0, 0.2, SKULL_WIDTH + 0.22 + 0.4 * person.hair_volume, 2.0), 0.03)
        picture = lerp(picture, _strands(person, canvas, rng) * 0.7, back)
    neck_width = 0.78 if person.female else 0.95
    neck = [(-neck_width, 0.8), (neck_width, 0.8), (neck_width + 0.04, chin + 0.55), (neck_width + 0.5, chin + 1.0)]
    neck += [(-neck_width - 0.5, chin + 1.0), (-neck_width - 0.04, chin + 0.55)]
    round_ = np.clip(1 - 0.45 * (x / (neck_width + 0.15)) ** 2 + 0.2 * person.light[0] * x, 0.35, 1)
    shadow = 0.45 + 0.38 * np.clip((y - chin + 0.05) / 0.7, 0, 1)
    picture = lerp(picture, np.asarray(person.skin) * (round_ * shadow)[..., None], canvas.mask(np.array(neck), 0.02))
    shoulder_y = chin + 0.45
    t = np.linspace(-1, 1, 60)
    slope = 0.62 * np.abs(t) ** 1.7
    shoulders = np.stack([t * 3.4, shoulder_y + slope], -1)
    collar = canvas.mask(_ellipse(0, shoulder_y - 0.10, neck_width + 0.22, 0.42), 0.015)
    body = canvas.mask(np.concatenate([shoulders, [[3.4, 6], [-3.4, 6]]]), 0.015) * (1 - collar)
    cloth = (
        np.asarray(person.clothes) * np.clip(0.9 + 0.25 * person.light[0] * x - 0.1 * np.abs(x), 0.4, 1.2)[..., None]
    )
    cloth = cloth * (1 + 0.05 * value_noise(rng, canvas.side, 12)[..., None])
    picture = lerp(picture, cloth, body)
    return np.clip(255 * picture, 0, 255).astype(np.uint8)


def _ellipse(x: float, y: float, a: float, b: float) -> np.ndarray:
    angles = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    return np.stack([x + a * np.cos(angles), y + b * np.sin(angles)], -1)
