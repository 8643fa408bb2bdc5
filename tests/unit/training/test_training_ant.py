"""The ANT phase."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file
from tiny_data import EMOTIONS, PRESETS, SPLIT_OF, sections, tiny_config

from eap.config import load_config
from eap.data.windows import WindowSampler
from eap.digest import file_sha256
from eap.losses.objective import ANT_TERMS
from eap.schemas import read_table
from eap.stage import StageError, no_log
from eap.training.ant import AntPhase, train_ant
from eap.training.build import load_student
from eap.training.checkpoint import read_record
from eap.training.reconstruction import build_reconstruction

SHORT = {
    "ant": {
        "batch_size": 2, "frames": 4, "rendered_frames": 2, "epochs": 3, "warmup_steps": 4, "warmup_batch_size": 3,
        "checkpoint_every": 5,
    }
}  # fmt: skip
"""10 training clips: 15 steps, after 4 of L_shape alone."""


def make(student_file, overrides=None, seed=0):
    config = tiny_config(overrides)
    torch.manual_seed(seed)
    return AntPhase(config, build_reconstruction(config, load_student(student_file, config)))


@pytest.fixture
def batch(store):
    config = tiny_config()
    return WindowSampler(store, "train", EMOTIONS, 2, config.audio, 0.75).neutral_batch(0, 0, 2)


def weights(module):
    return {key: value.detach().clone() for key, value in module.state_dict().items()}


def test_learning_rates_of_the_paper(student_file):
    paper = load_config({}, PRESETS)
    phase = make(student_file, {"ant": paper.ant.model_dump(), "optimizer": paper.optimizer.model_dump()})
    rates = {name: {group["lr"] for group in o.param_groups} for name, o in phase.optimizers.items()}
    assert rates == {"ant": {2e-4}, "critic": {2e-4}}  # KNOWN: of ANT
    for optimizer in phase.optimizers.values():
        assert type(optimizer) is torch.optim.Adam  # KNOWN
        assert optimizer.param_groups[0]["betas"] == (0.5, 0.999)


def test_every_parameter_is_in_exactly_one_optimizer(student_file):
    phase = make(student_file)
    held = [id(p) for o in phase.optimizers.values() for group in o.param_groups for p in group["params"]]
    assert len(held) == len(set(held))
    assert set(held) == {id(p) for module in phase.modules.values() for p in module.parameters()}


def test_step_moves_ant_and_critic_but_not_the_door_and_the_judges(student_file, batch):
    phase = make(student_file)
    before = {name: weights(m) for name, m in (*phase.modules.items(), ("judge", phase.reconstruction))}
    losses = phase.step(batch, 0)
    assert set(losses) == {"total", *ANT_TERMS, "discriminator"}
    after = {name: weights(m) for name, m in (*phase.modules.items(), ("judge", phase.reconstruction))}
    moved = {
        name: {key for key in before[name] if not torch.equal(before[name][key], after[name][key])} for name in before
    }
    assert moved["judge"] == set()
    doors = {"style_emotion.weight", "shape_emotion.weight"}  # e = 0 in this phase: W_e and H_e stay zero
    assert not doors & moved["ant"]
    for name, module in phase.modules.items():
        assert {key for key, _ in module.named_parameters()} - moved[name] <= doors
    weighted = {name: getattr(tiny_config().loss, name) * losses[name] for name in ANT_TERMS}
    assert losses["total"] == pytest.approx(sum(weighted.values()), rel=1e-5)
    assert [tiny_config().loss.model_dump()[name] for name in ("lip", "per", "adv")] == [5, 10, 5]  # KNOWN


def test_generators_gradient_leaves_the_critic_alone(student_file, batch):
    """What D learns is L_adv(D) alone: its gradients after a step are of that loss."""
    phase, again = make(student_file), make(student_file)
    again.reconstruction.terms = lambda *_: dict.fromkeys(("lip", "per", "mouth"), torch.zeros(()))
    for one in (phase, again):
        torch.manual_seed(1)
        one.step(batch, 0)
    for p, q in zip(phase.critic.parameters(), again.critic.parameters(), strict=True):
        assert torch.equal(p, q)
        assert p.grad.abs().sum() > 0


def test_generates_neutral_frames(student_file, batch):
    phase = make(student_file, {"model": {"dropout": 0.0}})
    first, _, shown = phase.generate(batch)
    assert shown.mask_BT.shape == batch.mask_BT.shape  # all times are rendered
    for door in (phase.ant.style_emotion, phase.ant.shape_emotion):
        torch.nn.init.normal_(door.weight)
    assert torch.equal(first, phase.generate(batch)[0])


def test_pictures_may_be_drawn_at_the_real_landmarks(student_file, batch):
    """Then the losses of pictures say nothing to the way from voice to landmarks, and L_shape alone does."""
    phase = make(student_file, {"loss": {"drawn_at": "real"}, "model": {"dropout": 0.0}})
    frames, shape, _ = phase.generate(batch, phase.real_points)
    frames.sum().backward(retain_graph=True)
    assert phase.ant.shape_motion.weight.grad is None
    shape.backward()
    assert phase.ant.shape_motion.weight.grad.abs().sum() > 0
    torch.nn.init.normal_(phase.ant.shape_motion.weight)
    assert torch.equal(phase.generate(batch, phase.real_points)[0], frames)
    moved = phase.generate(replace(batch, shape_BTP2=batch.shape_BTP2 + 0.1), phase.real_points)[0]
    assert not torch.allclose(moved, frames)
    assert not torch.allclose(phase.generate(batch)[0], frames)  # as synthesis draws


def test_renders_some_times_of_a_long_window(student_file, batch):
    """What is rendered at a time is what the whole window's motion says there, beside the target of that time."""
    phase = make(student_file, {"model": {"dropout": 0.0}})
    times = torch.tensor([[1], [0]])
    whole = phase.generate(batch)[0]
    few, shape, _ = phase.generate(
        replace(batch, rendered_BR=times, target_BRCHW=batch.target_BRCHW[[0, 1], [1, 0]][:, None])
    )
    assert few.shape == (2, 1, 3, 32, 32)
    assert torch.equal(shape, phase.motion(batch)[2])  # L_shape is of all times
    for b in range(2):
        torch.testing.assert_close(few[b, 0], whole[b, times[b, 0]], atol=1e-3, rtol=0)


