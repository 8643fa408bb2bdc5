"""The ERA phase: who learns from what, and that it does."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tiny_data import EMOTIONS, PRESETS, sections, tiny_config

from eap.config import load_config
from eap.data.windows import WindowSampler
from eap.losses.classification import classification_loss
from eap.losses.intensity import va_loss
from eap.losses.objective import ERA_TERMS
from eap.losses.shape import shape_loss
from eap.schemas import read_table
from eap.stage import StageError, no_log
from eap.training.build import load_student
from eap.training.engine import sample_frames
from eap.training.era import EraPhase, train_era
from eap.training.reconstruction import build_reconstruction

SHORT = {
    "era": {
        "batch_size": 2, "frames": 4, "rendered_frames": 2, "epochs": 3, "warmup_steps": 3, "warmup_batch_size": 3,
        "checkpoint_every": 5,
    }
}  # fmt: skip
"""10 training clips: 15 steps, after 3 that render nothing."""


def make(student_file, overrides=None):
    config = tiny_config(overrides)
    torch.manual_seed(0)
    return EraPhase(config, build_reconstruction(config, load_student(student_file, config)))


@pytest.fixture
def batch(store):
    """Four samples of three classes."""
    sampler = WindowSampler(store, "train", EMOTIONS, 3, tiny_config().audio, 0.75)
    step = next(i for i in range(100) if len(set(sampler.emotional_batch(0, i, 4).emotion_B.tolist())) == 3)
    return sampler.emotional_batch(0, step, 4)


def weights(module):
    return {key: value.detach().clone() for key, value in module.state_dict().items()}


def moved(phase, before):
    """Networks of which a parameter (not a statistic) has changed."""
    return {
        name
        for name, module in phase.modules.items()
        if any(not torch.equal(p, before[name][key]) for key, p in module.named_parameters())
    }


def generated_terms(phase, batch):
    """Step (c) up to the terms, with W_e and H_e away from zero."""
    for door in phase._doors():
        torch.nn.init.normal_(door, std=0.1)
    e = phase.emotion_encoder(batch.emotion_mel_BTMW, batch.mask_BT)
    drawn = phase.generate(batch, e, training=True)
    return e, phase._terms(batch, e, drawn, *phase._fakes(drawn), phase._seen(drawn.shown)[1].detach())


def gradients(module):
    return sum(p.grad.abs().sum().item() for p in module.parameters() if p.grad is not None)


def test_learning_rates_of_the_paper(student_file):
    paper = load_config({}, PRESETS)
    phase = make(student_file, {"era": paper.era.model_dump(), "optimizer": paper.optimizer.model_dump()})
    rate_of = {
        id(p): group["lr"] for o in phase.optimizers.values() for group in o.param_groups for p in group["params"]
    }
    rates = {name: {rate_of[id(p)] for p in module.parameters()} for name, module in phase.modules.items()}
    assert rates == {
        "ant": {5e-5, 2e-4},  # KNOWN; W_e and H_e, which are new, 2e-4 (CHOSEN)
        "backbone": {2e-5},  # KNOWN
        "theta": {5e-4},  # KNOWN
        "phi": {5e-4},  # KNOWN
        "emotion_encoder": {2e-4},
        "psi": {2e-4},
        "critic": {2e-4},
        "emotion_critic": {2e-4},
    }
    faster = [name for name, p in phase.ant.named_parameters() if rate_of[id(p)] == 2e-4]
    assert faster == ["shape_emotion.weight", "style_emotion.weight"]
    for optimizer in phase.optimizers.values():
        assert type(optimizer) is torch.optim.Adam  # KNOWN
        assert optimizer.param_groups[0]["betas"] == (0.5, 0.999)


def test_every_parameter_is_in_exactly_one_optimizer(student_file):
    phase = make(student_file)
    held = [id(p) for o in phase.optimizers.values() for group in o.param_groups for p in group["params"]]
    assert len(held) == len(set(held))
    assert set(held) == {id(p) for module in phase.modules.values() for p in module.parameters()}


def test_step_a_teaches_the_critics_only(student_file, batch):
    phase = make(student_file)
    e = phase.emotion_encoder(batch.emotion_mel_BTMW, batch.mask_BT)
    fake = sample_frames(phase.generate(batch, e)[0], batch.mask_BT)
    sum(phase._critics_losses(batch, fake.detach(), fake.detach())).backward()
    assert {name for name, module in phase.modules.items() if gradients(module)} == {"critic", "emotion_critic"}


def test_d_e_learns_each_sample_on_its_own_branch(student_file, batch):
    phase = make(student_file)
    one_class = replace(batch, emotion_B=torch.full((4,), 2))
    loss_d, loss_de = phase._critics_losses(one_class, *torch.randn(2, 4, 3, 32, 32))
    (loss_d + loss_de).backward()
    assert phase.emotion_critic.layers[-1].bias.grad.nonzero().flatten().tolist() == [2]


def test_step_b_moves_f_theta_phi_only(student_file, batch):
    phase = make(student_file)
    before = {name: weights(m) for name, m in phase.modules.items()}
    seen_before = phase.features(batch.target_BRCHW)
    values, seen = phase._backbone_step(batch)
    assert set(values) == {"inten", "cls"}
    assert moved(phase, before) == {"backbone", "theta", "phi"}
    assert not seen.requires_grad
    torch.testing.assert_close(seen, seen_before)


def test_warm_up_renders_nothing_and_leaves_ant_alone(student_file, batch):
    """What emotion does to the landmarks is learnt (H_e); the rest of ANT and the critics stay as they were."""
    phase = make(student_file, {"model": {"dropout": 0.0}, "era": {"lr_warmup": 1e-2, "lr_motion": 0}})
    before = {name: weights(m) for name, m in phase.modules.items()}

    def shape():
        e = phase.emotion_encoder(batch.emotion_mel_BTMW, batch.mask_BT)
        return shape_loss(phase.generate(batch, e)[1], batch.shape_BTP2, batch.mask_BT).item()

    start = shape()
    phase.warm_up(lambda number: batch, 40, None, 100)
    assert shape() < 0.9 * start
    assert moved(phase, before) == {"ant", "emotion_encoder", "backbone", "theta", "phi", "psi"}
    changed = [key for key, p in phase.ant.named_parameters() if not torch.equal(p, before["ant"][key])]
    assert changed == ["shape_emotion.weight"]
    assert phase.ant.training


def test_warm_up_pulls_voices_towards_faces(student_file, batch):
    """L_metric is a term of it: without the weight of that, E_E's gradient is another."""
    found = {}
    for weight in (5, 0):
        phase = make(student_file, {"model": {"dropout": 0.0}, "loss": {"metric": weight}})
        loss, values = phase._warm_up_losses(batch)
        assert values["metric"] > 0
        loss.backward()
        found[weight] = [p.grad for p in phase.emotion_encoder.parameters()]
    assert any(not torch.equal(a, b) for a, b in zip(found[5], found[0], strict=True))


