"""L_metric: the voice's emotion embedding lies near its own face's, and away from faces of other emotions.

.. math:: L_i = ||z_i - u_i||^2 + [m + ||z_i - u_i||^2 - \\min_{y_j \\neq y_i} ||z_i - u_j||^2]_+

with clip-pooled, normalised audio embeddings z and visual embeddings u, and the gradient stopped at u. CHOSEN (the
supplement gives the weight only): cross-modal triplet with the hardest negative of the batch, margin m = 1. The
alternative (config key ``loss.metric_form: contrastive``) is a supervised contrastive loss over the same pairs.
"""

from __future__ import annotations

import torch
from torch import Tensor

from eap.losses.inputs import check_classes, check_mask, check_same_shape, check_shape

EPSILON = 1e-3
"""Added (in squares) to the norm that embeddings are divided by. The norm is trained towards the intensity (0 .. 1), so
this is far below any visible emotion, and it caps the gradient of a nearly neutral embedding at 1 / EPSILON."""


def pool_embeddings(e_BTD: Tensor, mask_BT: Tensor) -> Tensor:
    """Mean over each sample's real frames, then L2-normalised.

    Parameters
    ----------
    e_BTD
        Embeddings per frame, ``[B, T, D]``.
    mask_BT
        True where a frame is real: bool ``[B, T]``.

    Returns
    -------
    Tensor
        ``[B, D]``: ``mean / sqrt(||mean||^2 + EPSILON^2)``; the zero embedding stays zero.

    Raises
    ------
    ValueError
        If shapes do not fit, the mask is not bool or a sample has no real frame.
    """
    check_mask(mask_BT)
    check_shape(e_BTD, (*mask_BT.shape, None), "embeddings")
    count_B = mask_BT.sum(1)
    if (count_B == 0).any():
        raise ValueError(f"mask: samples {(count_B == 0).nonzero().flatten().tolist()} have no real frame")
    real_BTD = torch.where(mask_BT[..., None], e_BTD, torch.zeros_like(e_BTD))
    mean_BD = real_BTD.sum(1) / count_B[:, None]
    return mean_BD / (mean_BD.square().sum(1, keepdim=True) + EPSILON**2).sqrt()


def metric_loss(audio_BD: Tensor, visual_BD: Tensor, emotion_B: Tensor, include_B: Tensor, margin: float) -> Tensor:
    """Cross-modal triplet loss, averaged over the anchors.

    A sample that is not included (neutral: its voice may run with e = 0) is no anchor, but its face is a legitimate
    negative for the others. An anchor whose batch has no other class keeps the first term: the minimum over no negative
    is infinite, so its hinge is 0.

    Parameters
    ----------
    audio_BD, visual_BD
        ``[B, D]`` embeddings from `pool_embeddings`; no gradient reaches `visual_BD`.
    emotion_B
        Class of each sample, int64 ``[B]``.
    include_B
        True where a sample is an anchor: bool ``[B]``.
    margin
        m > 0, in units of squared distance (0 .. 4 between unit vectors).

    Returns
    -------
    Tensor
        Scalar; 0 with a graph if there is no anchor.

    Raises
    ------
    ValueError
        If shapes do not fit, `include_B` is not bool or the margin is not positive.
    """
    if not margin > 0:
        raise ValueError(f"margin: must be positive, got {margin}; see loss.margin")
    _check(audio_BD, visual_BD, emotion_B, include_B)
    if not include_B.any():
        return audio_BD.sum() * 0
    distance_nB = (audio_BD[include_B][:, None] - visual_BD.detach()[None]).square().sum(-1)
    positive_n = distance_nB[:, include_B].diagonal()
    other_nB = emotion_B[include_B][:, None] != emotion_B[None]
    negative_n = distance_nB.masked_fill(~other_nB, torch.inf).amin(1)
    return (positive_n + (margin + positive_n - negative_n).clamp_min(0)).mean()


def contrastive_loss(
    audio_BD: Tensor, visual_BD: Tensor, emotion_B: Tensor, include_B: Tensor, temperature: float
) -> Tensor:
    """Supervised contrastive loss from voices to faces (Khosla et al. 2020), averaged over the anchors.

    ``- mean over faces j of the anchor's class of log softmax_j(z_i . u_j / temperature)``, the softmax over all faces
    of the batch. Anchors are as in `metric_loss`; where the batch has no other class, all faces are positive.

    Parameters
    ----------
    audio_BD, visual_BD, emotion_B, include_B
        As in `metric_loss`; no gradient reaches `visual_BD`.
    temperature
        > 0, in units of a cosine.

    Returns
    -------
    Tensor
        Scalar, nats; 0 with a graph if there is no anchor.

    Raises
    ------
    ValueError
        As `metric_loss`, for the temperature.
    """
    if not temperature > 0:
        raise ValueError(f"temperature: must be positive, got {temperature}; see loss.temperature")
    _check(audio_BD, visual_BD, emotion_B, include_B)
    if not include_B.any():
        return audio_BD.sum() * 0
    log_share_nB = (audio_BD[include_B] @ visual_BD.detach().T / temperature).log_softmax(1)
    same_nB = (emotion_B[include_B][:, None] == emotion_B[None]).to(log_share_nB.dtype)
    return -(log_share_nB * same_nB).sum(1).div(same_nB.sum(1)).mean()


def _check(audio_BD: Tensor, visual_BD: Tensor, emotion_B: Tensor, include_B: Tensor) -> None:
    check_shape(audio_BD, (None, None), "audio embeddings")
    check_same_shape(audio_BD, visual_BD, "audio embeddings", "visual embeddings")
    n = len(audio_BD)
    check_classes(emotion_B, n, int(emotion_B.max()) + 1 if emotion_B.numel() else 0)
    if include_B.dtype != torch.bool or tuple(include_B.shape) != (n,):
        raise ValueError(f"include: expected bool [{n}], got {include_B.dtype} {list(include_B.shape)}")
