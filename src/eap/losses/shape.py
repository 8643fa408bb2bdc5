"""L_shape: the landmarks that motion and emotion imply lie where the real ones do. CHOSEN (ADR 20).

Nothing is rendered for it, so it teaches the way from voice to face at a fraction of a picture's price.
"""

from __future__ import annotations

from torch import Tensor

from eap.data.pose import LIPS
from eap.losses.lip import lip_loss

UNIT_PX = 50.0
"""About how many px at a 256 scale one canonical unit is, so that L_shape reads like L_lip."""


def shape_loss(implied_BTP2: Tensor, real_BTP2: Tensor, mask_BT: Tensor) -> Tensor:
    """Mean distance over the lip points, plus that over all 68 points (so lips count more).

    Parameters
    ----------
    implied_BTP2, real_BTP2
        Deviations from the neutral shape, ``[B, T, 68, 2]``, canonical units.
    mask_BT
        True where a frame is real: bool ``[B, T]``.

    Returns
    -------
    Tensor
        Scalar, about px at a 256 scale.

    Raises
    ------
    ValueError
        If shapes differ or the mask has no real frame.
    """
    implied, real = UNIT_PX * implied_BTP2, UNIT_PX * real_BTP2
    return lip_loss(implied[:, :, LIPS], real[:, :, LIPS], mask_BT) + lip_loss(implied, real, mask_BT)
