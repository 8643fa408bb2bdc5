import pytest
import torch

from eap.losses.intensity import decode_loss, intensity, norm_loss, va_loss

MASK = torch.tensor([[True, True, False], [True, True, True]])
TWO = torch.ones(1, 2, dtype=torch.bool)


def _values(seed, width, dtype=torch.float32):
    return torch.randn(2, 3, width, generator=torch.Generator().manual_seed(seed), dtype=dtype) / 2


def _padded(values, padding):
    return torch.where(MASK[..., None], values, torch.tensor(padding))


def test_va_smoke_and_shape():
    value = va_loss(_values(0, 2), _values(1, 2), MASK)
    assert value.shape == ()
    assert value > 0


def test_va_hand_value():
    # Valence: prediction 0, 1, target 0, 0.5. MSE 0.25 / 2 = 0.125; means 0.5, 0.25; covariance 0.125; population
    # variances 0.25, 0.0625; PCC 1; CCC 0.25 / (0.25 + 0.0625 + 0.0625) = 2/3 (sample moments: 8/11).
    # Arousal: prediction 0, 1, target 1, 0. MSE 1; PCC -1; CCC -0.5 / 0.5 = -1.
    # 1.125 + (1 - 0) / 2 + (1 + 1/6) / 2 = 2.208333.
    predicted = torch.tensor([[[0.0, 0.0], [1.0, 1.0]]])
    target = torch.tensor([[[0.0, 1.0], [0.5, 0.0]]])
    assert va_loss(predicted, target, TWO).item() == pytest.approx(2.208333, abs=1e-5)


def test_va_correlation_is_pooled_over_the_batch():
    # Two clips of one frame each give the same two pairs as one clip of two: a correlation per clip would not exist.
    predicted, target = torch.tensor([[0.0, 0.0], [1.0, 1.0]]), torch.tensor([[0.0, 1.0], [0.5, 0.0]])
    value = va_loss(predicted[:, None], target[:, None], torch.ones(2, 1, dtype=torch.bool))
    assert value.item() == pytest.approx(2.208333, abs=1e-5)


def test_va_zero_at_the_optimum():
    target = _values(0, 2)
    assert va_loss(target.clone(), target, MASK).item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("constant", ["predicted", "target", "both"])
def test_va_is_finite_for_constant_series(constant):
    predicted, target = _values(0, 2), _values(1, 2)
    if constant in ("predicted", "both"):
        predicted = torch.full_like(predicted, 0.3)
    if constant in ("target", "both"):
        target = torch.full_like(target, 0.1)
    predicted.requires_grad_()
    value = va_loss(predicted, target, MASK)
    value.backward()
    assert torch.isfinite(value)
    assert torch.isfinite(predicted.grad).all()


def test_va_of_a_constant_target_is_pulled_by_mse_alone():
    # Prediction 0.5 everywhere, target 0.1: MSE 2 x 0.16, both correlations count as 0: 0.32 + 0.5 + 0.5.
    predicted = torch.full((1, 2, 2), 0.5, requires_grad=True)
    value = va_loss(predicted, torch.full((1, 2, 2), 0.1), TWO)
    value.backward()
    assert value.item() == pytest.approx(1.32, abs=1e-5)
    # d MSE / dp = 2 (0.5 - 0.1) / 2 frames.
    torch.testing.assert_close(predicted.grad, torch.full((1, 2, 2), 0.4))


def test_va_gradcheck():
    predicted, target = (_values(seed, 2, torch.float64).requires_grad_() for seed in (0, 1))
    assert torch.autograd.gradcheck(lambda p, t: va_loss(p, t, MASK), (predicted, target))


@pytest.mark.parametrize("padding", [50.0, float("nan")])
def test_padding_changes_neither_value_nor_gradient(padding):
    losses = {
        "va": (2, lambda x: va_loss(x, _padded(_values(1, 2), padding), MASK)),
        "norm": (5, lambda x: norm_loss(x, _padded(_values(1, 2), padding), MASK)),
        "decode": (5, lambda x: decode_loss(x, _padded(_values(1, 5), padding), MASK)),
    }
    for width, loss in losses.values():
        plain = _values(0, width).requires_grad_()
        padded = _padded(_values(0, width), padding).requires_grad_()
        value, padded_value = loss(plain), loss(padded)
        value.backward()
        padded_value.backward()
        assert value.item() == padded_value.item()
        assert torch.equal(plain.grad, padded.grad)
        assert (padded.grad[~MASK] == 0).all()


def test_intensity_hand_value_and_gradient_at_the_origin():
    va = torch.tensor([[0.6, -0.8], [0.0, 0.0], [-0.3, 0.4]], requires_grad=True)
    value = intensity(va)
    value.sum().backward()
    torch.testing.assert_close(value, torch.tensor([1.0, 0.0, 0.5]))
    torch.testing.assert_close(va.grad, torch.tensor([[0.6, -0.8], [0.0, 0.0], [-0.6, 0.8]]))


def test_norm_hand_value_and_optimum():
    # ||(3, 4)|| = 5 against ||(0.6, 0.8)|| = 1: 16. ||0|| against ||(0, 0.5)||: 0.25. Mean 8.125.
    e = torch.tensor([[[3.0, 4.0], [0.0, 0.0]]], requires_grad=True)
    value = norm_loss(e, torch.tensor([[[0.6, 0.8], [0.0, 0.5]]]), TWO)
    value.backward()
    assert value.item() == pytest.approx(8.125)
    assert torch.isfinite(e.grad).all()
    # The width of e does not matter: norm 0.5 in four dimensions.
    assert norm_loss(torch.full((1, 2, 4), 0.25), torch.tensor([[[0.5, 0.0], [0.3, 0.4]]]), TWO).item() == 0