def test_overfits_one_batch(student_file, batch):
    phase = make(student_file, {"model": {"dropout": 0.0}, "ant": {"lr": 4e-3}})

    def distance():
        with torch.no_grad():
            return (phase.generate(batch)[0] - batch.target_BRCHW).abs().mean().item()

    start, first = distance(), phase.step(batch, 0)
    for i in range(1, 90):
        last = phase.step(batch, i)
    assert last["lip"] < 0.5 * first["lip"]
    assert last["per"] < 0.5 * first["per"]
    assert distance() < 0.75 * start  # no term is on pixels


def test_warm_up_teaches_the_motion_alone(student_file, batch):
    """L_shape falls although nothing is rendered: G and D stay as they were."""
    phase = make(student_file, {"model": {"dropout": 0.0}, "ant": {"lr_warmup": 6e-3}})
    before = {name: weights(module) for name, module in phase.modules.items()}
    start = phase.motion(batch)[2].item()
    phase.warm_up(lambda number: batch, 40, None, 100)
    assert phase.motion(batch)[2].item() < 0.3 * start
    for name in ("generator", "style_motion"):
        module = getattr(phase.ant, name)
        assert all(torch.equal(v, before["ant"][f"{name}.{key}"]) for key, v in module.state_dict().items())
    assert all(torch.equal(v, before["critic"][key]) for key, v in phase.critic.state_dict().items())
    assert not torch.equal(phase.ant.audio_encoder.project.weight, before["ant"]["audio_encoder.project.weight"])


