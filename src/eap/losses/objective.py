"""The objectives: named terms, added up with the config's weights (suppl. B.2).

KNOWN: per = inten = 10; lip = adv = metric = e_adv = cls = 5. CHOSEN: `mouth`, `shape` (with `concord`), `norm` and
`decode`, which the paper does not have. The two discriminator losses stand alone and have no weight.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from eap.config import LossConfig
from eap.stage import StageError

ANT_TERMS = ("lip", "per", "adv", "mouth", "shape")
"""Phase 1, for G and its encoders."""
BACKBONE_TERMS = ("inten", "cls")
"""Phase 2, step (b): F, theta and phi on real frames."""
ERA_TERMS = ("lip", "per", "adv", "metric", "inten", "cls", "e_adv", "mouth", "shape", "norm", "decode")
"""Phase 2, step (c): ANT and E_E."""


def ant_weights(loss: LossConfig) -> dict[str, float]:
    """Weights of `ANT_TERMS`."""
    return {name: getattr(loss, name) for name in ANT_TERMS}


def backbone_weights(loss: LossConfig) -> dict[str, float]:
    """Weights of `BACKBONE_TERMS`."""
    return {name: getattr(loss, name) for name in BACKBONE_TERMS}


def era_weights(loss: LossConfig) -> dict[str, float]:
    """Weights of `ERA_TERMS`."""
    return {name: getattr(loss, name) for name in ERA_TERMS}


def weighted_sum(terms: Mapping[str, Tensor], weights: Mapping[str, float]) -> tuple[Tensor, dict[str, float]]:
    """The objective and its terms.

    Parameters
    ----------
    terms
        Scalar per name.
    weights
        Weight per name: exactly the names of `terms`.

    Returns
    -------
    total
        ``sum_k weights[k] terms[k]``, scalar with graph.
    named
        The unweighted terms, for the log.

    Raises
    ------
    ValueError
        If names differ or a term is not a scalar: a term left out, or broadcast, would change the objective unnoticed.
    """
    unweighted, missing = sorted(set(terms) - set(weights)), sorted(set(weights) - set(terms))
    if unweighted or missing or not terms:
        raise ValueError(
            f"objective: terms without weight: {', '.join(unweighted) or 'none'}; "
            f"weights without term: {', '.join(missing) or 'none'}; {len(terms)} terms given"
        )
    for name, term in terms.items():
        if term.dim():
            raise ValueError(f"objective: term {name!r} must be a scalar, got shape {list(term.shape)}")
    total = torch.stack([weights[name] * term for name, term in terms.items()]).sum()
    return total, {name: float(term.detach()) for name, term in terms.items()}


def check_finite(terms: Mapping[str, float], step: int, clip_ids: Sequence[str]) -> None:
    """Stop training at the first term that is not a number, before any checkpoint holds what it did to weights.

    Parameters
    ----------
    terms
        Value per name, as `weighted_sum` returns them.
    step
        Current step.
    clip_ids
        Clips of the batch.

    Raises
    ------
    StageError
        Naming the step, the terms and the clips.
    """
    broken = [f"{name} = {value}" for name, value in terms.items() if not math.isfinite(value)]
    if broken:
        raise StageError(
            f"step {step}: loss not finite: {', '.join(broken)}; clips of the batch: {', '.join(clip_ids)}. "
            "Look at these clips; if they are sound, lower the learning rate and resume from the last checkpoint"
        )