def test_decode_hand_value_and_stopped_gradient():
    # (1, 2) to (0, 0): 1 + 4 = 5. (1, 1) to (1, 0): 1. Mean over the frames 3 (over coordinates: 1.5).
    decoded = torch.tensor([[[1.0, 2.0], [1.0, 1.0]]], requires_grad=True)
    e = torch.tensor([[[0.0, 0.0], [1.0, 0.0]]], requires_grad=True)
    value = decode_loss(decoded, e, TWO)
    value.backward()
    assert value.item() == pytest.approx(3.0)
    assert e.grad is None
    torch.testing.assert_close(decoded.grad, torch.tensor([[[1.0, 2.0], [0.0, 1.0]]]))
    assert decode_loss(e.detach(), e, TWO).item() == 0


def test_norm_and_decode_gradcheck():
    x = _values(0, 5, torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda e: norm_loss(e, _values(1, 2, torch.float64), MASK), x)
    assert torch.autograd.gradcheck(lambda d: decode_loss(d, _values(1, 5, torch.float64), MASK), x)


def test_wrong_input_is_refused():
    with pytest.raises(ValueError, match="predicted valence and arousal: expected shape"):
        va_loss(_values(0, 3), _values(1, 3), MASK)
    with pytest.raises(ValueError, match="shapes differ"):
        va_loss(_values(0, 2), _values(1, 2)[:1], MASK)
    with pytest.raises(ValueError, match=r"expected shape \[\.\.\., 2\], got \[2, 3\]"):
        intensity(torch.zeros(2, 3))
    with pytest.raises(ValueError, match="decoded embeddings and embeddings: shapes differ"):
        decode_loss(_values(0, 4), _values(0, 5), MASK)
    empty = torch.zeros_like(MASK)
    for loss, width in ((va_loss, 2), (norm_loss, 2), (decode_loss, 2)):
        with pytest.raises(ValueError, match="no real frame"):
            loss(_values(0, width), _values(1, width), empty)
        with pytest.raises(ValueError, match="does not start with the mask's"):
            loss(_values(0, width), _values(1, width), MASK[:, :2])


FOUR = torch.tensor([[[0.0, 0.0], [0.6, 0.8], [0.3, -0.4], [0.0, 1.0]]])
REAL = torch.ones(1, 4, dtype=torch.bool)


@pytest.mark.parametrize(
    ("definition", "expected"),
    [("norm", [0, 1, 0.5, 1]), ("max", [0, 0.8, 0.4, 1]), ("arousal", [0, 0.8, 0.4, 1])],
)
def test_definitions_of_intensity_by_hand(definition, expected):
    assert intensity(FOUR, definition)[0].tolist() == pytest.approx(expected)


def test_max_and_arousal_differ_where_valence_is_the_larger():
    va = torch.tensor([[-0.9, 0.2]])
    assert [intensity(va, name).item() for name in ("max", "arousal")] == pytest.approx([0.9, 0.2])


def test_forms_of_the_loss_leave_out_what_they_say():
    predicted = FOUR * torch.tensor([1.0, 0.5])
    # Squares: arousal's halves are off by 0, 0.4, 0.2, 0.5: 0.45 / 4.
    mse = va_loss(predicted, FOUR, REAL, "mse").item()
    assert mse == pytest.approx(0.1125, abs=1e-6)
    with_ccc, whole = (va_loss(predicted, FOUR, REAL, form).item() for form in ("mse_ccc", "mse_pcc_ccc"))
    assert whole == pytest.approx(with_ccc, abs=1e-4)  # perfectly correlated: only the CCC minds the scale
    assert with_ccc > mse + 0.01


def test_intensity_as_target_does_not_mind_the_direction():
    turned = FOUR.flip(-1) * torch.tensor([-1.0, 1.0])
    assert va_loss(turned, FOUR, REAL, "mse", "norm").item() == pytest.approx(0, abs=1e-12)
    assert va_loss(turned, FOUR, REAL, "mse").item() > 0.1
    # Doubled: intensities 2, 1, 2 for 1, 0.5, 1: (1 + 0.25 + 1) / 4.
    assert va_loss(2 * FOUR, FOUR, REAL, "mse", "norm").item() == pytest.approx(0.5625)


@pytest.mark.parametrize("definition", ["norm", "max", "arousal"])
def test_norm_loss_goes_by_the_definition(definition):
    e = torch.zeros(1, 4, 3)
    wanted = intensity(FOUR, definition).square().mean().item()
    assert norm_loss(e, FOUR, REAL, definition).item() == pytest.approx(wanted)


def test_unknown_forms_and_definitions_are_refused():
    with pytest.raises(ValueError, match=r"loss\.inten_form: 'huber' is unknown; allowed: mse_pcc_ccc"):
        va_loss(FOUR, FOUR, REAL, "huber")
    with pytest.raises(ValueError, match=r"loss\.intensity: 'sum' is unknown; allowed: norm, max, arousal"):
        intensity(FOUR, "sum")
