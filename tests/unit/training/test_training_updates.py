"""Precision, accumulation, clipping, averages of one phase's steps."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from tiny_data import tiny_config
from torch import nn

from eap.seeding import seed_everything
from eap.stage import StageError
from eap.training.ant import AntPhase
from eap.training.bench import random_batch
from eap.training.build import build_student
from eap.training.era import EraPhase
from eap.training.reconstruction import build_reconstruction
from eap.training.updates import Updates

OFF = tiny_config().engine
PHASES = {"ant": AntPhase, "era": EraPhase}


def small(weight=2.0, lr=0.1, **engine):
    module = nn.Linear(2, 1, bias=False)
    nn.init.constant_(module.weight, weight)
    updates = Updates(OFF.model_copy(update=engine), "cpu", {"m": module}, averaged=["m"])
    return module, torch.optim.SGD(module.parameters(), lr), updates


def noise(size=4):
    torch.manual_seed(3)
    return random_batch(tiny_config(), size, 2)


def make(name, **engine):
    config = tiny_config({"engine": engine, "model": {"dropout": 0.0}, "era": {"p_zero_emotion": 0.0}})
    seed_everything(0, 1)
    student = build_student(4, 32).requires_grad_(False).eval()
    return PHASES[name](config, build_reconstruction(config, student))


def test_an_update_replaces_gradients():
    module, optimizer, updates = small()
    for _ in range(2):
        updates.optimise(3 * module.weight.sum(), optimizer)
    torch.testing.assert_close(module.weight, torch.full((1, 2), 2 - 2 * 0.3))


def test_clipping_bounds_the_norm_of_each_optimizer():
    """Gradients (30, 40) and (3, 4) against a norm of 10: the first becomes (6, 8), the second stays."""
    for scale, expected in ((10.0, (6.0, 8.0)), (1.0, (3.0, 4.0))):
        module, optimizer, updates = small(0.0, lr=1.0, clip_norm=10.0)
        updates.optimise((module.weight * torch.tensor([[3.0, 4.0]]) * scale).sum(), optimizer)
        torch.testing.assert_close(-module.weight.flatten(), torch.tensor(expected), rtol=1e-5, atol=0)


def test_averages_by_hand():
    """0.5 of what was, 0.5 of what is: 4, then (4 + 2) / 2, then (3 + 1) / 2."""
    module, _, updates = small(ema_decay=0.5)

    def step(batch, number):
        nn.init.constant_(module.weight, (4.0, 2.0, 1.0)[number])
        return {"loss": 0.0}

    for number, expected in enumerate((4.0, 3.0, 2.0)):
        updates.step(step, noise(), number)
        with updates.released():
            assert module.weight[0, 0].item() == expected
    assert module.weight[0, 0].item() == 1
    other, _, again = small(ema_decay=0.5)
    again.load_state_dict(updates.state_dict())
    again.release()
    assert other.weight[0, 0].item() == 2


def test_an_overflow_leaves_the_other_losses_of_the_step_alone():
    """fp16 in two parts: the first loss overflows and is skipped; the second's gradient of 1 moves its weight by 1."""
    first, second = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)
    nn.init.zeros_(second.weight)
    updates = Updates(OFF.model_copy(update={"precision": "fp16", "accumulate": 2}), "cpu", {"a": first, "b": second})
    optimizers = [torch.optim.SGD(module.parameters(), 1.0) for module in (first, second)]
    before = first.weight.item()

    def step(batch, number):
        updates.optimise(first.weight.sum() * torch.tensor(float("inf")), optimizers[0])
        updates.optimise(second.weight.sum(), optimizers[1])
        return {"loss": 0.0}

    updates.step(step, noise(), 0)
    assert (first.weight.item(), second.weight.item()) == (before, -1.0)
    overflown, whole = (scaler.get_scale() for scaler in updates.scalers)
    assert overflown == whole / 2


def test_parts_give_the_gradient_of_the_whole():
    """A mean over samples, taken in parts: every optimizer steps once, at the end, on the whole batch's gradient."""
    batch = noise()
    results = []
    for parts in (1, 2, 4):
        module, optimizer, updates = small(accumulate=parts)
        seen = []

        def step(part, number, module=module, optimizer=optimizer, updates=updates, seen=seen):
            seen.append((module.weight[0, 0].item(), part.clip_ids))
            loss = (module(part.source_pose_BP2 / 100) ** 2).mean()
            updates.optimise(loss, optimizer)
            return {"loss": loss.item()}

        values = updates.step(step, batch, 0)
        assert [weight for weight, _ in seen] == [2.0] * parts
        assert sum((clips for _, clips in seen), ()) == batch.clip_ids
        results.append((values["loss"], module.weight.detach()))
    for loss, weight in results[1:]:
        assert loss == pytest.approx(results[0][0], rel=1e-5)
        torch.testing.assert_close(weight, results[0][1])