def test_step_c_generated_frames_teach_neither_f_nor_theta_nor_phi(student_file, batch):
    """theta's and phi's gradients are exactly those of the voice's two terms; F has none."""
    phase = make(student_file)
    e, terms = generated_terms(phase, batch)
    sum(phase.era_weights[name] * term for name, term in terms.items()).backward(retain_graph=True)
    found = {name: [p.grad.clone() for p in getattr(phase, name).parameters()] for name in ("theta", "phi")}
    assert gradients(phase.backbone) == 0
    assert gradients(phase.critic) == gradients(phase.emotion_critic) == 0
    for module in (phase.theta, phase.phi):
        module.zero_grad()
    heard = 10 * va_loss(phase.theta(e.detach()), batch.va_BT2, batch.mask_BT)
    heard = heard + 5 * classification_loss(phase.phi(e.detach()), batch.emotion_B, batch.mask_BT)
    heard.backward()
    for name, grads in found.items():
        for grad, parameter in zip(grads, getattr(phase, name).parameters(), strict=True):
            torch.testing.assert_close(grad, parameter.grad, rtol=1e-4, atol=1e-6)


def test_freezing_is_over_after_the_step(student_file, batch):
    phase = make(student_file)
    phase.step(batch, 0)
    assert all(p.requires_grad for module in phase.modules.values() for p in module.parameters())


@pytest.mark.parametrize("term", ["lip", "per", "adv", "e_adv", "mouth", "inten", "cls"])
def test_every_judgement_of_generated_frames_reaches_the_voice(student_file, batch, term):
    """L_e-adv shapes E_E (KNOWN), and so does every other term on generated frames, through W_e."""
    phase = make(student_file)
    phase.theta.requires_grad_(False)
    _, terms = generated_terms(phase, batch)
    terms[term].backward()
    assert gradients(phase.emotion_encoder) > 0
    assert phase.ant.style_emotion.weight.grad.abs().sum() > 0
    assert gradients(phase.ant.generator) > 0


