import pytest
import torch

from eap.losses.lip import lip_loss

MASK = torch.tensor([[True, True, False], [True, False, False]])


def _landmarks(seed, dtype=torch.float32):
    return torch.randn(2, 3, 20, 2, generator=torch.Generator().manual_seed(seed), dtype=dtype) * 10 + 128


def test_smoke_and_shape():
    value = lip_loss(_landmarks(0), _landmarks(1), MASK)
    assert value.shape == ()
    assert value > 0


def test_hand_value_is_the_unsquared_distance():
    # One clip, two frames, two points. Differences (3, 4), (0, 0), (0, 2), (5, 12): distances 5, 0, 2, 13; mean 20 / 4.
    # (The mean of squares would be 49.5, the mean absolute coordinate 3.25.)
    real = torch.full((1, 2, 2, 2), 100.0)
    generated = real + torch.tensor([[[[3.0, 4.0], [0.0, 0.0]], [[0.0, 2.0], [5.0, 12.0]]]])
    assert lip_loss(generated, real, torch.ones(1, 2, dtype=torch.bool)).item() == pytest.approx(5.0)
    # The first frame alone: (5 + 0) / 2.
    assert lip_loss(generated, real, torch.tensor([[True, False]])).item() == pytest.approx(2.5)


def test_frames_are_pooled_not_clips():
    # Clip 0 has two real frames at distance 1, clip 1 has one at distance 4: (1 + 1 + 4) / 3, not (1 + 4) / 2.
    real = torch.zeros(2, 3, 20, 2)
    generated = real.clone()
    generated[0, ..., 0], generated[1, ..., 1] = 1.0, 4.0
    assert lip_loss(generated, real, MASK).item() == pytest.approx(2.0)


def test_zero_at_the_optimum_with_a_finite_gradient():
    real = _landmarks(0)
    generated = real.clone().requires_grad_()
    value = lip_loss(generated, real, MASK)
    value.backward()
    assert value.item() == 0
    assert torch.isfinite(generated.grad).all()


def test_gradient_points_along_the_difference():
    # The gradient of a distance has length 1, shared by 3 frames of 20 points.
    generated = _landmarks(0).requires_grad_()
    lip_loss(generated, _landmarks(1), MASK).backward()
    torch.testing.assert_close(generated.grad[0, 0].norm(dim=-1), torch.full((20,), 1 / 60))


def test_gradcheck():
    generated = _landmarks(0, torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda g: lip_loss(g, _landmarks(1, torch.float64), MASK), generated)


@pytest.mark.parametrize("padding", [1e6, float("nan"), float("inf")])
def test_padding_changes_neither_value_nor_gradient(padding):
    generated = _landmarks(0).requires_grad_()
    expected = lip_loss(generated, _landmarks(1), MASK)
    expected.backward()
    padded = torch.where(MASK[..., None, None], _landmarks(0), torch.tensor(padding)).requires_grad_()
    value = lip_loss(padded, _landmarks(1), MASK)
    value.backward()
    assert value.item() == expected.item()
    assert torch.equal(padded.grad, generated.grad)
    assert (padded.grad[~MASK] == 0).all()


@pytest.mark.parametrize(
    ("generated", "real", "mask", "message"),
    [
        (torch.zeros(2, 3, 20, 3), torch.zeros(2, 3, 20, 3), MASK, "generated landmarks: expected shape"),
        (torch.zeros(2, 3, 20, 2), torch.zeros(2, 3, 1, 2), MASK, "shapes differ"),
        (torch.zeros(2, 4, 20, 2), torch.zeros(2, 4, 20, 2), MASK, "does not start with the mask's"),
        (torch.zeros(2, 3, 20, 2), torch.zeros(2, 3, 20, 2), torch.zeros_like(MASK), "no real frame"),
    ],
)
def test_wrong_input_is_refused(generated, real, mask, message):
    with pytest.raises(ValueError, match=message):
        lip_loss(generated, real, mask)
