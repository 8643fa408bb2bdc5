"""PSNR and SSIM."""

from __future__ import annotations

import numpy as np

from eap.evaluation.image import psnr, ssim
from eap.evaluation.score.metrics import Measured
from eap.evaluation.score.pair import Pair


def measure(pair: Pair) -> Measured:
    """Means over the common frames; PSNR is not defined where a frame equals the reference's: it would be infinite."""
    reference, generated = pair.frames
    decibels = psnr(generated, reference)
    equal = int(np.isinf(decibels).sum())
    reasons = {"psnr": f"{equal} of {len(decibels)} frames equal the reference's: infinite"} if equal else {}
    mean = float("nan") if equal else float(decibels.mean())
    return Measured({"psnr": mean, "ssim": float(ssim(generated, reference).mean())}, reasons)
