import pytest
import torch

from eap.losses.perceptual import perceptual_loss, pyramid

MASK = torch.tensor([True, False, True, True])


def _features(seed, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(4, c, h, h, generator=generator, dtype=dtype) for c, h in ((3, 4), (5, 2), (2, 1))]


def test_smoke_and_shape():
    value = perceptual_loss(_features(0), _features(1), MASK)
    assert value.shape == ()
    assert value > 0


def test_hand_value_is_a_sum_of_layer_means():
    # Layer 0: frames differ by (1, 2) and (4, 0), means 1.5 and 2. Layer 1: by 3 and 1.
    # Both frames: 1.75 + 2 = 3.75 (a mean over all 6 numbers would be 11 / 6). The first frame alone: 1.5 + 3 = 4.5.
    generated = [
        torch.tensor([[1.0, 2.0], [0.0, 0.0]]).reshape(2, 1, 1, 2),
        torch.tensor([3.0, 5.0]).reshape(2, 1, 1, 1),
    ]
    real = [torch.tensor([[0.0, 0.0], [4.0, 0.0]]).reshape(2, 1, 1, 2), torch.tensor([0.0, 6.0]).reshape(2, 1, 1, 1)]
    assert perceptual_loss(generated, real, torch.tensor([True, True])).item() == pytest.approx(3.75)
    assert perceptual_loss(generated, real, torch.tensor([True, False])).item() == pytest.approx(4.5)


def test_zero_at_the_optimum_with_a_finite_gradient():
    generated = [feature.requires_grad_() for feature in _features(0)]
    value = perceptual_loss(generated, _features(0), MASK)
    value.backward()
    assert value.item() == 0
    assert all(torch.isfinite(feature.grad).all() for feature in generated)


def test_gradcheck():
    generated = [feature.requires_grad_() for feature in _features(0, torch.float64)]
    real = _features(1, torch.float64)
    assert torch.autograd.gradcheck(lambda *g: perceptual_loss(g, real, MASK), generated)


def test_padding_changes_neither_value_nor_gradient():
    def run(shift):
        generated = [feature.clone() for feature in _features(0)]
        for feature in generated:
            feature[~MASK] += shift
            feature.requires_grad_()
        value = perceptual_loss(generated, _features(1), MASK)
        value.backward()
        return value, [feature.grad for feature in generated]

    value, gradients = run(0.0)
    shifted, shifted_gradients = run(1e3)
    assert value.item() == shifted.item()
    for a, b in zip(gradients, shifted_gradients, strict=True):
        assert torch.equal(a, b)
        assert (a[~MASK] == 0).all()
        assert (a[MASK] != 0).all()


def test_wrong_input_is_refused():
    with pytest.raises(ValueError, match="same number of layers and at least one, got 3 and 2"):
        perceptual_loss(_features(0), _features(1)[:2], MASK)
    with pytest.raises(ValueError, match="got 0 and 0"):
        perceptual_loss([], [], MASK)
    with pytest.raises(ValueError, match="generated features 1 and real features 1: shapes differ"):
        perceptual_loss(_features(0)[:2], [_features(0)[0], _features(0)[2]], MASK)
    with pytest.raises(ValueError, match="no real frame"):
        perceptual_loss(_features(0), _features(1), torch.zeros(4, dtype=torch.bool))


def test_pyramid_averages_areas():
    # Rows 0 1 2 3 / 4 5 6 7 / 8 .. 11 / 12 .. 15: the first 2 x 2 block is (0 + 1 + 4 + 5) / 4 = 2.5; the whole is 7.5.
    one, half, quarter = pyramid(torch.arange(16.0).reshape(1, 1, 4, 4), 3)
    assert one.shape == (1, 1, 4, 4)
    assert half.flatten().tolist() == [2.5, 4.5, 10.5, 12.5]
    assert quarter.flatten().tolist() == [7.5]


def test_pyramid_does_not_alias():
    # Stripes one pixel wide become grey; taking every other pixel would leave them black or white.
    stripes = torch.tensor([1.0, -1.0]).repeat(4).expand(1, 3, 8, 8)
    assert all((level == 0).all() for level in pyramid(stripes, 4)[1:])


def test_pyramid_carries_the_gradient():
    frames = torch.zeros(1, 1, 4, 4, requires_grad=True)
    pyramid(frames, 3)[2].sum().backward()
    assert torch.equal(frames.grad, torch.full_like(frames, 1 / 16))


@pytest.mark.parametrize(("side", "scales"), [(12, 4), (8, 0)])
def test_pyramid_refuses_what_does_not_divide(side, scales):
    with pytest.raises(ValueError, match=r"perceptual\.scales"):
        pyramid(torch.zeros(1, 3, side, side), scales)
