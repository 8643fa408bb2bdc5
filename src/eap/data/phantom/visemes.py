"""From timed phonemes to the mouth: viseme targets and their co-articulation (Cohen & Massaro 1993)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

CHANNELS = ("open", "wide", "round", "press", "tuck", "tongue")
"""open: jaw; wide: lips spread; round: lips rounded; press: lips pressed together; tuck: lower lip under the upper
teeth; tongue: its tip raised. Each 0 to 1."""

TARGETS: dict[str, tuple[float, ...]] = {
    "sil": (0.03, 0.0, 0.0, 0.10, 0.0, 0.0),
    "PP": (0.00, 0.0, 0.05, 1.00, 0.0, 0.0),
    "FF": (0.08, 0.1, 0.0, 0.0, 1.0, 0.0),
    "TH": (0.22, 0.1, 0.0, 0.0, 0.0, 1.0),
    "DD": (0.20, 0.1, 0.0, 0.0, 0.0, 0.6),
    "kk": (0.26, 0.1, 0.0, 0.0, 0.0, 0.1),
    "CH": (0.18, 0.0, 0.7, 0.0, 0.0, 0.2),
    "SS": (0.12, 0.4, 0.0, 0.0, 0.0, 0.2),
    "nn": (0.22, 0.1, 0.0, 0.0, 0.0, 0.8),
    "RR": (0.24, 0.0, 0.5, 0.0, 0.0, 0.3),
    "aa": (1.00, 0.1, 0.0, 0.0, 0.0, 0.1),
    "E": (0.66, 0.4, 0.0, 0.0, 0.0, 0.1),
    "ih": (0.40, 0.6, 0.0, 0.0, 0.0, 0.2),
    "oh": (0.66, 0.0, 0.7, 0.0, 0.0, 0.0),
    "ou": (0.30, 0.0, 1.0, 0.0, 0.0, 0.0),
}
"""Mouth of each viseme (the 15 visemes of MPEG-4's usual extension), in the order of `CHANNELS`. CHOSEN."""

_DOMINANCE = {"PP": (8, 1, 1, 8, 4, 1), "FF": (5, 1, 1, 4, 8, 1), "CH": (1, 1, 4, 1, 1, 1), "ou": (1, 1, 3, 1, 1, 1)}
"""How strongly a viseme insists on its own channels against its neighbours; 1 where nothing is said."""

_VOWELS = frozenset({"aa", "E", "ih", "oh", "ou"})
_REACH_S = 0.045
"""Time constant of a viseme's influence beyond its own centre (CHOSEN: speech moves lips at 4-8 Hz)."""
_SEAL_S = 0.02
"""Lips are shut for half a frame before and after a bilabial, so that 25 frames per second cannot miss it."""

_PHONEMES: dict[str, tuple[str, ...]] = {
    # consonants
    **dict.fromkeys(("p", "b", "m"), ("PP",)),
    **dict.fromkeys(("f", "v"), ("FF",)),
    **dict.fromkeys(("T", "D"), ("TH",)),
    **dict.fromkeys(("t", "d", "t2", "t#", "d#", "*"), ("DD",)),
    **dict.fromkeys(("k", "g", "N", "h", "x", "?"), ("kk",)),
    **dict.fromkeys(("tS", "dZ", "S", "Z"), ("CH",)),
    **dict.fromkeys(("s", "z"), ("SS",)),
    **dict.fromkeys(("n", "l", "L", "n-", "l-"), ("nn",)),
    **dict.fromkeys(("r", "r-", "R"), ("RR",)),
    "w": ("ou",),
    **dict.fromkeys(("j", ";"), ("ih",)),
    # vowels
    **dict.fromkeys(("a", "aa", "a#", "A:", "A", "0", "0#", "V", "A@"), ("aa",)),
    **dict.fromkeys(("E", "E2", "e", "e@", "e:", "E#"), ("E",)),
    **dict.fromkeys(("I", "I2", "I#", "i", "i:", "i@", "i@3", "i2"), ("ih",)),
    **dict.fromkeys(("@", "@2", "@5", "@L", "@-", "3", "3:", "V3", "V@"), ("E",)),
    **dict.fromkeys(("O", "O:", "O@", "o", "o:", "o@", "O2"), ("oh",)),
    **dict.fromkeys(("U", "u", "u:", "U@", "u#"), ("ou",)),
    "aI": ("aa", "ih"),
    "aI@": ("aa", "ih", "RR"),
    "aI3": ("aa", "ih", "RR"),
    "aU": ("aa", "ou"),
    "aU@": ("aa", "ou", "RR"),
    "eI": ("E", "ih"),
    "OI": ("oh", "ih"),
    "oU": ("oh", "ou"),
    # pauses
    **dict.fromkeys(("_", "_:", "_^_", "_|", "|", ":", ""), ("sil",)),
}


@dataclass(frozen=True)
class Segment:
    """A sound and when it is heard."""

    name: str
    start_s: float
    end_s: float


def to_visemes(phonemes: Sequence[Segment]) -> list[Segment]:
    """Visemes of espeak-ng's phonemes; a diphthong becomes two of equal length.

    Raises
    ------
    ValueError
        If a phoneme is not known.
    """
    found = []
    for phoneme in phonemes:
        name = phoneme.name.lstrip("',%=")
        if name not in _PHONEMES:
            raise ValueError(f"espeak-ng's phoneme {phoneme.name!r} has no viseme; add it to eap.data.phantom.visemes")
        parts = _PHONEMES[name]
        edges = np.linspace(phoneme.start_s, phoneme.end_s, len(parts) + 1)
        found += [Segment(part, *edges[i : i + 2]) for i, part in enumerate(parts)]
    return found


def mouth_track(visemes: Sequence[Segment], times_s: np.ndarray) -> np.ndarray:
    """The mouth at given times, ``[T, 6]`` in the order of `CHANNELS`.

    Each viseme pulls each channel towards its target with a dominance that falls off exponentially with the distance
    in time from its centre; bilabials always shut the lips.
    """
    centre = np.array([(v.start_s + v.end_s) / 2 for v in visemes])
    length = np.array([v.end_s - v.start_s for v in visemes])
    target = np.array([TARGETS[v.name] for v in visemes])
    strength = np.array([_DOMINANCE.get(v.name, (1,) * len(CHANNELS)) for v in visemes], float)
    distance = np.maximum(np.abs(times_s[:, None] - centre) - 0.25 * length, 0)
    reach = np.where([v.name in _VOWELS for v in visemes], 1.2, 0.8) * _REACH_S
    weight = np.exp(-distance / reach)[..., None] * strength + 1e-9 * strength
    mouth = (weight * target).sum(1) / weight.sum(1)
    for viseme in visemes:
        if viseme.name == "PP":
            middle = (viseme.start_s + viseme.end_s) / 2
            outside = np.maximum(np.abs(times_s - middle) - _SEAL_S, 0)
            seal = np.clip(1 - outside / 0.03, 0, 1)
            mouth[:, 0] *= 1 - seal
            mouth[:, 3] = np.maximum(mouth[:, 3], seal)
            mouth[:, 4] *= 1 - seal
    return mouth


def viseme_at(visemes: Sequence[Segment], times_s: np.ndarray) -> list[str]:
    """Name of the viseme heard at each time; ``sil`` outside."""
    starts = np.array([v.start_s for v in visemes])
    found = np.searchsorted(starts, times_s, side="right") - 1
    return [
        visemes[i].name if i >= 0 and times_s[n] < visemes[i].end_s else "sil" for n, i in enumerate(found.tolist())
    ]
