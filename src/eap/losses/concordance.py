"""Pearson's and Lin's correlation of two sets of rows, as losses want them: finite, whatever does not vary."""

from __future__ import annotations

from torch import Tensor

EPSILON = 1e-8
"""Added to variances in denominators: a standard deviation of 1e-4, below the resolution of any label or landmark."""


def correlations(predicted_nK: Tensor, target_nK: Tensor) -> tuple[Tensor, Tensor]:
    """PCC and CCC of each column, from population moments.

    Parameters
    ----------
    predicted_nK, target_nK
        n rows of K quantities.

    Returns
    -------
    pcc_K, ccc_K
        -1 .. 1, 1 (up to EPSILON / variance) where columns agree. A constant column has no correlation: both then count
        as 0, with zero gradient.
    """
    mean_p, mean_t = predicted_nK.mean(0), target_nK.mean(0)
    covariance = ((predicted_nK - mean_p) * (target_nK - mean_t)).mean(0)
    variance_p = (predicted_nK - mean_p).square().mean(0)
    variance_t = (target_nK - mean_t).square().mean(0)
    pcc_K = covariance / ((variance_p + EPSILON) * (variance_t + EPSILON)).sqrt()
    ccc_K = 2 * covariance / (variance_p + variance_t + (mean_p - mean_t).square() + EPSILON)
    return pcc_K, ccc_K
