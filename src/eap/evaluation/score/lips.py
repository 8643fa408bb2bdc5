"""LMD in three variants, mouth opening and width, coverage."""

from __future__ import annotations

from eap.evaluation.lip_distance import lmd, opening_correlation, width_correlation
from eap.evaluation.score.metrics import Measured
from eap.evaluation.score.pair import Pair

STILL = "a mouth does not move: the correlation is not defined"


def measure(pair: Pair) -> Measured:
    """Lips of the generated video against the reference's.

    Raises
    ------
    MediaError
        If no frame shows a face in both.
    """
    pair.require_faces()
    reference, generated = pair.landmarks
    plain = lmd(generated, reference)
    values = {
        "lmd": plain.value,
        "lmd_center": lmd(generated, reference, "center").value,
        "lmd_interocular": lmd(generated, reference, "interocular").value,
        "opening_correlation": opening_correlation(generated, reference),
        "width_correlation": width_correlation(generated, reference),
        "coverage": plain.coverage,
    }
    reasons = {name: STILL for name in ("opening_correlation", "width_correlation") if values[name] != values[name]}
    return Measured(values, reasons)
