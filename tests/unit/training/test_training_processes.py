"""Killed runs and runs of several processes, as processes: both must train what one undisturbed run trains."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from unittest import mock

import pytest
import torch
from safetensors.torch import load_file
from tiny_data import stage_sections, tiny_config
from torch import nn

from eap.schemas import read_table
from eap.stage import StageError
from eap.training import processes

SCRIPT = Path(__file__).with_name("forked_runs.py")
SHORT = {
    "student": {"steps": 20, "batch_size": 4},
    "sync": {"steps": 20},
    "judge": {"steps": 20},
    "ant": {
        "batch_size": 2,
        "frames": 3,
        "rendered_frames": 2,
        "epochs": 2,
        "warmup_steps": 5,
        "warmup_batch_size": 4,
        "lr_warmup": 1e-4,
        "lr": 1e-4,
        "lr_motion": 1e-4,
        "checkpoint_every": 3,
    },
    "era": {
        "batch_size": 4,
        "frames": 3,
        "rendered_frames": 2,
        "epochs": 2,
        "warmup_steps": 5,
        "warmup_batch_size": 2,
        "lr_warmup": 1e-4,
        "checkpoint_every": 3,
    },
    "loss": {"concord": 10},  # pools the rows of all processes
    "engine": {"ema_decay": 0.9},
}
KILLS = {
    # 2 steps between checkpoints; a "replace" is a checkpoint that is written and about to take its name
    "train-student": ["update:1", "update:6", "replace:2"],
    "train-sync": ["replace:1", "update:5"],
    "train-judge": ["update:5"],
    # warm-up of 5 steps (one update each), then 10 steps of two updates; checkpoints every 3 steps
    "train-ant": ["update:2", "replace:2", "replace:1", "update:11", "random:1"],
    # warm-up of 5 steps (one update each), then 6 steps of six updates; checkpoints every 3 steps
    "train-era": ["update:4", "replace:2", "update:25", "replace:1"],
}
patch = partial(mock.patch.object, processes)
TOGETHER = ("train-ant", "train-era")


@pytest.fixture(scope="module")
def runs(tiny_data, student_file, ant_file, tmp_path_factory):
    """Every stage undisturbed, killed, and (ANT, ERA) in two processes: folder and log, and what each kill met."""
    root = tmp_path_factory.mktemp("runs")
    inputs = {"train-ant": {"student": student_file}, "train-era": {"student": student_file, "ant": ant_file}}

    def job(name, stage, kills=(), count=1, double=False):
        folder = root / name
        files = {"data": tiny_data.root, "model": folder / "m.safetensors", "history": folder / "h.parquet"}
        files |= {"checkpoints": folder / "c", **inputs.get(stage, {})}
        if name.endswith("noise"):
            files = {"losses": root / f"{name} {count}.json"}
        wide = {"ant": SHORT["ant"] | {"batch_size": 4}} if "losses" in files else {}
        config = stage_sections(tiny_config(SHORT | wide), stage)
        files = {key: str(path) for key, path in files.items()}
        return {
            "stage": stage,
            "config": config,
            "files": files,
            "kills": list(kills),
            "processes": count,
            "double": double,
        }

    jobs = {f"{stage} whole": job(f"{stage} whole", stage) for stage in KILLS}
    jobs |= {f"{stage} killed": job(f"{stage} killed", stage, kills) for stage, kills in KILLS.items()}
    for how, count in (("alone", 1), ("together", 2)):
        jobs |= {f"{stage} {how}": job(f"{stage} {how}", stage, count=count, double=True) for stage in TOGETHER}
    jobs |= {f"{stage} {n}": job(f"{stage} noise", stage, count=n) for stage in TOGETHER for n in (1, 2, 4)}
    done = subprocess.run([sys.executable, SCRIPT, json.dumps(jobs)], capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stdout + done.stderr
    *log, died = done.stdout.splitlines()
    return root, log, json.loads(died)


@pytest.mark.parametrize("stage", KILLS)
def test_killed_at_any_moment(runs, stage):
    """Weights, history and their records are the undisturbed run's, bit for bit."""
    root, _, died = runs
    met = zip(died[f"{stage} killed"], KILLS[stage], strict=True)
    assert all(hit for hit, kill in met if not kill.startswith("random"))
    for name in ("m.safetensors", "h.parquet"):
        assert (root / f"{stage} killed" / name).read_bytes() == (root / f"{stage} whole" / name).read_bytes(), name
    (checkpoint,) = (root / f"{stage} killed" / "c").iterdir()  # no torn file, no leftover of the warm-up
    assert checkpoint.suffix == ".pt"


