import math

import pytest
import torch

from eap.losses.adversarial import FORMS, discriminator_loss, generator_loss

LOG_3 = math.log(3)  # sigmoid(log 3) = 3 / 4


def _logits(seed, *shape, dtype=torch.float32):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


@pytest.mark.parametrize("shape", [(4,), (4, 1), (4, 1, 7, 7)])
def test_smoke_and_shape(shape):
    assert discriminator_loss(_logits(0, *shape), _logits(1, *shape)).shape == ()
    assert generator_loss(_logits(0, *shape)).shape == ()


def test_hand_values():
    # A D that cannot tell, D = 1/2: -log(1/2) - log(1/2) = 1.386294.
    assert discriminator_loss(torch.zeros(3), torch.zeros(3)).item() == pytest.approx(1.386294)
    # D(real) = 3/4, D(fake) = 1/4: -log(3/4) - log(3/4) = 0.575364.
    assert discriminator_loss(torch.tensor([LOG_3]), torch.tensor([-LOG_3])).item() == pytest.approx(0.575364, abs=1e-6)
    # D(fake) = 3/4 and 1/4: the mean of 0.287682 and 1.386294. (A saturating log(1 - D) would be negative.)
    assert generator_loss(torch.tensor([LOG_3, -LOG_3])).item() == pytest.approx(0.836988, abs=1e-6)


def test_patch_maps_are_averaged():
    patches = torch.tensor([[LOG_3, -LOG_3], [LOG_3, -LOG_3]]).reshape(1, 1, 2, 2)
    assert generator_loss(patches).item() == pytest.approx(0.836988, abs=1e-6)


def test_numbers_of_real_and_fake_frames_may_differ():
    # -log(3/4) once for the real frames, once for the fake ones, whatever their numbers.
    value = discriminator_loss(torch.full((5,), LOG_3), torch.full((2,), -LOG_3))
    assert value.item() == pytest.approx(0.575364, abs=1e-6)


def test_zero_at_the_optimum():
    assert discriminator_loss(torch.full((2,), 50.0), torch.full((2,), -50.0)).item() == pytest.approx(0, abs=1e-12)
    assert generator_loss(torch.full((2,), 50.0)).item() == pytest.approx(0, abs=1e-12)


def test_a_confident_discriminator_still_teaches_the_generator():
    # d/dx of -log sigmoid(x) is -(1 - sigmoid(x)): -1 where D is certain of a fake; log(1 - D) would give 0.
    logits = torch.tensor([-1e4], requires_grad=True)
    generator_loss(logits).backward()
    assert logits.grad.item() == pytest.approx(-1)


def test_gradcheck():
    real, fake = (_logits(seed, 3, 2, 2, dtype=torch.float64).requires_grad_() for seed in (0, 1))
    assert torch.autograd.gradcheck(discriminator_loss, (real, fake))
    assert torch.autograd.gradcheck(generator_loss, fake)


def test_wrong_input_is_refused():
    with pytest.raises(ValueError, match="maps differ"):
        discriminator_loss(torch.zeros(4, 1, 7, 7), torch.zeros(4, 1, 3, 3))
    with pytest.raises(ValueError, match="real logits: empty"):
        discriminator_loss(torch.zeros(0), torch.zeros(2))
    with pytest.raises(ValueError, match="fake logits: empty"):
        generator_loss(torch.zeros(0, 1))


@pytest.mark.parametrize(
    ("form", "of_d", "of_g"),
    [
        # Logits real (2, 0), generated (-2, 1). Hinge: mean(0, 1) + mean(0, 2) = 1.5; G: -mean(-2, 1) = 0.5.
        ("hinge", 1.5, 0.5),
        # Squares: mean(1, 1) + mean(4, 1) = 3.5; G: mean(9, 0) = 4.5.
        ("least_squares", 3.5, 4.5),
        # softplus: mean(0.126928, 0.693147) + mean(0.126928, 1.313262); G: mean(2.126928, 0.313262).
        ("non_saturating", 1.130132, 1.220095),
    ],
)
def test_hand_values_of_each_form(form, of_d, of_g):
    real, fake = torch.tensor([2.0, 0.0]), torch.tensor([-2.0, 1.0])
    assert discriminator_loss(real, fake, form).item() == pytest.approx(of_d, abs=1e-5)
    assert generator_loss(fake, form).item() == pytest.approx(of_g, abs=1e-5)


@pytest.mark.parametrize("form", FORMS)
def test_chance_is_the_least_that_a_constant_answer_costs(form):
    answers = torch.linspace(-3, 3, 601)
    costs = [discriminator_loss(x[None], x[None], form).item() for x in answers]
    assert min(costs) == pytest.approx(FORMS[form].chance, abs=1e-4)


@pytest.mark.parametrize("form", FORMS)
def test_each_form_pulls_real_up_and_generated_down_and_g_the_other_way(form):
    real, fake = (torch.zeros(3, requires_grad=True) for _ in range(2))
    discriminator_loss(real, fake, form).backward()
    own = torch.zeros(3, requires_grad=True)
    generator_loss(own, form).backward()
    assert (real.grad < 0).all()
    # Least squares' 0 for generated frames is met at logit 0 already
    assert (fake.grad > 0).all() if form != "least_squares" else (fake.grad == 0).all()
    assert (own.grad < 0).all()


def test_an_unknown_form_is_refused():
    with pytest.raises(ValueError, match=r"critics\.form: 'wgan' is unknown; allowed: non_saturating, hinge"):
        discriminator_loss(torch.zeros(1), torch.zeros(1), "wgan")