@pytest.mark.parametrize(("drawn_at", "taught"), [("implied", True), ("real", False)])
def test_landmarks_learn_from_pictures_only_where_these_are_drawn_at_them(student_file, batch, drawn_at, taught):
    phase = make(student_file, {"loss": {"drawn_at": drawn_at}, "model": {"dropout": 0.0}})
    for door in phase._doors():
        torch.nn.init.normal_(door, std=0.1)
    _, driving = phase.hear(batch)
    frames, implied, shown, judged = phase.generate(batch, driving, training=True)
    assert judged is frames
    frames.sum().backward(retain_graph=True)
    door = phase.ant.shape_emotion.weight
    assert (door.grad is not None and door.grad.abs().sum() > 0) == taught
    assert gradients(phase.emotion_encoder) > 0
    shape_loss(implied, batch.shape_BTP2, batch.mask_BT).backward()
    assert door.grad.abs().sum() > 0
    if not taught:
        identity, motion = phase.motion(batch)
        at = batch.at_rendered(motion), shown.pose_BTP2, batch.at_rendered(driving)
        torch.testing.assert_close(phase.ant.render(identity, *at, shown.shape_BTP2), frames, atol=1e-4, rtol=0)


@pytest.mark.parametrize("judged_at", ["drawn", "implied"])
def test_pictures_drawn_at_real_landmarks_may_be_judged_at_implied_ones(student_file, batch, judged_at):
    """Of the losses of pictures, those of emotion then teach the landmarks, and no other does."""
    loss = {"drawn_at": "real", "judged_at": judged_at}
    phase = make(student_file, {"loss": loss, "model": {"dropout": 0.0}})
    _, terms = generated_terms(phase, batch)
    door = phase.ant.shape_emotion.weight
    for term in ("inten", "cls", "e_adv", "lip", "per", "adv", "mouth"):
        door.grad = None
        terms[term].backward(retain_graph=True)
        taught = door.grad is not None and bool(door.grad.abs().sum() > 0)
        assert taught == (judged_at == "implied" and term in ("inten", "cls", "e_adv")), term


def test_d_sees_what_is_drawn_and_d_e_what_is_judged(student_file, batch, monkeypatch):
    """The generated frames of a step's critics, and of F, where emotion is judged at other landmarks."""
    phase = make(student_file, {"loss": {"drawn_at": "real", "judged_at": "implied"}})
    made, seen = [], {"critic": [], "emotion_critic": [], "backbone": []}
    original = phase.generate
    monkeypatch.setattr(phase, "generate", lambda *of, **how: (made.append(original(*of, **how)), made[0])[1])
    for name, found in seen.items():
        phase.modules[name].register_forward_pre_hook(lambda _, given, found=found: found.append(given[0].detach()))
    phase.step(batch, 0)
    drawn = made[0]
    assert not torch.equal(drawn.frames, drawn.judged)
    for name, frames in (("critic", drawn.frames), ("emotion_critic", drawn.judged)):
        _, *fakes = seen[name]  # real ones come first
        assert len(fakes) == 2
        for fake in fakes:
            assert all((clip == one).flatten(1).all(1).any() for one, clip in zip(fake, frames, strict=True))
    assert torch.equal(seen["backbone"][-1], drawn.judged.flatten(0, 1))


def test_metric_and_norm_shape_the_voice_and_decode_psi_alone(student_file, batch):
    for term, taught in (("metric", {"emotion_encoder"}), ("norm", {"emotion_encoder"}), ("decode", {"psi"})):
        phase = make(student_file)
        generated_terms(phase, batch)[1][term].backward()
        assert {name for name, module in phase.modules.items() if gradients(module)} == taught


def test_neutral_samples_run_with_zero_emotion_when_asked(student_file, batch, monkeypatch):
    phase = make(student_file, {"era": {"p_zero_emotion": 1.0}})
    given = []
    original = phase.generate
    monkeypatch.setattr(phase, "generate", lambda b, e, **how: (given.append(e.detach()), original(b, e, **how))[1])
    phase.step(batch, 0)
    silent = (given[0] == 0).all((1, 2))
    assert silent.tolist() == batch.neutral_B.tolist()
    assert 0 < silent.sum() < 4


def test_step_moves_everything_and_names_every_term(student_file, batch):
    phase = make(student_file)
    for door in phase._doors():
        torch.nn.init.normal_(door, std=0.1)
    before = {name: weights(m) for name, m in phase.modules.items()}
    losses = phase.step(batch, 0)
    assert moved(phase, before) == set(phase.modules)
    extra = {"total", "real_inten", "real_cls", "discriminator", "emotion_discriminator"}
    assert set(losses) == {*ERA_TERMS, *extra}
    total = sum(phase.era_weights[term] * losses[term] for term in ERA_TERMS)
    assert losses["total"] == pytest.approx(total, rel=1e-5)


