"""Who the phantoms are: geometry, colours, hair and voice of any number of people, each a pure function of a seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Colour = tuple[float, float, float]
"""RGB in [0, 1]."""

HAIR_STYLES = ("short", "receding", "cropped", "fringe", "bob", "long", "bun")

# fmt: off
MEAN_SHAPE_P2 = np.array(
    [
        [-1.521, -0.405], [-1.482, 0.018], [-1.427, 0.436], [-1.366, 0.854], [-1.254, 1.250], [-1.045, 1.599],
        [-0.752, 1.884], [-0.405, 2.099], [0.000, 2.173], [0.405, 2.099], [0.752, 1.884], [1.045, 1.599],
        [1.254, 1.250], [1.366, 0.854], [1.427, 0.436], [1.482, 0.018], [1.521, -0.405], [-1.256, -0.819],
        [-1.066, -1.006], [-0.792, -1.050], [-0.511, -0.996], [-0.243, -0.887], [0.243, -0.887], [0.511, -0.996],
        [0.792, -1.050], [1.066, -1.006], [1.256, -0.819], [0.000, -0.576], [0.000, -0.318], [0.000, -0.061],
        [0.000, 0.208], [-0.305, 0.468], [-0.158, 0.518], [0.000, 0.557], [0.158, 0.518], [0.305, 0.468],
        [-0.953, -0.479], [-0.786, -0.571], [-0.584, -0.574], [-0.400, -0.461], [-0.590, -0.410], [-0.794, -0.402],
        [0.400, -0.461], [0.584, -0.574], [0.786, -0.571], [0.953, -0.479], [0.794, -0.402], [0.590, -0.410],
        [-0.561, 1.107], [-0.360, 0.982], [-0.149, 0.906], [0.000, 0.949], [0.149, 0.906], [0.360, 0.982],
        [0.561, 1.107], [0.367, 1.292], [0.161, 1.378], [0.000, 1.397], [-0.161, 1.378], [-0.367, 1.292],
        [-0.462, 1.107], [-0.150, 1.051], [0.000, 1.068], [0.150, 1.051], [0.462, 1.107], [0.152, 1.163],
        [0.000, 1.181], [-0.152, 1.163],
    ]
)
# fmt: on
"""A mean face, ``[68, 2]`` in face units (`eap.data.pose`'s canonical frame: about 1 = half a face).

Measured: the mean over eight speakers of CREMA-D and GRID of dlib's landmarks in neutral frames, made symmetric. So the
points lie where annotators of the 68-point scheme put them.
"""

JAW, BROWS, NOSE = slice(0, 17), slice(17, 27), slice(27, 36)
LEFT_EYE, RIGHT_EYE, LIPS = slice(36, 42), slice(42, 48), slice(48, 68)
"""Point ranges; left and right are the picture's."""


@dataclass(frozen=True)
class Voice:
    """How a person sounds before any emotion."""

    variant: str
    """espeak-ng voice, e.g. ``en-us+f2``."""
    pitch: int
    """espeak-ng's base pitch, 0-100."""
    words_per_minute: int
    tract: float
    """Factor on all frequencies (resampling): below 1 is a longer vocal tract."""
    loudness_db: float = 0.0
    """How much louder than others, dB."""


@dataclass(frozen=True)
class Identity:
    """One person."""

    name: str
    seed: int
    female: bool
    shape_P2: np.ndarray
    """Neutral landmarks ``[68, 2]``, face units."""
    skin: Colour
    lips: Colour
    iris: Colour
    hair: Colour
    clothes: Colour
    wall: Colour
    hair_style: str
    hairline: float
    """Lowest point of the hairline above the brows, face units."""
    hair_volume: float
    brow_thickness: float
    stubble: float
    """Darkness of the beard's shadow, 0-1."""
    freckles: float
    light: tuple[float, float, float]
    """Unit vector towards the light; x right, y down, z towards the viewer."""
    voice: Voice


def make_identity(seed: int, index: int) -> Identity:
    """Person number `index` of the corpus of `seed`; it does not depend on how many others there are."""
    rng = np.random.default_rng([seed, index, 1])
    female = bool(index % 2)
    hair_style = str(rng.choice(HAIR_STYLES[2:] if female else HAIR_STYLES[:4]))
    melanin = rng.uniform(0, 1)
    return Identity(
        name=f"P{index:03d}",
        seed=int(rng.integers(2**31)),
        female=female,
        shape_P2=_shape(rng, female),
        skin=_skin(melanin, rng),
        lips=_lips(melanin, female, rng),
        iris=_pick(rng, [(0.30, 0.19, 0.10), (0.22, 0.33, 0.45), (0.28, 0.38, 0.25), (0.38, 0.30, 0.16)], 0.02),
        hair=_hair(melanin, rng),
        clothes=tuple(rng.uniform(0.08, 0.75, 3)),
        wall=tuple(np.clip(rng.uniform(0.35, 0.8) + rng.normal(0, 0.07, 3), 0.2, 0.9)),
        hair_style=hair_style,
        hairline=float(rng.uniform(-1.75, -1.45)),
        hair_volume=float(rng.uniform(0.10, 0.32)),
        brow_thickness=float(rng.uniform(0.07, 0.11) if female else rng.uniform(0.10, 0.15)),
        stubble=0.0 if female else float(max(rng.uniform(-0.3, 0.5), 0)),
        freckles=float(max(rng.uniform(-1, 1), 0) * (1 - melanin)),
        light=_light(rng),
        voice=_voice(rng, female),
    )


def _shape(rng: np.random.Generator, female: bool) -> np.ndarray:
    """The mean face with this person's proportions; standard deviations are about those between real speakers."""
    shape = MEAN_SHAPE_P2.copy()
    n = rng.normal

    def scale(points: slice | list[int], x: float = 1.0, y: float = 1.0) -> None:
        centre = shape[points].mean(0)
        shape[points] = centre + (shape[points] - centre) * (x, y)

    lower = np.clip((shape[JAW, 1] - 0.4) / 1.8, 0, 1)
    width = 1 + np.clip(n(-0.02 if female else 0.01, 0.035), -0.08, 0.08)
    taper = np.clip(n(-0.03 if female else 0.02, 0.04), -0.10, 0.08)
    shape[JAW, 0] *= width + taper * lower
    shape[JAW, 1] += np.clip(n(-0.03 if female else 0.03, 0.06), -0.13, 0.13) * lower
    apart, size, open_ = n(0, 0.025), 1 + n(0.04 if female else 0.01, 0.04), 1 + n(0.14 if female else 0.06, 0.08)
    tilt = n(0, 0.03)
    for eye, side in ((LEFT_EYE, -1), (RIGHT_EYE, 1)):
        scale(eye, size, size * open_)
        centre = shape[eye].mean(0)
        shape[eye, 0] += side * apart
        shape[eye, 1] -= tilt * side * (shape[eye, 0] - centre[0])
    brow_height, arch = n(-0.02 if female else 0.02, 0.035), n(0.02 if female else -0.01, 0.025)
    shape[BROWS, 1] += brow_height
    for points in ([17, 18, 19, 20, 21], [26, 25, 24, 23, 22]):
        shape[points, 1] -= arch * np.array([0, 0.8, 1, 0.6, 0])
    shape[NOSE, 1] = -0.576 + (shape[NOSE, 1] + 0.576) * (1 + n(0, 0.035))
    shape[31:36, 0] *= 1 + n(-0.04 if female else 0.03, 0.07)
    scale(LIPS, 1 + n(0, 0.05), 1)
    shape[LIPS, 1] += n(0, 0.03)
    _thicken(shape, np.clip(1 + n(0.12 if female else -0.02, 0.12), 0.75, 1.4))
    return shape


def _thicken(shape: np.ndarray, factor: float) -> None:
    """Scale the height of both lips about the line between them; the outer points move, the inner ones stay."""
    line = shape[60:68, 1].mean()
    outer = slice(48, 60)
    shape[outer, 1] = line + (shape[outer, 1] - line) * factor


def _skin(melanin: float, rng: np.random.Generator) -> Colour:
    light, middle, dark = np.array([0.93, 0.76, 0.67]), np.array([0.76, 0.56, 0.43]), np.array([0.42, 0.28, 0.20])
    base = light + (middle - light) * min(2 * melanin, 1) + (dark - middle) * max(2 * melanin - 1, 0)
    return tuple(np.clip(base + rng.normal(0, 0.015, 3), 0, 1))


def _lips(melanin: float, female: bool, rng: np.random.Generator) -> Colour:
    pale = np.array([0.76, 0.42, 0.40]) if not female else np.array([0.76, 0.32, 0.34])
    return tuple(np.clip(pale + (np.array([0.42, 0.22, 0.20]) - pale) * melanin + rng.normal(0, 0.03, 3), 0, 1))


def _hair(melanin: float, rng: np.random.Generator) -> Colour:
    colours = [(0.09, 0.07, 0.06), (0.22, 0.14, 0.09), (0.38, 0.25, 0.14), (0.66, 0.50, 0.30), (0.45, 0.20, 0.10)]
    colours.append((0.55, 0.54, 0.53))
    return _pick(rng, colours[:2] if melanin > 0.6 else colours, 0.01)


def _pick(rng: np.random.Generator, colours: list[Colour], spread: float) -> Colour:
    """One of the colours, lighter or darker, its hue a little off."""
    colour = np.array(colours[rng.integers(len(colours))]) * np.exp(rng.normal(0, 0.2))
    return tuple(np.clip(colour + rng.normal(0, spread, 3), 0.02, 1))


def _light(rng: np.random.Generator) -> tuple[float, float, float]:
    azimuth, elevation = np.deg2rad(rng.uniform(-40, 40)), np.deg2rad(rng.uniform(15, 40))
    across = np.cos(elevation)
    return float(np.sin(azimuth) * across), float(-np.sin(elevation)), float(np.cos(azimuth) * across)


def _voice(rng: np.random.Generator, female: bool) -> Voice:
    variants = ("f1", "f2", "f3", "f4", "f5", "Annie", "linda", "steph") if female else ("m1", "m2", "m3", "m4", "m7")
    return Voice(
        variant=f"en-us+{rng.choice(variants)}",
        pitch=int(rng.integers(40, 60)),
        words_per_minute=int(rng.integers(150, 185)),
        tract=float(rng.uniform(0.94, 1.06)),
        loudness_db=float(rng.normal(0, 1.5)),
    )
