"""L_e-adv, Eqs. (5) and (6): single frames look real *for their emotion class*.

.. math::
    L_{e-adv}(D_E) &= -\\log D_E^{y}(v^{(r)}) - \\log(1 - D_E^{y}(v^{(g)})) \\\\
    L_{e-adv}(G, E_E) &= -\\log D_E^{y}(v^{(g)})

KNOWN (suppl. A.2): real or fake per class, y the categorical label; helps E_E form a distinct space for each class, so
gradients reach G and E_E. INFERRED: one branch per class, of which only branch y counts (StarGAN v2, Choi et al. 2020).
``critics.emotion_head: projection`` gives the same K logits from one head (Miyato & Koyama 2018).
"""

from __future__ import annotations

import torch
from torch import Tensor

from eap.losses.adversarial import discriminator_loss, generator_loss
from eap.losses.inputs import check_classes


def select_branch(logits_NK: Tensor, emotion_N: Tensor) -> Tensor:
    """Branch y of each sample.

    Parameters
    ----------
    logits_NK
        ``[N, K]``, or ``[N, K, h, w]`` for patch maps.
    emotion_N
        Class of each sample, int64 ``[N]``, 0 .. K - 1.

    Returns
    -------
    Tensor
        ``[N]`` or ``[N, h, w]``.

    Raises
    ------
    ValueError
        If the shapes do not fit or a class is outside 0 .. K - 1.
    """
    if logits_NK.dim() not in (2, 4):
        raise ValueError(f"logits: expected [N, K] or [N, K, h, w], got {list(logits_NK.shape)}")
    check_classes(emotion_N, logits_NK.shape[0], logits_NK.shape[1])
    return logits_NK[torch.arange(len(logits_NK), device=logits_NK.device), emotion_N]


def emotion_discriminator_loss(
    real_NK: Tensor,
    fake_NK: Tensor,
    emotion_N: Tensor,
    real_emotion_N: Tensor | None = None,
    form: str = "non_saturating",
) -> Tensor:
    """Eq. (5), for D_E.

    Parameters
    ----------
    real_NK, fake_NK
        Logits ``[N, K]`` or ``[N, K, h, w]`` of real frames and of (detached) generated frames.
    emotion_N
        Class of each generated frame, int64 ``[N]``.
    real_emotion_N
        Class of each real frame; None: the same.
    form
        One of `eap.losses.adversarial.FORMS`.

    Returns
    -------
    Tensor
        Scalar, nats.
    """
    real = select_branch(real_NK, emotion_N if real_emotion_N is None else real_emotion_N)
    return discriminator_loss(real, select_branch(fake_NK, emotion_N), form)


def emotion_generator_loss(fake_NK: Tensor, emotion_N: Tensor, form: str = "non_saturating") -> Tensor:
    """Eq. (6), for G and E_E: scalar; arguments as in `emotion_discriminator_loss`."""
    return generator_loss(select_branch(fake_NK, emotion_N), form)
