"""L_cls: the emotion class can be read from the embeddings through phi.

.. math:: L_{cls} = -\\frac{1}{N} \\sum_i \\log \\text{softmax}(\\phi(e_i))_{y_i}

INFERRED: the supplement names a classifier phi and a weight; cross-entropy is what a classifier is trained with.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import cross_entropy

from eap.losses.inputs import check_classes, check_mask, valid_frames


def classification_loss(logits_BTK: Tensor, emotion_B: Tensor, mask_BT: Tensor) -> Tensor:
    """Cross-entropy, averaged over real frames.

    Parameters
    ----------
    logits_BTK
        Logits per frame ``[B, T, K]``.
    emotion_B
        Class of each sample, int64 ``[B]``, 0 .. K - 1.
    mask_BT
        True where a frame is real: bool ``[B, T]``.

    Returns
    -------
    Tensor
        Scalar, nats; log K for uniform logits.

    Raises
    ------
    ValueError
        If shapes do not fit, a class does not exist or the mask has no real frame.
    """
    if logits_BTK.dim() != 3 or mask_BT.dim() != 2:
        raise ValueError(
            f"logits and mask: expected [B, T, K] and [B, T], got {list(logits_BTK.shape)} and {list(mask_BT.shape)}"
        )
    check_classes(emotion_B, logits_BTK.shape[0], logits_BTK.shape[-1])
    check_mask(mask_BT)
    emotion_BT = emotion_B[:, None].expand_as(mask_BT)
    return cross_entropy(valid_frames(logits_BTK, mask_BT, "logits"), emotion_BT[mask_BT])
