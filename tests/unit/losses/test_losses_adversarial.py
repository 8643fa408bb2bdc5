import math

import pytest
import torch

from eap.losses.adversarial import discriminator_loss, generator_loss

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