def test_warm_up_lets_the_way_to_the_landmarks_learn_if_asked(student_file, batch):
    phase = make(student_file, {"model": {"dropout": 0.0}, "era": {"lr_warmup": 1e-2, "lr_motion": 1e-3}})
    before = {name: weights(m) for name, m in phase.modules.items()}
    phase.warm_up(lambda number: batch, 3, None, 100)
    changed = {
        key.partition(".")[0] for key, p in phase.ant.named_parameters() if not torch.equal(p, before["ant"][key])
    }
    assert changed == {
        "modality", "audio_encoder", "pose_encoder", "transformer", "shape_motion", "shape_emotion"
    }  # fmt: skip


def test_overfits_one_batch(student_file, batch):
    rates = {"lr_ant": 1e-3, "lr_backbone": 2e-3, "lr_heads": 5e-3, "lr_emotion": 3e-3}
    phase = make(student_file, {"model": {"dropout": 0.0}, "era": rates})
    first = phase.step(batch, 0)
    for i in range(1, 110):
        last = phase.step(batch, i)
    for term in ("inten", "cls", "real_inten", "real_cls"):
        assert last[term] < 0.5 * first[term], term
    assert last["per"] < first["per"]
    with torch.no_grad():
        e = phase.emotion_encoder(batch.emotion_mel_BTMW, batch.mask_BT)
        heard = phase.theta(e)
    for axis in range(2):
        labels = batch.va_BT2[..., axis].flatten()
        assert np.corrcoef(heard[..., axis].flatten(), labels)[0, 1] > 0.8
    assert (phase.phi(e).argmax(-1) == batch.emotion_B[:, None]).float().mean() > 0.7
    # the norm of e is the intensity: neutral voices have less of it
    norm = e.norm(dim=-1).mean(1)
    assert norm[batch.neutral_B].max() < norm[~batch.neutral_B].min()


def test_validation_changes_nothing(student_file, batch):
    phase = make(student_file)
    before = {name: weights(m) for name, m in phase.modules.items()}
    values = phase.validate([batch])
    assert set(values) == {"lip", "per", "mouth", "shape", "inten", "cls"}
    assert values == phase.validate([batch, batch])
    for name, module in phase.modules.items():
        assert module.training
        assert all(torch.equal(value, before[name][key]) for key, value in weights(module).items())


def train(tiny_data, student_file, ant_file, folder, overrides=SHORT, seed=0, checkpoints=None):
    model, config = folder / "model.safetensors", sections("train-era", overrides)
    checkpoints = checkpoints or folder / "checkpoints"
    train_era(config, seed, tiny_data, student_file, ant_file, model, folder / "h.parquet", checkpoints, no_log)
    return load_file(model), read_table(folder / "h.parquet", "history")


@pytest.fixture(scope="module")
def whole(tiny_data, student_file, ant_file, tmp_path_factory):
    """An uninterrupted run, and its folder."""
    folder = tmp_path_factory.mktemp("whole-era")
    return *train(tiny_data, student_file, ant_file, folder), folder


def test_starts_from_ant(student_file, ant_file, tiny_data, tmp_path):
    """With learning rates near zero, ANT and D come out as they went in."""
    rates = {"lr_ant": 1e-30, "lr_backbone": 1e-30, "lr_heads": 1e-30, "lr_emotion": 1e-30, "lr_warmup": 1e-30}
    rates["lr_motion"] = 0
    tensors, _ = train(tiny_data, student_file, ant_file, tmp_path, {"era": SHORT["era"] | rates | {"epochs": 1}})
    for key, value in load_file(ant_file).items():
        if not key.endswith(("._u", "._v")) and "parametrizations.weight.0" not in key:
            torch.testing.assert_close(tensors[key], value)


def test_broken_data_stop_the_run_and_leave_the_checkpoint(
    tiny_data, student_file, ant_file, tmp_path, whole, monkeypatch, capsys
):
    """A NaN at step 12 of 15; after it is mended, the run ends bit for bit as if nothing had happened."""
    original = WindowSampler.emotional_batch

    def spoilt(self, seed, step, size):
        batch = original(self, seed, step, size)
        return replace(batch, va_BT2=batch.va_BT2 * math.nan) if step == 12 else batch

    monkeypatch.setattr(WindowSampler, "emotional_batch", spoilt)
    with pytest.raises(StageError, match=r"step 12: loss not finite: .*inten = nan.*clips of the batch: \w+/"):
        train(tiny_data, student_file, ant_file, tmp_path)
    (checkpoint,) = (tmp_path / "checkpoints").iterdir()
    state = torch.load(checkpoint, weights_only=True)
    assert state["step"] == 10
    assert all(
        value.isfinite().all()
        for module in state["modules"].values()
        for value in module.values()
        if value.is_floating_point()
    )
    monkeypatch.setattr(WindowSampler, "emotional_batch", original)
    tensors, history = train(tiny_data, student_file, ant_file, tmp_path)
    assert "continuing after step 10 of 15" in capsys.readouterr().out
    assert tensors.keys() == whole[0].keys()
    assert all(torch.equal(value, whole[0][key]) for key, value in tensors.items())
    assert history.equals(whole[1])


