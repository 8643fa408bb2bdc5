"""LPIPS."""

from __future__ import annotations

from eap.evaluation.score.metrics import Measured
from eap.evaluation.score.networks import load_lpips
from eap.evaluation.score.pair import Pair


def measure(pair: Pair) -> Measured:
    """The mean over the common frames."""
    assert pair.settings.lpips is not None
    reference, generated = pair.frames
    return Measured({"lpips": float(load_lpips(pair.settings.lpips.path)(generated, reference).mean())})
