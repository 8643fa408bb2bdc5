"""L_per, Eq. (2): generated and real frames have the same deep features.

.. math:: L_{per} = \\sum_{s,j} \\frac{1}{N} \\sum_i \\frac{1}{C h w} || F_j(v^{(g)}_{i,s}) - F_j(v^{(r)}_{i,s}) ||_1

KNOWN (suppl. A.1): features of a pre-trained VGG. INFERRED (FOMM, Siarohin et al. 2019): mean L1 on relu{1..5}_1, on a
pyramid of scales 1, 1/2, 1/4, 1/8, no term on pixels.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from eap.losses.inputs import check_same_shape, valid_frames


def perceptual_loss(generated_features: Sequence[Tensor], real_features: Sequence[Tensor], mask_N: Tensor) -> Tensor:
    """Mean L1 of each layer, summed over layers and scales.

    Parameters
    ----------
    generated_features, real_features
        One ``[N, C, h, w]`` tensor per layer and scale, N = B T, in the same order in both. Padded frames must be
        finite: their features are averaged before they are left out, which saves a copy of every feature map.
    mask_N
        True where a frame is real: bool ``[N]``.

    Returns
    -------
    Tensor
        Scalar, in units of the features.

    Raises
    ------
    ValueError
        If the lists are empty or differ in length or shape, or the mask does not fit or has no real frame.
    """
    if not generated_features or len(generated_features) != len(real_features):
        raise ValueError(
            "generated and real features: need the same number of layers and at least one, "
            f"got {len(generated_features)} and {len(real_features)}"
        )
    layers = []
    for index, (generated, real) in enumerate(zip(generated_features, real_features, strict=True)):
        check_same_shape(generated, real, f"generated features {index}", f"real features {index}")
        per_frame = (generated - real).abs().flatten(1).mean(1)
        layers.append(valid_frames(per_frame, mask_N, f"features {index}").mean())
    return torch.stack(layers).sum()


def pyramid(frames_NCHW: Tensor, scales: int) -> list[Tensor]:
    """Frames at scales 1, 1/2, 1/4, ...; each pixel is the mean of the area it stands for (no aliasing).

    Parameters
    ----------
    frames_NCHW
        ``[N, C, H, W]`` images of any range.
    scales
        How many (INFERRED from FOMM: 4).

    Returns
    -------
    list of Tensor
        ``[N, C, H / 2^k, W / 2^k]`` for k = 0 .. scales - 1.

    Raises
    ------
    ValueError
        If the smallest scale would not have a whole number of pixels.
    """
    height, width = frames_NCHW.shape[-2:]
    factor = 2 ** (scales - 1)
    if scales < 1 or height % factor or width % factor:
        raise ValueError(
            "scales: need scales >= 1 and sides that are multiples of 2^(scales - 1), "
            f"got {scales} scales of {height} x {width} px; lower perceptual.scales or change model.image_size"
        )
    return [frames_NCHW] + [avg_pool2d(frames_NCHW, 2**k) for k in range(1, scales)]
