"""L_lip, Eq. (1): lip landmarks of generated and real frames coincide.

.. math:: L_{lip} = \\frac{1}{N P} \\sum_i \\sum_p || k^{(g)}_{i,p} - k^{(r)}_{i,p} ||_2

KNOWN (suppl. A.1): landmarks estimated on generated *and* ground-truth frames. INFERRED: the un-squared distance, since
LMD is "the same as Eq. 1" (suppl. B.1).
"""

from __future__ import annotations

import torch
from torch import Tensor

from eap.losses.inputs import check_same_shape, check_shape, valid_frames


def lip_loss(generated_BTP2: Tensor, real_BTP2: Tensor, mask_BT: Tensor) -> Tensor:
    """Mean distance of lip points over real frames and points.

    Parameters
    ----------
    generated_BTP2, real_BTP2
        ``[B, T, P, 2]`` lip landmarks, px at a 256 scale.
    mask_BT
        True where a frame is real: bool ``[B, T]``.

    Returns
    -------
    Tensor
        Scalar, px. The gradient at distance 0 is 0 (torch's subgradient of the norm), so it is finite everywhere.

    Raises
    ------
    ValueError
        If shapes differ or the mask has no real frame.
    """
    check_shape(generated_BTP2, (None, None, None, 2), "generated landmarks")
    check_same_shape(generated_BTP2, real_BTP2, "generated landmarks", "real landmarks")
    difference_nP2 = valid_frames(generated_BTP2 - real_BTP2, mask_BT, "landmarks")
    return torch.linalg.vector_norm(difference_nP2, dim=-1).mean()
