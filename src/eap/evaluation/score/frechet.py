"""Features of each frame for FID, which is one number over all clips."""

from __future__ import annotations

from eap.evaluation.score.metrics import Measured
from eap.evaluation.score.networks import load_inception
from eap.evaluation.score.pair import Pair


def measure(pair: Pair) -> Measured:
    """Arrays ``reference`` and ``generated``, float32 ``[T, 2048]``."""
    assert pair.settings.inception is not None
    features = load_inception(pair.settings.inception.path)
    reference, generated = pair.frames
    return Measured({}, arrays={"reference": features(reference), "generated": features(generated)})
