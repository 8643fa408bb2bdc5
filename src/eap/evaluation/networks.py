"""The published networks that an evaluation may use, from the weights that `evaluation.weights` names.

None is replaced by another: what has no weights has no scores, and `eap.evaluation.weights.absent` says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eap.data.emonet import EmoNet
from eap.digest import file_sha256
from eap.evaluation.frechet import InceptionFeatures
from eap.evaluation.perceptual import PerceptualDistance
from eap.evaluation.score.networks import load_emotions, load_inception, load_lpips, load_syncnet
from eap.evaluation.weights import WEIGHTS
from eap.models.syncnet_v2 import FoldedSyncNet
from eap.stage import StageError


@dataclass(frozen=True)
class Networks:
    """One attribute for each of `eap.evaluation.weights.WEIGHTS`; None: no weights were named."""

    syncnet: FoldedSyncNet | None = None
    emonet: EmoNet | None = None
    lpips: PerceptualDistance | None = None
    inception: InceptionFeatures | None = None


def load_networks(weights: Any) -> tuple[Networks, dict[str, str]]:
    """The networks, and the SHA-256 of each file.

    Parameters
    ----------
    weights
        Section ``evaluation.weights``: a path or None for each name.

    Raises
    ------
    StageError
        If a named file is absent, or holds something else.
    """
    loaders = {"syncnet": load_syncnet, "emonet": load_emotions, "lpips": load_lpips, "inception": load_inception}
    found: dict[str, Any] = {}
    digests: dict[str, str] = {}
    for name, load in loaders.items():
        given = getattr(weights, name)
        if given is None:
            continue
        where, path = f"evaluation.weights.{name}: {given}", Path(given)
        if not path.is_file():
            raise StageError(f"{where} is not a file; the published one is {WEIGHTS[name].url}; null: without it")
        try:
            found[name] = load(path)
        except (ValueError, StageError) as error:
            raise StageError(f"{where}: {str(error).splitlines()[0]}; wanted is {WEIGHTS[name].url}") from error
        digests[name] = file_sha256(path)
    return Networks(**found), digests
