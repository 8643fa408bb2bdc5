"""Model files and checkpoints."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest
import torch
from tiny_data import tiny_config
from torch import nn

from eap.stage import StageError
from eap.training.build import build_ant
from eap.training.checkpoint import Checkpoint, load_model, read_record, require_same, save_model


def test_model_file_round_trip(tmp_path):
    torch.manual_seed(0)
    saved = {"a": nn.Linear(3, 2), "ab": nn.BatchNorm1d(2)}
    saved["ab"].running_mean += 5
    save_model(tmp_path / "m.safetensors", saved, {"stage": "test", "seed": 3})
    loaded = {"a": nn.Linear(3, 2), "ab": nn.BatchNorm1d(2)}
    load_model(tmp_path / "m.safetensors", loaded)
    for name, module in saved.items():
        for key, value in module.state_dict().items():
            assert torch.equal(loaded[name].state_dict()[key], value)
    record = read_record(tmp_path / "m.safetensors", "test")
    assert (record["stage"], record["seed"]) == ("test", 3)
    assert record["git_sha"]
    with pytest.raises(
        StageError, match=r"m\.safetensors: expected a model of stage train-ant, found one of stage test"
    ):
        read_record(tmp_path / "m.safetensors", "train-ant")


def test_a_model_file_is_as_readable_as_other_files(tmp_path):
    save_model(tmp_path / "m.safetensors", {"net": nn.Linear(2, 2)}, {})
    (tmp_path / "other").touch()
    assert (tmp_path / "m.safetensors").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_values_that_no_shape_shows_are_compared(tmp_path):
    trained = tiny_config()
    record = {"config": trained.model_dump(mode="json")}
    require_same(tmp_path, record, trained, "audio", "model")
    other = tiny_config({"model": {"warp": "none"}})
    require_same(tmp_path, record, other, "audio")
    with pytest.raises(StageError, match=r"was trained with model = .*'warp': 'landmarks'.*now says .*'warp': 'none'"):
        require_same(tmp_path, record, other, "audio", "model")


@pytest.mark.parametrize("change", [{"d_model": 16}, {"layers": 2}, {"max_skip_px": 4, "image_size": 64}])
def test_another_architecture_is_named(tmp_path, change):
    if "max_skip_px" in change:
        change = {"max_skip_px": 64}
    save_model(tmp_path / "m.safetensors", {"ant": build_ant(tiny_config())}, {})
    other = build_ant(tiny_config({"model": change}))
    with pytest.raises(
        StageError, match=r"m\.safetensors: its ant does not fit.*another `model` section.*Train it again"
    ):
        load_model(tmp_path / "m.safetensors", {"ant": other})


def test_an_absent_network_is_named(tmp_path):
    save_model(tmp_path / "m.safetensors", {"ant": nn.Linear(2, 2)}, {})
    with pytest.raises(StageError, match="its critic does not fit"):
        load_model(tmp_path / "m.safetensors", {"critic": nn.Linear(2, 2)})


def make(folder, identity):
    torch.manual_seed(1)
    module = nn.Linear(2, 2)
    optimizer = torch.optim.Adam(module.parameters(), 0.1)
    return module, optimizer, Checkpoint(folder, identity, {"m": module}, {"o": optimizer})


def take_step(module, optimizer):
    optimizer.zero_grad()
    (module(torch.rand(4, 2)) ** 2).sum().backward()
    optimizer.step()


def test_checkpoint_restores_weights_optimizer_and_random_numbers(tmp_path):
    module, optimizer, checkpoint = make(tmp_path, {"lr": 1})
    take_step(module, optimizer)
    checkpoint.save(1, [[1, 0, "train", "loss", 0.5]])
    take_step(module, optimizer)
    expected = module.weight.detach().clone()
    again, its_optimizer, other = make(tmp_path, {"lr": 1})
    torch.manual_seed(99)
    assert other.resume() == (1, [[1, 0, "train", "loss", 0.5]])
    take_step(again, its_optimizer)
    assert torch.equal(again.weight, expected)


def test_nothing_to_resume(tmp_path):
    module, _, checkpoint = make(tmp_path, "x")
    before = module.weight.detach().clone()
    assert checkpoint.resume() == (0, [])
    assert torch.equal(module.weight, before)


def test_another_run_neither_continues_nor_overwrites(tmp_path):
    _, _, first = make(tmp_path, {"lr": 1, "seed": 0})
    first.save(7, [])
    kept = first.path.read_bytes()
    _, _, second = make(tmp_path, {"lr": 2, "seed": 0})
    assert second.resume() == (0, [])
    second.save(9, [])
    assert first.path.read_bytes() == kept
    assert len(list(tmp_path.iterdir())) == 2


def test_what_else_has_a_state_is_kept_too(tmp_path):
    """A schedule, and Python's and NumPy's random numbers."""
    module, optimizer, _ = make(tmp_path, "x")
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, 10)
    checkpoint = Checkpoint(tmp_path, "x", {"m": module}, {"o": optimizer}, {"schedule": schedule})
    for _ in range(3):
        take_step(module, optimizer)
        schedule.step()
    checkpoint.save(3, [])
    expected = random.random(), np.random.rand(), schedule.get_last_lr()
    again, its_optimizer, _ = make(tmp_path, "x")
    fresh = torch.optim.lr_scheduler.OneCycleLR(its_optimizer, 0.1, 10)
    assert fresh.get_last_lr() != expected[2]
    Checkpoint(tmp_path, "x", {"m": again}, {"o": its_optimizer}, {"schedule": fresh}).resume()
    assert (random.random(), np.random.rand(), fresh.get_last_lr()) == expected


def test_a_checkpoint_says_what_made_it(tmp_path):
    _, _, checkpoint = make(tmp_path, {"seed": 3, "config": {"lr": 0.1}, "data": ["abc"]})
    checkpoint.save(2, [])
    state = torch.load(checkpoint.path, weights_only=True)
    record = json.loads(state["record"])
    assert record["run"] == {"seed": 3, "config": {"lr": 0.1}, "data": ["abc"]}
    assert record["git_sha"]
    assert state["step"] == 2


def test_weights_that_are_not_finite_are_not_kept(tmp_path):
    module, _, checkpoint = make(tmp_path, "x")
    checkpoint.save(10, [])
    kept = checkpoint.path.read_bytes()
    with torch.no_grad():
        module.bias[1] = torch.nan
    with pytest.raises(StageError, match=r"step 20: weights not finite: m\.bias .*the checkpoint before stays"):
        checkpoint.save(20, [])
    assert checkpoint.path.read_bytes() == kept
    assert len(list(tmp_path.iterdir())) == 1


def test_files_torn_by_a_kill_are_removed_and_those_of_others_stay(tmp_path):
    _, _, checkpoint = make(tmp_path, "x")
    torn, other = tmp_path / f".{checkpoint.path.stem}.0f0f.pt", tmp_path / ".0123456789ab.0f0f.pt"
    for path in (torn, other):
        path.write_bytes(b"PK")
    assert checkpoint.resume() == (0, [])
    assert not torn.exists()
    assert other.exists()


def test_what_comes_before_a_run_is_kept_until_its_own_first_checkpoint(tmp_path):
    module, optimizer, checkpoint = make(tmp_path, "x")
    before = checkpoint.part("warm-up", {"o": optimizer}, {})
    take_step(module, optimizer)
    before.save(5, [])
    assert not checkpoint.path.exists()
    again, its_optimizer, other = make(tmp_path, "x")
    assert other.resume() == (0, [])
    assert other.part("warm-up", {"o": its_optimizer}, {}).resume() == (5, [])
    assert torch.equal(again.weight, module.weight)
    checkpoint.save(1, [])
    assert list(tmp_path.iterdir()) == [checkpoint.path]


class Malicious:
    """Unpickled, it would create a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.mark.parametrize("kind", ["code", "text", "cut off"])
