"""L_shape: the landmarks that motion and emotion imply lie where the real ones do. CHOSEN (ADR 20).

Nothing is rendered for it, so it teaches the way from voice to face at a fraction of a picture's price.

What minimises a distance is a mean of what a voice could look like, which moves less than any of it. `concord_loss`
(``loss.concord``, ADR 44) asks for movements as large as the real ones.
"""

from __future__ import annotations

import torch
from torch import Tensor

from eap.data.pose import INNER_LIP_PAIRS, LIPS, MOUTH_CORNERS
from eap.losses.concordance import correlations
from eap.losses.inputs import check_same_shape, check_shape, valid_frames
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


def mouth_moves(shape_BTP2: Tensor) -> Tensor:
    """How far a mouth is opened and widened beyond the neutral shape's: ``[B, T, 2]``, canonical units.

    ``shape_BTP2``: deviations, as in `shape_loss`. As in `eap.evaluation.lip_distance`, whose pixels keep the pose.
    """
    upper, lower = ([pair[side] for pair in INNER_LIP_PAIRS] for side in (0, 1))
    left, right = MOUTH_CORNERS
    opened = (shape_BTP2[..., lower, 1] - shape_BTP2[..., upper, 1]).mean(-1)
    return torch.stack([opened, shape_BTP2[..., right, 0] - shape_BTP2[..., left, 0]], dim=-1)


def concord_loss(implied_BT2: Tensor, real_BT2: Tensor, mask_BT: Tensor) -> Tensor:
    """1 - CCC of opening and of width, averaged over the two; CHOSEN (ADR 44).

    Parameters
    ----------
    implied_BT2, real_BT2
        From `mouth_moves`; moments are pooled over all real frames.
    mask_BT
        True where a frame is real: bool ``[B, T]``.

    Returns
    -------
    Tensor
        Scalar, 0 .. 2; 1 where nothing moves.

    Raises
    ------
    ValueError
        If shapes differ or the mask has no real frame.
    """
    check_shape(implied_BT2, (None, None, 2), "implied mouths")
    check_same_shape(implied_BT2, real_BT2, "implied mouths", "real mouths")
    _, ccc_2 = correlations(*(valid_frames(moves, mask_BT, "mouths") for moves in (implied_BT2, real_BT2)))
    return 1 - ccc_2.mean()
