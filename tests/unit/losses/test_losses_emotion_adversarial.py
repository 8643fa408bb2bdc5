import math

import pytest
import torch

from eap.losses.emotion_adversarial import emotion_discriminator_loss, emotion_generator_loss, select_branch

LOG_3 = math.log(3)  # sigmoid(log 3) = 3 / 4
EMOTION = torch.tensor([0, 2])


def _logits(seed, *shape, dtype=torch.float32):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 4, 4)])
def test_smoke_and_shape(shape):
    assert select_branch(_logits(0, *shape), EMOTION).shape == (2, *shape[2:])
    assert emotion_discriminator_loss(_logits(0, *shape), _logits(1, *shape), EMOTION).shape == ()
    assert emotion_generator_loss(_logits(0, *shape), EMOTION).shape == ()


def test_select_branch_takes_each_sample_own_class():
    logits = torch.arange(24.0).reshape(2, 3, 2, 2)
    assert select_branch(logits, EMOTION).tolist() == [[[0, 1], [2, 3]], [[20, 21], [22, 23]]]


def test_hand_values_use_branch_y_only():
    # Branches 0 and 2 hold log 3 and -log 3; the 9s belong to other classes.
    fake = torch.tensor([[LOG_3, 9.0, 9.0], [9.0, 9.0, -LOG_3]])
    # The mean of -log(3/4) = 0.287682 and -log(1/4) = 1.386294.
    assert emotion_generator_loss(fake, EMOTION).item() == pytest.approx(0.836988, abs=1e-6)
    # Real: the same mean. Fake: -log(1 - 3/4) and -log(1 - 1/4), again that mean: 1.673976 in all.
    assert emotion_discriminator_loss(fake, fake, EMOTION).item() == pytest.approx(1.673976, abs=1e-6)


def test_zero_at_the_optimum():
    real = torch.full((2, 3), 50.0)
    assert emotion_discriminator_loss(real, -real, EMOTION).item() == pytest.approx(0, abs=1e-12)
    assert emotion_generator_loss(real, EMOTION).item() == pytest.approx(0, abs=1e-12)


def test_no_gradient_reaches_other_branches():
    fake = _logits(0, 2, 3, 4, 4).requires_grad_()
    emotion_generator_loss(fake, EMOTION).backward()
    own = torch.zeros(2, 3, dtype=torch.bool)
    own[0, 0] = own[1, 2] = True
    assert (fake.grad[own] != 0).all()
    assert (fake.grad[~own] == 0).all()


def test_gradcheck():
    real, fake = (_logits(seed, 2, 3, 2, 2, dtype=torch.float64).requires_grad_() for seed in (0, 1))
    assert torch.autograd.gradcheck(lambda r, f: emotion_discriminator_loss(r, f, EMOTION), (real, fake))
    assert torch.autograd.gradcheck(lambda f: emotion_generator_loss(f, EMOTION), fake)


@pytest.mark.parametrize(
    ("logits", "emotion", "message"),
    [
        (torch.zeros(2, 3, 4), EMOTION, r"expected \[N, K\] or \[N, K, h, w\]"),
        (torch.zeros(2, 2), EMOTION, "class outside 0 .. 1"),
        (torch.zeros(3, 3), EMOTION, r"expected int64 \[3\]"),
        (torch.zeros(2, 3), EMOTION.float(), "int64"),
    ],
)
def test_wrong_input_is_refused(logits, emotion, message):
    with pytest.raises(ValueError, match=message):
        select_branch(logits, emotion)


def test_real_frames_of_other_classes_are_judged_by_their_own_branch():
    real, fake = torch.tensor([[9.0, 0.0]]), torch.tensor([[0.0, 9.0]])
    loss = emotion_discriminator_loss(real, fake, torch.tensor([0]), torch.tensor([1]), "least_squares")
    assert loss.item() == 1  # (0 - 1)^2 of branch 1, 0^2 of branch 0


def test_the_form_reaches_both_losses():
    logits, emotion = torch.tensor([[0.5, 7.0]]), torch.tensor([0])
    assert emotion_generator_loss(logits, emotion, "hinge").item() == -0.5
    assert emotion_discriminator_loss(logits, logits, emotion, form="hinge").item() == 2
