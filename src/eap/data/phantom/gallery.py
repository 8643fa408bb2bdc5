"""A picture of the corpus: every person with every emotion, saying something."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from eap.data.phantom.corpus import EMOTIONS
from eap.data.phantom.expression import actions, column
from eap.data.phantom.face import Pose
from eap.data.phantom.identity import make_identity
from eap.data.phantom.render import Performance, Renderer
from eap.data.phantom.visemes import CHANNELS, TARGETS
from eap.data.pseudo_labels import DIRECTION_DEG
from eap.files import atomic_path
from eap.stage import StageError

SUFFIXES = (".png", ".jpg", ".jpeg")

_SAYING = ("sil", "aa", "PP", "E", "ou", "FF", "ih", "sil")
_PEAK = 0.9


def gallery(phantom: Any, side: int = 128) -> np.ndarray:
    """RGB uint8 ``[identities * side, 8 * side, 3]``: a row per person, a column per emotion, each at its peak.

    Parameters
    ----------
    phantom
        Section ``phantom`` of the configuration.
    side
        Side of each face, px.
    """
    rows = []
    for index in range(phantom.identities):
        renderer = Renderer(make_identity(phantom.seed, index), phantom.size)
        faces = renderer.frames(_peaks(index))
        rows.append(np.hstack([cv2.resize(face, (side, side), interpolation=cv2.INTER_AREA) for face in faces]))
    return np.vstack(rows)


def write_gallery(phantom: Any, path: Path) -> None:
    """`gallery` as a picture file, in the format of its suffix.

    Raises
    ------
    StageError
        If that is neither PNG nor JPEG.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise StageError(f"{path}: a picture of the corpus ends in {', '.join(SUFFIXES)}, not {path.suffix!r}")
    encoded = cv2.imencode(path.suffix, cv2.cvtColor(gallery(phantom), cv2.COLOR_RGB2BGR))[1]
    with atomic_path(path) as temporary:
        temporary.write_bytes(encoded.tobytes())


def _peaks(person: int) -> Performance:
    """One frame per emotion; the sounds and poses differ from person to person."""
    directions = np.deg2rad([DIRECTION_DEG[e] for e in EMOTIONS[1:]])
    va = _PEAK * np.vstack([(0, 0), np.stack([np.cos(directions), np.sin(directions)], -1)])
    n, moves = len(va), actions(va)
    mouth = np.array([TARGETS[_SAYING[(i + person) % len(_SAYING)]] for i in range(n)])
    mouth[:, CHANNELS.index("open")] += column(moves, "jaw")
    turn = np.linspace(-0.15, 0.15, n)[np.random.default_rng(person).permutation(n)]
    pose = Pose(turn, turn[::-1] * 0.4, turn * 0.3, np.zeros((n, 2)), np.ones(n))
    return Performance(moves, mouth, np.zeros(n), np.zeros((n, 2)), pose)
