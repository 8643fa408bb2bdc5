"""What the landmarks that motion and emotion imply learn from."""

from __future__ import annotations

from torch import Tensor

from eap.data.batch import Batch
from eap.losses.shape import concord_loss, mouth_moves, shape_loss
from eap.training.processes import gathered


def implied_loss(implied_BTP2: Tensor, batch: Batch, concord: float) -> Tensor:
    """L_shape, and ``concord`` times the mouths' `concord_loss`, which pools the rows of all processes."""
    loss = shape_loss(implied_BTP2, batch.shape_BTP2, batch.mask_BT)
    if not concord:
        return loss
    moves = gathered(mouth_moves(implied_BTP2), mouth_moves(batch.shape_BTP2), batch.mask_BT)
    return loss + concord * concord_loss(*moves)
