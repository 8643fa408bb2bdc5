"""L_adv, Eqs. (3) and (4): single frames look real.

.. math::
    L_{adv}(D) &= -\\log D(v^{(r)}) - \\log(1 - D(v^{(g)})) \\\\
    L_{adv}(G) &= -\\log D(v^{(g)})

KNOWN (suppl. A.1): on randomly sampled frames of real and generated videos. INFERRED: the form (non-saturating GAN,
Goodfellow et al. 2014). With logits x, -log sigmoid(x) = softplus(-x) and -log(1 - sigmoid(x)) = softplus(x), which
neither overflow nor lose their gradient. There is no mask: the caller samples among real frames only.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import softplus


def discriminator_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """Eq. (3), for D; the fake frames come detached from G.

    Parameters
    ----------
    real_logits, fake_logits
        ``[N, ...]`` logits of any shape; the maps of a patch discriminator are averaged.

    Returns
    -------
    Tensor
        Scalar, nats; 2 log 2 for a D that cannot tell.

    Raises
    ------
    ValueError
        If either is empty or they are maps of different shapes.
    """
    if real_logits.shape[1:] != fake_logits.shape[1:]:
        raise ValueError(
            f"real and fake logits: maps differ, {tuple(real_logits.shape)} and {tuple(fake_logits.shape)}"
        )
    return _negative_log_real(real_logits, "real logits") + _negative_log_real(-fake_logits, "fake logits")


def generator_loss(fake_logits: Tensor) -> Tensor:
    """Eq. (4), for G: scalar, nats; `fake_logits` as in `discriminator_loss`, here with G's graph."""
    return _negative_log_real(fake_logits, "fake logits")


def _negative_log_real(logits: Tensor, name: str) -> Tensor:
    if logits.numel() == 0:
        raise ValueError(f"{name}: empty, shape {tuple(logits.shape)}; sample at least one real frame")
    return softplus(-logits).mean()
