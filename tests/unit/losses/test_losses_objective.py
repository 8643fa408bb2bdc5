from pathlib import Path

import pytest
import torch

from eap.config import load_config
from eap.losses.objective import (
    ANT_TERMS,
    BACKBONE_TERMS,
    ERA_TERMS,
    ant_weights,
    backbone_weights,
    check_finite,
    era_weights,
    weighted_sum,
)
from eap.stage import StageError

PRESETS = Path(__file__).parents[3] / "workflow" / "presets"


def test_weights_of_the_paper():
    # KNOWN (suppl. B.2): per = inten = 10, the others 5. CHOSEN: mouth = 0, shape = 3, norm = 20, decode = 1 (ADR 26).
    loss = load_config({}, PRESETS).loss
    assert ant_weights(loss) == {"lip": 5, "per": 10, "adv": 5, "mouth": 0, "shape": 3}
    assert backbone_weights(loss) == {"inten": 10, "cls": 5}
    assert era_weights(loss) == {
        "lip": 5, "per": 10, "adv": 5, "metric": 5, "inten": 10, "cls": 5, "e_adv": 5, "mouth": 0,
        "shape": 3, "norm": 20, "decode": 1,
    }  # fmt: skip


def test_terms_are_those_of_the_phases():
    assert ANT_TERMS == ("lip", "per", "adv", "mouth", "shape")
    assert BACKBONE_TERMS == ("inten", "cls")
    assert set(ERA_TERMS) == {
        "lip",
        "per",
        "adv",
        *BACKBONE_TERMS,
        "metric",
        "e_adv",
        "mouth",
        "shape",
        "norm",
        "decode",
    }


def test_weighted_sum_hand_value_and_gradient():
    # 5 x 1 + 10 x 2 + 5 x 3 = 40.
    terms = {
        name: torch.tensor(value, requires_grad=True) for name, value in (("lip", 1.0), ("per", 2.0), ("adv", 3.0))
    }
    total, named = weighted_sum(terms, {"adv": 5.0, "lip": 5.0, "per": 10.0})
    total.backward()
    assert total.item() == 40
    assert named == {"lip": 1.0, "per": 2.0, "adv": 3.0}
    assert all(isinstance(value, float) for value in named.values())
    assert [term.grad.item() for term in terms.values()] == [5, 10, 5]


def test_zero_terms_sum_to_zero():
    total, _ = weighted_sum({"inten": torch.tensor(0.0), "cls": torch.tensor(0.0)}, {"inten": 10.0, "cls": 5.0})
    assert total.item() == 0


def test_gradcheck():
    a, b = (torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in (0.3, -1.2))
    assert torch.autograd.gradcheck(lambda x, y: weighted_sum({"a": x, "b": y}, {"a": 2.0, "b": 0.5})[0], (a, b))


def test_names_must_match_exactly():
    one = torch.tensor(1.0)
    with pytest.raises(ValueError, match="terms without weight: pixel; weights without term: none"):
        weighted_sum({"lip": one, "pixel": one}, {"lip": 5.0})
    with pytest.raises(ValueError, match="terms without weight: none; weights without term: adv, per"):
        weighted_sum({"lip": one}, {"lip": 5.0, "per": 10.0, "adv": 5.0})
    with pytest.raises(ValueError, match="0 terms given"):
        weighted_sum({}, {})


def test_terms_must_be_scalars():
    with pytest.raises(ValueError, match=r"'lip' must be a scalar, got shape \[4\]"):
        weighted_sum({"lip": torch.zeros(4)}, {"lip": 5.0})


def test_check_finite_names_step_term_and_clips():
    check_finite({"lip": 1.0, "per": 0.0}, 7, ("a.mp4",))
    with pytest.raises(StageError, match=r"step 7: .*per = nan, adv = inf; clips of the batch: a.mp4, b.mp4") as error:
        check_finite({"lip": 1.0, "per": float("nan"), "adv": float("inf")}, 7, ("a.mp4", "b.mp4"))
    assert "lip =" not in str(error.value)