def test_shape_is_in_px_of_a_face(student_file, batch):
    """A motion that implies the true landmarks loses nothing; one that implies none loses their true deviation."""
    phase = make(student_file)
    phase.ant.shape = lambda motion, e: batch.shape_BTP2
    assert phase.motion(batch)[2].item() == 0
    phase.ant.shape = lambda motion, e: torch.zeros_like(batch.shape_BTP2)
    distance = 50 * batch.shape_BTP2.norm(dim=-1)
    expected = (distance.mean() + distance[..., 48:].mean()).item()
    assert phase.motion(batch)[2].item() == pytest.approx(expected, rel=1e-5)
    assert 1 < expected < 30


def test_validation_changes_nothing(student_file, batch):
    phase = make(student_file)
    before = weights(phase.ant)
    values = phase.validate([batch, batch])
    assert values == phase.validate([batch])  # no dropout
    assert set(values) == {"lip", "per", "mouth", "shape"}
    assert phase.ant.training
    assert all(torch.equal(value, before[key]) for key, value in weights(phase.ant).items())
    assert phase.validate([]) == {}


@pytest.mark.parametrize("field", ["target_BRCHW", "content_mel_BTMW"])
def test_a_loss_that_is_not_finite_stops_at_once(student_file, batch, field):
    phase = make(student_file)
    before = weights(phase.ant)
    broken = getattr(batch, field).clone()
    broken[0, 0] = math.nan
    with pytest.raises(StageError, match=r"step 41: loss not finite: .*lip = nan") as error:
        phase.step(replace(batch, **{field: broken}), 41)
    assert all(clip_id in str(error.value) for clip_id in batch.clip_ids)
    assert all(torch.equal(value, before[key]) for key, value in weights(phase.ant).items())


def train(tiny_data, student_file, folder, overrides=SHORT, seed=0, checkpoints=None):
    model = folder / "model.safetensors"
    config = sections("train-ant", overrides)
    train_ant(
        config,
        seed,
        tiny_data,
        student_file,
        model,
        folder / "h.parquet",
        checkpoints or folder / "checkpoints",
        no_log,
    )
    return load_file(model), read_table(folder / "h.parquet", "history")


@pytest.fixture(scope="module")
def whole(tiny_data, student_file, tmp_path_factory):
    """An uninterrupted run, and its folder."""
    folder = tmp_path_factory.mktemp("whole")
    return *train(tiny_data, student_file, folder), folder


def test_record_of_the_run(whole):
    _, history, _ = whole
    assert history.step.max() == 15
    assert history.epoch.max() == 2
    assert set(history.term[history.part == "train"]) == {"total", *ANT_TERMS, "discriminator"}
    assert set(history.term[history.part == "validation"]) == {"lip", "per", "mouth", "shape", "motion"}
    assert sorted(history.step[history.part == "validation"].unique()) == [5, 10, 15]


def test_resumed_equals_uninterrupted(tiny_data, student_file, tmp_path, whole, monkeypatch, capsys):
    """Weights and history, bit for bit, although dropout draws random numbers."""
    original = AntPhase.step

    def failing(self, batch, number):
        if number == 12:
            raise KeyboardInterrupt
        return original(self, batch, number)

    monkeypatch.setattr(AntPhase, "step", failing)
    with pytest.raises(KeyboardInterrupt):
        train(tiny_data, student_file, tmp_path)
    assert not (tmp_path / "model.safetensors").exists()
    monkeypatch.setattr(AntPhase, "step", original)
    tensors, history = train(tiny_data, student_file, tmp_path)
    assert "continuing after step 10 of 15" in capsys.readouterr().out
    assert tensors.keys() == whole[0].keys()
    assert all(torch.equal(value, whole[0][key]) for key, value in tensors.items())
    assert history.equals(whole[1])


def test_an_epoch_has_as_many_samples_as_training_clips(whole, store):
    clips = store.ids("train")
    assert len([clip for clip in clips if store.rows(clip)["emotion"] == "neutral"]) < len(clips) == 10
    assert whole[1].groupby("epoch")["step"].max().tolist() == [5, 10, 15]  # three epochs of ten samples, two a step


