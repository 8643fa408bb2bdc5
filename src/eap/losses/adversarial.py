"""L_adv, Eqs. (3) and (4): single frames look real.

.. math::
    L_{adv}(D) &= -\\log D(v^{(r)}) - \\log(1 - D(v^{(g)})) \\\\
    L_{adv}(G) &= -\\log D(v^{(g)})

KNOWN (suppl. A.1): on randomly sampled frames of real and generated videos. INFERRED: the form (non-saturating GAN,
Goodfellow et al. 2014). With logits x, -log sigmoid(x) = softplus(-x) and -log(1 - sigmoid(x)) = softplus(x), which
neither overflow nor lose their gradient. `FORMS` holds the alternatives (config key ``critics.form``). There is no
mask: the caller samples among real frames only.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import relu, softplus


@dataclass(frozen=True)
class GanForm:
    """What D and G lose at a logit x, entry by entry."""

    real: Callable[[Tensor], Tensor]
    """D, on a real frame."""
    fake: Callable[[Tensor], Tensor]
    """D, on a generated frame."""
    generator: Callable[[Tensor], Tensor]
    """G, on its own frame."""
    chance: float
    """D's loss, real and generated together, where it cannot tell them apart and answers the same to all."""


FORMS = {
    "non_saturating": GanForm(lambda x: softplus(-x), softplus, lambda x: softplus(-x), 2 * math.log(2)),
    "hinge": GanForm(lambda x: relu(1 - x), lambda x: relu(1 + x), lambda x: -x, 2.0),
    "least_squares": GanForm(lambda x: (x - 1).square(), lambda x: x.square(), lambda x: (x - 1).square(), 0.5),
}
"""By ``critics.form``. non_saturating: Eqs. (3), (4) as they stand. hinge: Lim & Ye 2017 (G's loss has no lower bound).
least_squares: Mao et al. 2017, real 1 and generated 0."""


def discriminator_loss(real_logits: Tensor, fake_logits: Tensor, form: str = "non_saturating") -> Tensor:
    """Eq. (3), for D; the fake frames come detached from G.

    Parameters
    ----------
    real_logits, fake_logits
        ``[N, ...]`` logits of any shape; the maps of a patch discriminator are averaged.
    form
        One of `FORMS`.

    Returns
    -------
    Tensor
        Scalar, nats; the form's `chance` (2 log 2) for a D that cannot tell.

    Raises
    ------
    ValueError
        If either is empty, they are maps of different shapes, or the form is unknown.
    """
    if real_logits.shape[1:] != fake_logits.shape[1:]:
        raise ValueError(
            f"real and fake logits: maps differ, {tuple(real_logits.shape)} and {tuple(fake_logits.shape)}"
        )
    own = _form(form)
    return own.real(_some(real_logits, "real logits")).mean() + own.fake(_some(fake_logits, "fake logits")).mean()


def generator_loss(fake_logits: Tensor, form: str = "non_saturating") -> Tensor:
    """Eq. (4), for G: scalar; `fake_logits` as in `discriminator_loss`, here with G's graph."""
    return _form(form).generator(_some(fake_logits, "fake logits")).mean()


def _form(name: str) -> GanForm:
    if name not in FORMS:
        raise ValueError(f"critics.form: {name!r} is unknown; allowed: {', '.join(FORMS)}")
    return FORMS[name]


def _some(logits: Tensor, name: str) -> Tensor:
    if logits.numel() == 0:
        raise ValueError(f"{name}: empty, shape {tuple(logits.shape)}; sample at least one real frame")
    return logits
