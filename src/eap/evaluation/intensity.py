"""RMSE, PCC and CCC of intensity, valence or arousal (KNOWN, suppl. B.1).

Population moments over all test frames pooled. A value that is not defined is NaN, never 0 or 1.
"""

from __future__ import annotations

import numpy as np

CONSTANT = 1e-6
"""A series whose range is within this share of its largest magnitude is constant: float32 noise is not a signal."""


def drop_undefined(predicted_N: np.ndarray, target_N: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The pairs of which neither is NaN; compare lengths to learn how many were dropped.

    Parameters
    ----------
    predicted_N, target_N
        ``[N]`` series.

    Returns
    -------
    tuple of np.ndarray
        ``[n]`` each, n <= N, in order.
    """
    predicted_N, target_N = _series(predicted_N, target_N)
    defined_N = ~(np.isnan(predicted_N) | np.isnan(target_N))
    return predicted_N[defined_N], target_N[defined_N]


def rmse(predicted_N: np.ndarray, target_N: np.ndarray) -> float:
    """``sqrt(E[(Y - Yhat)^2])``, in the unit of the series; NaN for no pair.

    Raises
    ------
    ValueError
        If the series are not of one length or hold NaN (see `drop_undefined`).
    """
    predicted_N, target_N = _defined(predicted_N, target_N)
    return float(np.sqrt(np.mean((predicted_N - target_N) ** 2))) if predicted_N.size else float("nan")


def pcc(predicted_N: np.ndarray, target_N: np.ndarray) -> float:
    """Pearson correlation ``cov / (sigma_Y sigma_Yhat)``, -1 .. 1; NaN if either series is constant or empty.

    Raises
    ------
    ValueError
        As `rmse`.
    """
    predicted_N, target_N = _defined(predicted_N, target_N)
    if _is_constant(predicted_N) or _is_constant(target_N):
        return float("nan")
    deviation_p, deviation_t = predicted_N - predicted_N.mean(), target_N - target_N.mean()
    scale = np.sqrt(np.mean(deviation_p**2)) * np.sqrt(np.mean(deviation_t**2))
    return float(np.mean(deviation_p * deviation_t) / scale)


def ccc(predicted_N: np.ndarray, target_N: np.ndarray) -> float:
    """Concordance ``2 cov / (var_Y + var_Yhat + (mu_Y - mu_Yhat)^2)`` (Lin 1989), -1 .. 1.

    NaN if either series is constant or empty: the formula would give a constant prediction the same 0 as one that
    varies without relation, and the correlation inside it has no value.

    Raises
    ------
    ValueError
        As `rmse`.
    """
    predicted_N, target_N = _defined(predicted_N, target_N)
    if _is_constant(predicted_N) or _is_constant(target_N):
        return float("nan")
    mean_p, mean_t = predicted_N.mean(), target_N.mean()
    covariance = np.mean((predicted_N - mean_p) * (target_N - mean_t))
    return float(2 * covariance / (predicted_N.var() + target_N.var() + (mean_p - mean_t) ** 2))


def _series(predicted_N: np.ndarray, target_N: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    predicted_N, target_N = np.asarray(predicted_N, np.float64), np.asarray(target_N, np.float64)
    if predicted_N.ndim != 1 or predicted_N.shape != target_N.shape:
        raise ValueError(
            f"predicted and target: need two series of one length, got shapes {predicted_N.shape} and {target_N.shape}"
        )
    return predicted_N, target_N


def _defined(predicted_N: np.ndarray, target_N: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    predicted_N, target_N = _series(predicted_N, target_N)
    broken = int((~(np.isfinite(predicted_N) & np.isfinite(target_N))).sum())
    if broken:
        raise ValueError(
            f"predicted and target: {broken} of {len(predicted_N)} pairs are not finite; "
            "leave NaN out with drop_undefined and report how many"
        )
    return predicted_N, target_N


def _is_constant(values_N: np.ndarray) -> bool:
    return values_N.size == 0 or bool(np.ptp(values_N) <= CONSTANT * np.abs(values_N).max())