def test_another_configuration_neither_resumes_nor_overwrites(tiny_data, student_file, tmp_path, whole, capsys):
    folder = whole[2] / "checkpoints"
    kept = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert len(kept) == 1
    other = {"ant": SHORT["ant"] | {"epochs": 1, "lr": 1e-4}}
    train(tiny_data, student_file, tmp_path, other, checkpoints=folder)
    assert "continuing" not in capsys.readouterr().out
    assert len(list(folder.iterdir())) == 2
    assert all((folder / name).read_bytes() == data for name, data in kept.items())


def test_another_seed_gives_another_model(tiny_data, student_file, tmp_path, whole, capsys):
    tensors, history = train(tiny_data, student_file, tmp_path, seed=1, checkpoints=whole[2] / "checkpoints")
    assert "continuing" not in capsys.readouterr().out
    assert not torch.equal(tensors["ant.generator.to_rgb.weight"], whole[0]["ant.generator.to_rgb.weight"])
    assert not history.equals(whole[1])


def test_code_is_part_of_a_checkpoints_identity(tiny_data, student_file, tmp_path, whole, monkeypatch, capsys):
    """After a change of the code a finished run's weights are not passed off as the new code's."""
    monkeypatch.setattr("eap.training.ant.code_digest", lambda module: "other code")
    train(
        tiny_data, student_file, tmp_path, {"ant": SHORT["ant"] | {"epochs": 1}}, checkpoints=whole[2] / "checkpoints"
    )
    assert "continuing" not in capsys.readouterr().out


def test_w_e_is_still_zero(ant_file):
    assert not load_file(ant_file)["ant.style_emotion.weight"].any()


def test_a_run_may_start_from_another_ant(tiny_data, student_file, ant_file, tmp_path):
    """With a rate of nearly 0 it also ends there; the record names the file by its digest."""
    none = {"epochs": 1, "warmup_steps": 0, "lr": 1e-12, "lr_motion": 1e-12, "lr_discriminator": 1e-12}
    tensors, _ = train(tiny_data, student_file, tmp_path, {"ant": SHORT["ant"] | none | {"start_from": str(ant_file)}})
    given = load_file(ant_file)
    learnt = [key for key in given if "weight_u" not in key and not key.startswith("critic.layers") and "_v" not in key]
    for key in learnt:
        torch.testing.assert_close(tensors[key], given[key], atol=1e-6, rtol=0)
    record, first = (read_record(path, "train-ant") for path in (tmp_path / "model.safetensors", ant_file))
    assert record["start_from"] == file_sha256(ant_file)
    assert record["started_on"] == first["datasets"] == record["datasets"]
    assert [(own["name"], own["n_clips"]) for own in first["datasets"]] == [("drawn", len(SPLIT_OF))]


@pytest.mark.parametrize(
    ("start_from", "overrides", "said"),
    [
        ("absent.safetensors", {}, r"ant\.start_from: absent\.safetensors is not a file; train it first"),
        (None, {"audio": {"content_context": 1}}, r"was trained with audio = "),
        (None, {"model": {"heads": 1}}, r"was trained with model = "),
    ],
)
def test_a_start_that_does_not_fit_is_refused(tiny_data, student_file, ant_file, tmp_path, start_from, overrides, said):
    ant = SHORT["ant"] | {"start_from": start_from or str(ant_file)}
    with pytest.raises(StageError, match=said):
        train(tiny_data, student_file, tmp_path, {"ant": ant, **overrides})


def test_augmented_voices_are_trained_on_but_not_validated_on(tiny_data, student_file, tmp_path, monkeypatch):
    calls = []

    def watched(batch, section, max_abs, rng):
        calls.append((batch.clip_ids, rng.random()))
        return batch

    monkeypatch.setattr("eap.training.ant.augment_voice", watched)
    train(tiny_data, student_file, tmp_path, {"ant": SHORT["ant"] | {"epochs": 1, "mel_noise": 0.1}})
    held_out = {clip_id for clip_id, split in SPLIT_OF.items() if split == "validation"}
    assert len(calls) >= 5
    assert len({chance for _, chance in calls}) >= 5  # another draw at each step
    assert not held_out.intersection(clip_id for ids, _ in calls for clip_id in ids)