def test_another_seed_or_configuration_starts_anew(tiny_data, student_file, ant_file, tmp_path, whole, capsys):
    folder = whole[2] / "checkpoints"
    kept = {path.name: path.read_bytes() for path in folder.iterdir()}
    short = {"era": SHORT["era"] | {"epochs": 1}}
    runs = [
        train(tiny_data, student_file, ant_file, tmp_path, short, seed=1, checkpoints=folder)[0],
        train(tiny_data, student_file, ant_file, tmp_path, short | {"loss": {"metric": 4}}, seed=1, checkpoints=folder)[
            0
        ],
    ]
    assert "continuing" not in capsys.readouterr().out
    assert not torch.equal(*(run["emotion_encoder.project.1.weight"] for run in runs))
    assert len(list(folder.iterdir())) == 3
    assert all((folder / name).read_bytes() == data for name, data in kept.items())


def test_ant_of_another_architecture_is_refused(tiny_data, student_file, ant_file, tmp_path):
    with pytest.raises(StageError, match=r"was trained with model = .*now says"):
        train(tiny_data, student_file, ant_file, tmp_path, SHORT | {"model": {"layers": 2}})


def steps(student_file, batch, overrides, count=1):
    """A phase after some steps, and what moved."""
    phase = make(student_file, overrides)
    before = {name: weights(module) for name, module in phase.modules.items()}
    for number in range(count):
        losses = phase.step(batch, number)
    return phase, before, losses


def test_a_frozen_ant_opens_its_doors_and_nothing_else(student_file, batch):
    phase, before, _ = steps(student_file, batch, {"era": {"ant": "frozen", "lr_motion": 0}}, 2)
    changed = {key for key, value in phase.ant.state_dict().items() if not torch.equal(value, before["ant"][key])}
    assert changed == {"style_emotion.weight", "shape_emotion.weight"}
    assert {"emotion_encoder", "backbone", "theta", "phi", "critic", "emotion_critic"} <= moved(phase, before)


@pytest.mark.parametrize(
    "overrides",
    [
        {"critics": {"form": "hinge"}},
        {"critics": {"form": "least_squares", "emotion_head": "projection"}},
        {"loss": {"metric_form": "contrastive"}},
        {"loss": {"inten_form": "mse"}},
        {"loss": {"inten_form": "mse_ccc"}},
        {"loss": {"inten_target": "intensity", "intensity": "max", "decode": 0}},
        {"loss": {"intensity": "arousal"}},
        {"model": {"convolution": "separable"}},
    ],
    ids=str,
)
def test_every_switch_changes_what_is_learnt(student_file, batch, overrides):
    _, _, plain = steps(student_file, batch, None)
    phase, before, losses = steps(student_file, batch, overrides)
    assert all(math.isfinite(value) for value in losses.values())
    assert {name for name in plain if losses[name] != plain[name]}
    assert moved(phase, before) == set(phase.modules) - (
        {"psi"} if overrides.get("loss", {}).get("decode") == 0 else set()
    )


def test_critics_may_see_any_real_frame(student_file, store, batch):
    sampler = WindowSampler(store, "train", EMOTIONS, 3, tiny_config().audio, 0.75, others=True)
    with_others = sampler.emotional_batch(0, 0, 4)
    assert with_others.other_BCHW.shape == with_others.source_BCHW.shape
    phase = make(student_file, {"critics": {"real": "any"}})
    seen = []
    phase.emotion_critic.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    assert math.isfinite(phase.step(with_others, 0)["emotion_discriminator"])
    assert torch.equal(seen[0], with_others.other_BCHW)
    part = with_others.rows(slice(1, 3)).to("cpu")
    assert torch.equal(part.other_emotion_B, with_others.other_emotion_B[1:3])
    with pytest.raises(ValueError, match=r"critics\.real 'any': the batch brings no other frames"):
        phase.step(batch, 0)
