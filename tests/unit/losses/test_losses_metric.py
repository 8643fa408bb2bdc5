import pytest
import torch

from eap.losses.metric import EPSILON, contrastive_loss, metric_loss, pool_embeddings

MASK = torch.tensor([[True, True, False], [True, False, False]])
AUDIO = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
VISUAL = torch.tensor([[0.0, 1.0], [1.0, 0.0], [-1.0, 0.0]])
ALL = torch.ones(3, dtype=torch.bool)


def _embeddings(seed, *shape, dtype=torch.float32):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def test_pooling_hand_value():
    # Sample 0: frames (3, 0) and (3, 8), mean (3, 4), norm 5. Sample 1: (0, -2) alone.
    e = torch.tensor([[[3.0, 0.0], [3.0, 8.0], [99.0, 99.0]], [[0.0, -2.0], [99.0, 99.0], [99.0, 99.0]]])
    pooled = pool_embeddings(e, MASK)
    assert pooled.shape == (2, 2)
    torch.testing.assert_close(pooled, torch.tensor([[0.6, 0.8], [0.0, -1.0]]))


def test_pooling_of_the_zero_embedding_stays_zero_with_a_bounded_gradient():
    e = torch.zeros(2, 3, 4, requires_grad=True)
    pooled = pool_embeddings(e, MASK)
    pooled.sum().backward()
    assert (pooled == 0).all()
    assert e.grad.abs().max() <= 1 / EPSILON


def test_pooling_gradcheck():
    e = _embeddings(0, 2, 3, 4, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: pool_embeddings(x, MASK), e)


@pytest.mark.parametrize("padding", [1e6, float("nan")])
def test_pooling_ignores_padding(padding):
    def run(values):
        e = values.requires_grad_()
        pooled = pool_embeddings(e, MASK)
        pooled[:, 0].sum().backward()
        return pooled, e.grad

    pooled, gradient = run(_embeddings(0, 2, 3, 4))
    padded = torch.where(MASK[..., None], _embeddings(0, 2, 3, 4), torch.tensor(padding))
    padded_pooled, padded_gradient = run(padded)
    assert torch.equal(pooled, padded_pooled)
    assert torch.equal(gradient, padded_gradient)
    assert (gradient[~MASK] == 0).all()


def test_pooling_refuses_a_sample_without_frames():
    mask = MASK.clone()
    mask[1] = False
    with pytest.raises(ValueError, match=r"samples \[1\] have no real frame"):
        pool_embeddings(torch.zeros(2, 3, 4), mask)
    with pytest.raises(ValueError, match="no real frame in shape"):
        pool_embeddings(torch.zeros(2, 3, 4), torch.zeros_like(MASK))
    with pytest.raises(ValueError, match="embeddings: expected shape"):
        pool_embeddings(torch.zeros(2, 4, 4), MASK)


def test_loss_smoke_and_shape():
    value = metric_loss(_embeddings(0, 4, 8), _embeddings(1, 4, 8), torch.tensor([0, 1, 1, 2]), torch.ones(4) > 0, 1.0)
    assert value.shape == ()
    assert value > 0


def test_loss_hand_value():
    # Classes 0, 1, 1. Squared distances of z_i to u_0, u_1, u_2: z_0: 2, 0, 4; z_1: 2, 0, 4; z_2: 0, 2, 2.
    # z_0: own 2, nearest other class 0: 2 + [1 + 2 - 0] = 5. z_1: own 0, other 2: 0 + [1 + 0 - 2]+ = 0.
    # z_2: own 2, other 0: 5. Mean 10 / 3.
    value = metric_loss(AUDIO, VISUAL, torch.tensor([0, 1, 1]), ALL, 1.0)
    assert value.item() == pytest.approx(10 / 3)
    # A margin of 2.5 adds 1.5 to z_0 and z_2 and opens the hinge of z_1 by 0.5: (6.5 + 0.5 + 6.5) / 3.
    assert metric_loss(AUDIO, VISUAL, torch.tensor([0, 1, 1]), ALL, 2.5).item() == pytest.approx(4.5)


def test_a_face_of_the_same_class_is_no_negative():
    # Classes 0, 0, 1: for z_0 the nearest other class is u_2 at 4, although u_1 lies at 0: 2 + [1 + 2 - 4]+ = 2.
    value = metric_loss(AUDIO, VISUAL, torch.tensor([0, 0, 1]), torch.tensor([True, False, False]), 1.0)
    assert value.item() == pytest.approx(2.0)


def test_excluded_samples_are_no_anchors_but_negatives():
    # Classes 0, 1, 1, anchor z_2 alone; its nearest negative u_0 (at 0) belongs to an excluded sample: 2 + [1 + 2 - 0].
    audio = AUDIO.clone().requires_grad_()
    value = metric_loss(audio, VISUAL, torch.tensor([0, 1, 1]), torch.tensor([False, False, True]), 1.0)
    value.backward()
    assert value.item() == pytest.approx(5.0)
    assert (audio.grad[:2] == 0).all()


