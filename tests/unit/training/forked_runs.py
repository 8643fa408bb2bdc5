"""Trains in forked processes that are killed, or that train together; run as a script by the tests.

``python forked_runs.py JOBS`` with JSON ``{name: job}``; a job has the ``stage``, its ``config`` (sections), ``files``
(keyword arguments of the stage's function; ``losses`` alone: a few steps on noise instead), ``kills`` and
``processes``; with ``double`` it trains in double precision. Prints, by name, whether each kill met its run. One script
runs all jobs, since importing torch takes longer than they do, and it never trains itself, since autograd does not
survive a fork.
"""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import torch

from eap.config import load_stage
from eap.data.batch import Batch
from eap.data.layout import PreparedData
from eap.seeding import seed_everything
from eap.stage import no_log
from eap.training import processes
from eap.training.ant import AntPhase, train_ant
from eap.training.bench import random_batch
from eap.training.build import build_student
from eap.training.era import EraPhase, train_era
from eap.training.face_judge import train_judge
from eap.training.landmark_student import train_student
from eap.training.reconstruction import build_reconstruction
from eap.training.sync_expert import train_sync

TRAIN = {
    "train-ant": train_ant, "train-era": train_era, "train-student": train_student, "train-sync": train_sync,
    "train-judge": train_judge,
}  # fmt: skip


PHASES = {"train-ant": AntPhase, "train-era": EraPhase}
STEPS = 3


def run(job: dict[str, Any]) -> None:
    (steps_on_noise if "losses" in job["files"] else run_stage)(job)


def steps_on_noise(job: dict[str, Any]) -> None:
    """The losses of a phase's first steps, after a warm-up, in double precision, where a difference is no rounding."""
    torch.set_default_dtype(torch.float64)
    config = load_stage(job["stage"], job["config"])
    section = config.ant if job["stage"] == "train-ant" else config.era
    with processes.joined("cpu"):
        seed_everything(0, 1)
        student = build_student(8, config.model.image_size).requires_grad_(False).eval()
        student.head[-1].weight *= 500  # untrained, it hardly moves its points
        phase = PHASES[job["stage"]](config, build_reconstruction(config, student))
        mine = processes.share(section.batch_size, "batch_size")
        batch = random_batch(config, section.batch_size, section.frames).rows(mine)
        phase.warm_up(lambda number: batch, STEPS, None, STEPS)
        losses = [phase.updates.step(phase.step, batch, number) for number in range(STEPS)]
        sums = {name: sum(p.abs().sum().item() for p in module.parameters()) for name, module in phase.modules.items()}
        if processes.leads():
            Path(job["files"]["losses"]).write_text(json.dumps({"losses": losses, "weights": sums}))


def in_double_precision() -> None:
    """For this process: networks and batches, so that two runs differ by more than rounding or not at all."""
    torch.set_default_dtype(torch.float64)
    original = Batch.to

    def to(batch: Batch, device: str | torch.device) -> Batch:
        moved = original(batch, device)
        values = {field.name: getattr(moved, field.name) for field in fields(moved)}
        floats = {k: v.double() for k, v in values.items() if isinstance(v, torch.Tensor) and v.is_floating_point()}
        return replace(moved, **floats)

    Batch.to = to


def run_stage(job: dict[str, Any]) -> None:
    if job["double"]:
        in_double_precision()
    files = {name: Path(path) for name, path in job["files"].items()}
    files["data"] = PreparedData(files["data"])
    seed = {"seed": 0} if job["stage"] in ("train-ant", "train-era") else {}
    TRAIN[job["stage"]](load_stage(job["stage"], job["config"]), **files, **seed, log=no_log)


def kill_at(owner: Any, name: str, call: int) -> None:
    """SIGKILL to this process when it makes the n-th call of a function."""
    original, calls = getattr(owner, name), [0]

    def counted(*args: Any, **kwargs: Any) -> Any:
        calls[0] += 1
        if calls[0] == call:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*args, **kwargs)

    setattr(owner, name, counted)


def forked(work: Callable[[], None]) -> int:
    pid = os.fork()
    if pid == 0:
        try:
            work()
        except BaseException as error:
            print(repr(error), file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    return pid


def killed_run(job: dict[str, Any], kill: str) -> bool:
    """One attempt, killed at the n-th update, or as the n-th file is about to take its place, or at any time."""
    what, _, number = kill.partition(":")

    def work() -> None:
        if what == "update":
            kill_at(torch.optim.Adam, "step", int(number))
        elif what == "replace":
            kill_at(os, "replace", int(number))
        run(job)

    pid = forked(work)
    if what == "random":
        time.sleep(random.Random(number).uniform(0.2, 2.0))
        os.kill(pid, signal.SIGKILL)  # a process that has just ended is not yet waited for: this cannot hit another
    status = os.waitpid(pid, 0)[1]
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


def run_together(job: dict[str, Any], processes: int) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    common = {"WORLD_SIZE": processes, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}

    def work(rank: int) -> Callable[[], None]:
        def as_rank() -> None:
            os.environ.update({key: str(value) for key, value in {**common, "RANK": rank, "LOCAL_RANK": rank}.items()})
            run(job)

        return as_rank

    pids = [forked(work(rank)) for rank in range(processes)]
    if any([os.waitpid(pid, 0)[1] for pid in pids]):
        sys.exit(f"{job['stage']} failed")


if __name__ == "__main__":
    died = {}
    for name, job in json.loads(sys.argv[1]).items():
        died[name] = [killed_run(job, kill) for kill in job["kills"]]
        run_together(job, job["processes"])
    print(json.dumps(died))
