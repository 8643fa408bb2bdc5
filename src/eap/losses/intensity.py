"""L_inten and its two companions: valence and arousal follow the pseudo labels, and the norm of e is the intensity.

.. math:: L_{inten} = MSE_v + MSE_a + \\tfrac12 (1 - \\overline{PCC}) + \\tfrac12 (1 - \\overline{CCC})

with means over valence and arousal, and population moments pooled over the real frames of the batch. INFERRED (a VA
loss of the authors' group). `norm_loss` and `decode_loss` are CHOSEN: the supplement does not have them.
"""

from __future__ import annotations

import torch
from torch import Tensor

from eap.losses.inputs import check_same_shape, check_shape, valid_frames

EPSILON = 1e-8
"""Added to variances in denominators: a standard deviation of 1e-4, below the resolution of any label."""


def va_loss(predicted_BT2: Tensor, target_BT2: Tensor, mask_BT: Tensor) -> Tensor:
    """L_inten.

    Parameters
    ----------
    predicted_BT2, target_BT2
        Valence and arousal, ``[B, T, 2]``; targets in [-1, 1].
    mask_BT
        True where a frame is real: bool ``[B, T]``.

    Returns
    -------
    Tensor
        Scalar; 0 (up to EPSILON / variance) where prediction and varying target agree. A constant target has no
        correlation: both then count as 0, with zero gradient, and MSE alone pulls.

    Raises
    ------
    ValueError
        If shapes differ or the mask has no real frame.
    """
    check_shape(predicted_BT2, (None, None, 2), "predicted valence and arousal")
    check_same_shape(predicted_BT2, target_BT2, "predicted valence and arousal", "their targets")
    predicted_n2 = valid_frames(predicted_BT2, mask_BT, "predicted valence and arousal")
    target_n2 = valid_frames(target_BT2, mask_BT, "target valence and arousal")
    mse_2 = (predicted_n2 - target_n2).square().mean(0)
    mean_p, mean_t = predicted_n2.mean(0), target_n2.mean(0)
    covariance = ((predicted_n2 - mean_p) * (target_n2 - mean_t)).mean(0)
    variance_p = (predicted_n2 - mean_p).square().mean(0)
    variance_t = (target_n2 - mean_t).square().mean(0)
    pcc_2 = covariance / ((variance_p + EPSILON) * (variance_t + EPSILON)).sqrt()
    ccc_2 = 2 * covariance / (variance_p + variance_t + (mean_p - mean_t).square() + EPSILON)
    return mse_2.sum() + 0.5 * (1 - pcc_2.mean()) + 0.5 * (1 - ccc_2.mean())


def intensity(va: Tensor) -> Tensor:
    """``I = ||(v, a)||_2`` of ``[..., 2]`` valence and arousal: ``[...]``, gradient 0 at the origin."""
    if va.shape[-1] != 2:
        raise ValueError(f"valence and arousal: expected shape [..., 2], got {list(va.shape)}")
    return torch.linalg.vector_norm(va, dim=-1)


def norm_loss(e_BTD: Tensor, va_BT2: Tensor, mask_BT: Tensor) -> Tensor:
    """Mean squared difference between ``||e||`` and the labels' intensity over real frames (CHOSEN, method 2).

    Parameters
    ----------
    e_BTD
        Emotion embeddings, ``[B, T, D]``.
    va_BT2
        Pseudo labels, ``[B, T, 2]``.
    mask_BT
        True where a frame is real: bool ``[B, T]``.

    Returns
    -------
    Tensor
        Scalar.
    """
    check_shape(e_BTD, (None, None, None), "embeddings")
    e_nD = valid_frames(e_BTD, mask_BT, "embeddings")
    va_n2 = valid_frames(va_BT2, mask_BT, "valence and arousal")
    return (torch.linalg.vector_norm(e_nD, dim=-1) - intensity(va_n2)).square().mean()


def decode_loss(decoded_BTD: Tensor, e_BTD: Tensor, mask_BT: Tensor) -> Tensor:
    """``|| psi(theta(e)) - stopgrad(e) ||^2``, averaged over real frames (CHOSEN, method 2).

    The square of the norm is a sum over D: e has a norm of 0 .. 1, whatever its width.

    Parameters
    ----------
    decoded_BTD
        psi's output, ``[B, T, D]``.
    e_BTD
        The embedding to return to, ``[B, T, D]``; it receives no gradient.
    mask_BT
        True where a frame is real: bool ``[B, T]``.

    Returns
    -------
    Tensor
        Scalar.
    """
    check_shape(decoded_BTD, (None, None, None), "decoded embeddings")
    check_same_shape(decoded_BTD, e_BTD, "decoded embeddings", "embeddings")
    return valid_frames(decoded_BTD - e_BTD.detach(), mask_BT, "embeddings").square().sum(-1).mean()