def test_without_a_negative_only_the_first_term_remains():
    # One class: own distances 2, 0, 2, mean 4 / 3. Gradient 2 (z - u) / 3.
    audio = AUDIO.clone().requires_grad_()
    value = metric_loss(audio, VISUAL, torch.tensor([1, 1, 1]), ALL, 1.0)
    value.backward()
    assert value.item() == pytest.approx(4 / 3)
    torch.testing.assert_close(audio.grad, 2 * (AUDIO - VISUAL) / 3)


def test_without_an_anchor_it_is_zero_with_a_graph():
    audio = AUDIO.clone().requires_grad_()
    value = metric_loss(audio, VISUAL, torch.tensor([0, 1, 1]), ~ALL, 1.0)
    value.backward()
    assert value.item() == 0
    assert (audio.grad == 0).all()


def test_zero_at_the_optimum():
    # Voices on their own faces, classes on opposite sides (squared distance 4, margin 1).
    unit = torch.tensor([[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0]], requires_grad=True)
    value = metric_loss(unit, unit.detach(), torch.tensor([0, 0, 1]), ALL, 1.0)
    value.backward()
    assert value.item() == 0
    assert (unit.grad == 0).all()


def test_no_gradient_reaches_the_faces():
    audio, visual = AUDIO.clone().requires_grad_(), VISUAL.clone().requires_grad_()
    metric_loss(audio, visual, torch.tensor([0, 1, 1]), ALL, 1.0).backward()
    assert visual.grad is None
    assert (audio.grad[0] != 0).any()


def test_gradcheck():
    audio = _embeddings(0, 4, 3, dtype=torch.float64).requires_grad_()
    visual = _embeddings(1, 4, 3, dtype=torch.float64)
    include = torch.tensor([True, True, False, True])
    assert torch.autograd.gradcheck(lambda a: metric_loss(a, visual, torch.tensor([0, 1, 2, 1]), include, 1.0), audio)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"audio_BD": torch.zeros(3, 2, 1)}, "audio embeddings: expected shape"),
        ({"visual_BD": torch.zeros(1, 2)}, "shapes differ"),
        ({"emotion_B": torch.tensor([0, 1])}, r"expected int64 \[3\]"),
        ({"include_B": torch.ones(3)}, r"include: expected bool \[3\]"),
        ({"margin": 0.0}, "loss.margin"),
    ],
)
def test_wrong_input_is_refused(change, message):
    arguments = {"audio_BD": AUDIO, "visual_BD": VISUAL, "emotion_B": torch.tensor([0, 1, 1]), "include_B": ALL}
    with pytest.raises(ValueError, match=message):
        metric_loss(**{**arguments, "margin": 1.0, **change})


def test_contrastive_hand_value():
    # Cosines of voice 0 (1, 0) with the faces: 0, 1, -1; of voice 2 (0, 1): 1, 0, 0. Classes 0, 0, 1; temperature 1.
    # Voice 0: -(log(1 / Z) + log(e / Z)) / 2, Z = 1 + e + 1/e = 4.086161: 1.407606 - 0.5. Voice 2: log(e + 2).
    loss = contrastive_loss(AUDIO, VISUAL, torch.tensor([0, 0, 1]), torch.tensor([True, False, True]), 1.0)
    assert loss.item() == pytest.approx((0.907606 + 1.551445) / 2, abs=1e-5)


def test_contrastive_is_smallest_where_voice_and_face_agree():
    emotion = torch.tensor([0, 1, 2])
    agreeing, other = torch.eye(3), torch.eye(3).roll(1, 0)
    loss = contrastive_loss(agreeing, agreeing, emotion, ALL, 0.1)
    assert 0 <= loss < 1e-3 < contrastive_loss(agreeing, other, emotion, ALL, 0.1)


def test_contrastive_teaches_the_voice_only_and_passes_gradcheck():
    audio, visual = (_embeddings(i, 3, 4, dtype=torch.float64).requires_grad_() for i in range(2))
    emotion = torch.tensor([0, 1, 1])
    contrastive_loss(audio, visual, emotion, ALL, 0.5).backward()
    assert audio.grad.abs().sum() > 0
    assert visual.grad is None
    assert torch.autograd.gradcheck(lambda a: contrastive_loss(a, visual.detach(), emotion, ALL, 0.5), audio)


def test_contrastive_without_an_anchor_is_zero_with_a_graph():
    audio = AUDIO.clone().requires_grad_()
    loss = contrastive_loss(audio, VISUAL, torch.tensor([0, 1, 1]), ~ALL, 1.0)
    loss.backward()
    assert loss.item() == 0
    assert (audio.grad == 0).all()


def test_a_temperature_that_is_not_positive_is_refused():
    with pytest.raises(ValueError, match=r"temperature: must be positive, got 0; see loss\.temperature"):
        contrastive_loss(AUDIO, VISUAL, torch.tensor([0, 1, 1]), ALL, 0)