def test_an_accumulated_step_steps_every_network_once(monkeypatch):
    """ERA's heads have two losses; both are applied, each with all parts' gradients."""
    phase = make("era", accumulate=2)
    steps = {name: 0 for name in phase.optimizers}
    for name, optimizer in phase.optimizers.items():
        monkeypatch.setattr(
            optimizer,
            "step",
            lambda name=name, original=optimizer.step: (steps.update({name: steps[name] + 1}), original()),
        )
    before = {name: [p.detach().clone() for p in m.parameters()] for name, m in phase.modules.items()}
    values = phase.updates.step(phase.step, noise(), 0)
    assert steps == {"critics": 1, "backbone": 1, "heads": 2, "ant": 1, "emotion": 1}
    assert all(math.isfinite(value) for value in values.values())
    for name, module in phase.modules.items():
        assert any(not torch.equal(p, q) for p, q in zip(module.parameters(), before[name], strict=True)), name


@pytest.mark.parametrize("parts", [3, 8])
def test_a_batch_that_leaves_a_rest_is_refused(parts):
    _, _, updates = small(accumulate=parts)
    with pytest.raises(StageError, match=rf"a batch of 4 clips .* cannot be divided into .*accumulate \({parts}\)"):
        updates.step(lambda *_: {}, noise(), 0)


def test_padding_cannot_be_divided():
    _, _, updates = small(accumulate=2)
    batch = noise()
    padded = batch.mask_BT.clone()
    padded[0, -1] = False
    with pytest.raises(StageError, match=r"clips noise 0, .*padding cannot be divided"):
        updates.step(lambda *_: {}, replace(batch, mask_BT=padded), 0)


@pytest.mark.parametrize("name", PHASES)
@pytest.mark.parametrize("engine", [{"precision": "bf16"}, {"precision": "bf16", "accumulate": 2, "clip_norm": 1.0}])
def test_phases_in_mixed_precision(name, engine):
    """The losses are near those of full precision, and all of it stays finite."""
    exact, low = make(name), make(name, **engine)
    torch.manual_seed(5)
    expected = exact.updates.step(exact.step, noise(), 0)
    torch.manual_seed(5)
    values = low.updates.step(low.step, noise(), 0)
    assert values["per"] == pytest.approx(expected["per"], rel=0.03)
    assert values["lip"] == pytest.approx(expected["lip"], rel=0.05, abs=0.5)
    assert values != expected
    assert all(p.isfinite().all() for module in low.modules.values() for p in module.parameters())


def test_half_precision_scales_its_loss_and_skips_what_overflows():
    """fp16 needs a GPU in the configuration; its loss scale is the same on a CPU."""
    module, optimizer, updates = small(precision="fp16")
    factors = iter((math.inf, 3.0))

    def step(batch, number):
        updates.optimise((module.weight * next(factors)).sum(), optimizer)
        return {}

    updates.step(step, noise(), 0)
    assert module.weight[0, 0].item() == 2
    scale = torch.amp.GradScaler("cpu").get_scale() / 2
    assert [scaler.get_scale() for scaler in updates.scalers] == [scale]
    updates.step(step, noise(), 1)
    assert module.weight[0, 0].item() == pytest.approx(2 - 0.3)
    _, _, again = small(precision="fp16")
    again.load_state_dict(updates.state_dict())
    assert [scaler.get_scale() for scaler in again.scalers] == [scale]


@pytest.mark.parametrize("clip_norm", [None, 1.0])
def test_two_losses_of_a_step_may_share_an_optimizer_in_half_precision_and_parts(clip_norm):
    """As ERA's steps (b) and (c) share that of theta and phi."""
    module, optimizer, updates = small(0.0, lr=1.0, precision="fp16", accumulate=2, clip_norm=clip_norm)

    def step(batch, number):
        updates.optimise(module.weight[0, 0] * 1.0, optimizer)
        updates.optimise(module.weight[0, 1] * 1.0, optimizer)
        return {}

    updates.step(step, noise(), 0)
    torch.testing.assert_close(module.weight, torch.full((1, 2), -1.0), rtol=1e-5, atol=0)


def test_what_is_not_finite_is_named():
    _, _, updates = small()
    batch = noise(2)
    assert updates.checked({"a": 1.0}, 3, batch) == {"a": 1.0}
    with pytest.raises(StageError, match=r"step 3: loss not finite: b = inf; clips of the batch: noise 0, noise 1"):
        updates.checked({"a": 1.0, "b": math.inf}, 3, batch)
