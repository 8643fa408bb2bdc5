"""PSNR and SSIM."""

from __future__ import annotations

from eap.evaluation.image import mean_psnr, psnr, ssim
from eap.evaluation.score.metrics import Measured
from eap.evaluation.score.pair import Pair


def measure(pair: Pair) -> Measured:
    """Means over the common frames; PSNR over those that differ from the reference's (the others' is infinite)."""
    reference, generated = pair.frames
    decibels = psnr(generated, reference)
    mean, n = mean_psnr(decibels)
    equal = len(decibels) - n
    left = "left out" if n else "infinite"
    reasons = {"psnr": f"{equal} of {len(decibels)} frames equal the reference's: {left}"} if equal else {}
    return Measured({"psnr": mean, "ssim": float(ssim(generated, reference).mean())}, reasons)
