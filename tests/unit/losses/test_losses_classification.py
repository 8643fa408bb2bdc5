import math

import pytest
import torch

from eap.losses.classification import classification_loss

MASK = torch.tensor([[True, True, False], [True, False, False]])
EMOTION = torch.tensor([0, 1])
LOG_3 = math.log(3)  # softmax of (log 3, 0) is (3/4, 1/4)


def _logits(*shape, dtype=torch.float32):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=dtype)


@pytest.mark.parametrize("shape", [(2, 3, 5), (2, 3, 2)])
def test_smoke_and_shape(shape):
    value = classification_loss(_logits(*shape), EMOTION, MASK)
    assert value.shape == ()
    assert value > 0


def test_hand_value_is_the_mean_over_frames():
    # All frames say (3/4, 1/4). Clip 0 (class 0) has two frames at -log(3/4) = 0.287682, clip 1 (class 1) one at
    # -log(1/4) = 1.386294: 1.961658 / 3 (a mean over clips would be 0.836988).
    logits = torch.tensor([LOG_3, 0.0]).expand(2, 3, 2)
    assert classification_loss(logits, EMOTION, MASK).item() == pytest.approx(0.653886, abs=1e-6)


def test_uniform_logits_cost_log_k_and_certainty_costs_nothing():
    assert classification_loss(torch.zeros(2, 3, 8), EMOTION, MASK).item() == pytest.approx(2.079442, abs=1e-6)
    certain = torch.nn.functional.one_hot(EMOTION, 4)[:, None].expand(2, 3, 4) * 60.0
    assert classification_loss(certain, EMOTION, MASK).item() == pytest.approx(0, abs=1e-12)


def test_gradcheck():
    logits = _logits(2, 3, 4, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: classification_loss(x, EMOTION, MASK), logits)


@pytest.mark.parametrize("padding", [50.0, float("nan")])
def test_padding_changes_neither_value_nor_gradient(padding):
    plain = _logits(2, 3, 4).requires_grad_()
    padded = torch.where(MASK[..., None], _logits(2, 3, 4), torch.tensor(padding)).requires_grad_()
    value, padded_value = (classification_loss(x, EMOTION, MASK) for x in (plain, padded))
    value.backward()
    padded_value.backward()
    assert value.item() == padded_value.item()
    assert torch.equal(plain.grad, padded.grad)
    assert (padded.grad[~MASK] == 0).all()


@pytest.mark.parametrize(
    ("logits", "emotion", "mask", "message"),
    [
        (torch.zeros(2, 4), EMOTION, MASK, r"expected \[B, T, K\]"),
        (torch.zeros(2, 3, 4), EMOTION, MASK[:, 0], r"and \[B, T\]"),
        (torch.zeros(2, 3, 1), EMOTION, MASK, "class outside 0 .. 0"),
        (torch.zeros(2, 4, 4), EMOTION, MASK, "does not start with the mask's"),
        (torch.zeros(2, 3, 4), EMOTION, torch.zeros_like(MASK), "no real frame"),
        (torch.zeros(2, 3, 4), EMOTION, MASK.float(), "must be bool"),
    ],
)
def test_wrong_input_is_refused(logits, emotion, mask, message):
    with pytest.raises(ValueError, match=message):
        classification_loss(logits, emotion, mask)