def test_killed_runs_did_continue(runs):
    log = "\n".join(runs[1])
    for name in ("student", "sync", "warm-up", "ant seed 0", "era seed 0"):
        assert f"{name}: continuing after step" in log, log


@pytest.mark.parametrize("count", [2, 4])
@pytest.mark.parametrize("stage", TOGETHER)
def test_processes_have_the_losses_of_one(runs, stage, count):
    """Every loss after a warm-up and the weights then, although dropout, D's frames and e = 0 are drawn at random."""
    one, several = (json.loads((runs[0] / f"{stage} noise {n}.json").read_text()) for n in (1, count))
    for alone, shared in zip(one["losses"], several["losses"], strict=True):
        assert shared == pytest.approx(alone, rel=1e-9)
    assert several["weights"] == pytest.approx(one["weights"], rel=1e-9)


@pytest.mark.parametrize("stage", TOGETHER)
def test_two_processes_train_what_one_trains(runs, stage):
    """A whole run, in double precision: in single precision Adam's first steps amplify rounding to a percent."""
    one, two = (read_table(runs[0] / f"{stage} {how}" / "h.parquet", "history") for how in ("alone", "together"))
    assert one[["step", "part", "term"]].equals(two[["step", "part", "term"]])
    losses = [table[table.part != "alarm"].value.tolist() for table in (one, two)]
    assert losses[1] == pytest.approx(losses[0], rel=1e-6)
    alone, shared = (load_file(runs[0] / f"{stage} {how}" / "m.safetensors") for how in ("alone", "together"))
    assert alone.keys() == shared.keys()
    for name, weights in alone.items():
        torch.testing.assert_close(shared[name], weights, rtol=1e-6, atol=1e-7)


def test_noise_is_drawn_for_the_whole_batch():
    """Of four processes each gets its own rows of what one process draws, and their generators stay in step."""
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(8, 2, 16, 0.5, batch_first=True, norm_first=True)
    x = torch.randn(4, 5, 8)
    torch.manual_seed(1)
    whole, after = layer(x), torch.rand(1)
    for rank in range(4):
        with patch("count", return_value=4), patch("rank", return_value=rank):
            torch.manual_seed(1)
            with processes.Rowwise():
                own = layer(x[processes.share(4, "batch_size")])
            # One dropped number too many would be far off; how few rows are multiplied is a matter of rounding.
            torch.testing.assert_close(own, whole[rank : rank + 1], atol=1e-5, rtol=0)
            assert torch.equal(torch.rand(1), after)


def test_a_batch_that_cannot_be_shared_is_refused():
    with patch("count", return_value=3), pytest.raises(
        StageError, match=r"ant\.batch_size \(4\) must be a multiple of the number of processes \(3\)"
    ):  # fmt: skip
        processes.share(4, "ant.batch_size")


@pytest.mark.parametrize("processes_env", ["1", "2"])
def test_a_gpu_that_is_not_there_is_refused(monkeypatch, processes_env):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setitem(os.environ, "WORLD_SIZE", processes_env)
    for refused in (lambda: processes.require_one("train-sync", "cuda"), lambda: processes.joined("cuda").__enter__()):
        with pytest.raises(StageError, match="torch sees no GPU; run where one is, or set"):
            refused()


def test_stages_of_one_process_refuse_torchrun(monkeypatch):
    processes.require_one("train-sync", "cpu")
    monkeypatch.setitem(os.environ, "WORLD_SIZE", "2")
    with pytest.raises(StageError, match="train-sync runs in one process"):
        processes.require_one("train-sync", "cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setitem(os.environ, "LOCAL_RANK", "1")
    with pytest.raises(StageError, match=r"process 1 has no GPU \(1 found\)"), processes.joined("cuda"):
        pass