def test_a_checkpoint_that_is_none_is_refused_and_runs_nothing(tmp_path, kind):
    checkpoint = Checkpoint(tmp_path, "run", {"net": nn.Linear(2, 2)}, {})
    checkpoint.save(3, [])
    whole = checkpoint.path.read_bytes()
    if kind == "code":
        torch.save({"step": 3, "history": Malicious(tmp_path / "pwned")}, checkpoint.path)
    else:
        checkpoint.path.write_bytes(b"not a checkpoint" if kind == "text" else whole[: len(whole) // 2])
    with pytest.raises(StageError, match=r"not a checkpoint of this program.*remove it, then training starts anew"):
        checkpoint.resume()
    assert not (tmp_path / "pwned").exists()


def test_a_model_that_is_a_pickle_is_refused_and_runs_nothing(tmp_path):
    torch.save({"net.weight": Malicious(tmp_path / "pwned")}, tmp_path / "m.safetensors")
    with pytest.raises(StageError, match=r"m\.safetensors: not a model file"):
        load_model(tmp_path / "m.safetensors", {"net": nn.Linear(2, 2)})
    with pytest.raises(StageError, match=r"m\.safetensors: not a model file"):
        read_record(tmp_path / "m.safetensors", "test")
    assert not (tmp_path / "pwned").exists()
