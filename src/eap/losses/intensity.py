"""L_inten and its two companions: valence and arousal follow the pseudo labels, and the norm of e is the intensity.

.. math:: L_{inten} = MSE_v + MSE_a + \\tfrac12 (1 - \\overline{PCC}) + \\tfrac12 (1 - \\overline{CCC})

with means over valence and arousal, and population moments pooled over the real frames of the batch. INFERRED (a VA
loss of the authors' group); ``loss.inten_form`` and ``loss.inten_target`` hold the alternatives. `norm_loss` and
`decode_loss` are CHOSEN: the supplement does not have them. So is the intensity, ``||(v, a)||_2`` (``loss.intensity``).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from eap.losses.concordance import correlations
from eap.losses.inputs import check_same_shape, check_shape, valid_frames

FORMS = ("mse_pcc_ccc", "mse_ccc", "mse")
"""Which parts of L_inten count (``loss.inten_form``): all; without the correlation's half; the squares alone."""


def va_loss(
    predicted_BT2: Tensor,
    target_BT2: Tensor,
    mask_BT: Tensor,
    form: str = "mse_pcc_ccc",
    definition: str | None = None,
) -> Tensor:
    """L_inten.

    Parameters
    ----------
    predicted_BT2, target_BT2
        Valence and arousal, ``[B, T, 2]``; targets in [-1, 1].
    mask_BT
        True where a frame is real: bool ``[B, T]``.
    form
        One of `FORMS`.
    definition
        None: valence and arousal are compared. Otherwise their intensity alone, by this definition.

    Returns
    -------
    Tensor
        Scalar; 0 (nearly) where prediction and varying target agree. A constant target has no
        correlation: both then count as 0, with zero gradient, and MSE alone pulls.

    Raises
    ------
    ValueError
        If shapes differ, the mask has no real frame, or the form is unknown.
    """
    if form not in FORMS:
        raise ValueError(f"loss.inten_form: {form!r} is unknown; allowed: {', '.join(FORMS)}")
    check_shape(predicted_BT2, (None, None, 2), "predicted valence and arousal")
    check_same_shape(predicted_BT2, target_BT2, "predicted valence and arousal", "their targets")
    predicted_n2 = valid_frames(predicted_BT2, mask_BT, "predicted valence and arousal")
    target_n2 = valid_frames(target_BT2, mask_BT, "target valence and arousal")
    if definition is not None:
        predicted_n2, target_n2 = (intensity(va, definition)[:, None] for va in (predicted_n2, target_n2))
    mse_2 = (predicted_n2 - target_n2).square().mean(0)
    if form == "mse":
        return mse_2.sum()
    pcc_2, ccc_2 = correlations(predicted_n2, target_n2)
    if form == "mse_ccc":
        return mse_2.sum() + 0.5 * (1 - ccc_2.mean())
    return mse_2.sum() + 0.5 * (1 - pcc_2.mean()) + 0.5 * (1 - ccc_2.mean())


DEFINITIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "norm": lambda va: torch.linalg.vector_norm(va, dim=-1),
    "max": lambda va: va.abs().amax(-1),
    "arousal": lambda va: va[..., 1].abs(),
}
"""What counts as intensity in training (``loss.intensity``): the Euclidean norm; the larger of the two; arousal alone.
Scores always use the norm, so that runs can be compared."""


def intensity(va: Tensor, definition: str = "norm") -> Tensor:
    """``I = ||(v, a)||_2`` of ``[..., 2]`` valence and arousal: ``[...]``, gradient 0 at the origin.

    Parameters
    ----------
    definition
        One of `DEFINITIONS`.
    """
    if va.shape[-1] != 2:
        raise ValueError(f"valence and arousal: expected shape [..., 2], got {list(va.shape)}")
    if definition not in DEFINITIONS:
        raise ValueError(f"loss.intensity: {definition!r} is unknown; allowed: {', '.join(DEFINITIONS)}")
    return DEFINITIONS[definition](va)


def norm_loss(e_BTD: Tensor, va_BT2: Tensor, mask_BT: Tensor, definition: str = "norm") -> Tensor:
    """Mean squared difference between ``||e||`` and the labels' intensity over real frames (CHOSEN).

    Parameters
    ----------
    e_BTD
        Emotion embeddings, ``[B, T, D]``.
    va_BT2
        Pseudo labels, ``[B, T, 2]``.
    mask_BT
        True where a frame is real: bool ``[B, T]``.
    definition
        One of `DEFINITIONS`.

    Returns
    -------
    Tensor
        Scalar.
    """
    check_shape(e_BTD, (None, None, None), "embeddings")
    e_nD = valid_frames(e_BTD, mask_BT, "embeddings")
    va_n2 = valid_frames(va_BT2, mask_BT, "valence and arousal")
    return (torch.linalg.vector_norm(e_nD, dim=-1) - intensity(va_n2, definition)).square().mean()


def decode_loss(decoded_BTD: Tensor, e_BTD: Tensor, mask_BT: Tensor) -> Tensor:
    """``|| psi(theta(e)) - stopgrad(e) ||^2``, averaged over real frames (CHOSEN).

    The square of the norm is a sum over D: e has a norm of 0 .. 1, whatever its width.

    Parameters
    ----------
    decoded_BTD
        psi's output, ``[B, T, D]``.
    e_BTD
        The embedding to return to, ``[B, T, D]``; it receives no gradient.
    mask_BT
        True where a frame is real: bool ``[B, T]``.

    Returns
    -------
    Tensor
        Scalar.
    """
    check_shape(decoded_BTD, (None, None, None), "decoded embeddings")
    check_same_shape(decoded_BTD, e_BTD, "decoded embeddings", "embeddings")
    return valid_frames(decoded_BTD - e_BTD.detach(), mask_BT, "embeddings").square().sum(-1).mean()
