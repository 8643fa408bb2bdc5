"""L_mouth: pixels around the real mouth. CHOSEN (ADR 20): a mouth is 3 % of a picture, so L_per hardly hears of it."""

from __future__ import annotations

import torch
from torch import Tensor

from eap.losses.inputs import check_same_shape, check_shape, valid_frames


def mouth_loss(generated_BTCHW: Tensor, real_BTCHW: Tensor, lips_BTP2: Tensor, mask_BT: Tensor) -> Tensor:
    """Mean absolute difference of pixels, weighted by a Gaussian around the mouth.

    Parameters
    ----------
    generated_BTCHW, real_BTCHW
        Frames in [-1, 1], ``[B, T, 3, H, W]``.
    lips_BTP2
        Lip points of the *real* frames in [-1, 1] (x right, y down): their mean is the centre, half of their width the
        standard deviation.
    mask_BT
        True where a frame is real: bool ``[B, T]``.

    Returns
    -------
    Tensor
        Scalar, 0 .. 2.

    Raises
    ------
    ValueError
        If shapes differ or the mask has no real frame.
    """
    check_shape(generated_BTCHW, (None, None, None, None, None), "generated frames")
    check_same_shape(generated_BTCHW, real_BTCHW, "generated frames", "real frames")
    check_shape(lips_BTP2, (*mask_BT.shape, None, 2), "lips")
    generated, real = (valid_frames(x, mask_BT, "frames") for x in (generated_BTCHW, real_BTCHW))
    lips_nP2 = valid_frames(lips_BTP2, mask_BT, "lips")
    centre = lips_nP2.mean(1)
    # At least a pixel: a narrower Gaussian would miss them all.
    width = ((lips_nP2[..., 0].amax(1) - lips_nP2[..., 0].amin(1)) / 2).clamp_min(2 / real.shape[-1])
    along_y, along_x = (
        torch.exp(-0.5 * ((_centres(side, centre) - centre[:, None, axis]) / width[:, None]) ** 2)
        for side, axis in ((real.shape[-2], 1), (real.shape[-1], 0))
    )
    weight_nHW = along_y[:, :, None] * along_x[:, None]
    weight_nHW = weight_nHW / weight_nHW.sum((1, 2), keepdim=True)
    return ((generated - real).abs().mean(1) * weight_nHW).sum((1, 2)).mean()


def _centres(side: int, like: Tensor) -> Tensor:
    return (torch.arange(side, device=like.device, dtype=like.dtype) + 0.5) * 2 / side - 1
