"""What tracking costs a training, with MLflow's server up and with the server down."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import requests

from eap.config import Config
from eap.data.clip_store import ClipStore
from eap.data.layout import PreparedData
from eap.data.windows import WindowSampler
from eap.seeding import seed_everything
from eap.stage import Log, StageError, no_log
from eap.tracking.pending import unsent
from eap.tracking.run_log import RunLog
from eap.training.ant import AntPhase
from eap.training.bench import random_judges

START_S = 180
HEADER = {"run": "0" * 32, "experiment": "bench", "parent": "base", "name": "bench", "tags": {}, "params": {}}


@dataclass
class Kind:
    """One way to train: the log and the processes that work beside it, which are stopped while another is measured."""

    log: Log
    beside: tuple[int, ...]


def measure(config: Config, data: PreparedData, folder: Path, pairs: int, seconds: float) -> dict[str, Any]:
    """Rounds of ANT's step on one batch, without tracking, with it, and with it while no server answers, in turn.

    Every step is logged, ten times as often as `eap.training.engine` does. The delivery, which in a workflow is one
    process for all jobs, and the server run beside the tracked rounds on the same cores; outside these they are
    stopped, so that what they cost shows.

    Returns
    -------
    dict
        ``overhead_fraction`` and ``overhead_fraction_server_down``: median over the pairs of tracked over untracked
        seconds per step, less 1; with ``_cpu`` the same of the training's own CPU seconds, which a busy machine does
        not disturb.
    """
    seed_everything(config.seeds[0], config.compute.threads)
    step = _step(config, data)
    with (
        _server(folder / "server") as (server, uri),
        _delivery(folder / "up", uri) as up,
        _delivery(folder / "down", f"http://127.0.0.1:{_free_port()}") as down,
    ):
        run, unheard = (RunLog(folder / name, "bench", {**HEADER, "start_ms": 0}) for name in ("up", "down"))
        kinds = {
            "untracked": Kind(no_log, ()),
            "up": Kind(run.log, (server, up)),
            "down": Kind(unheard.log, (down,)),
        }
        time.sleep(5)  # the deliveries have imported MLflow, as a workflow's has done before its first training
        steps, number = _steps(step, seconds), 0
        rounds: list[dict[str, tuple[float, float]]] = []
        for pair in range(pairs):
            order = [*kinds][pair % 3 :] + [*kinds][: pair % 3]
            rounds.append({})
            for name in order:
                rounds[-1][name] = _round(step, kinds, name, steps, number)
                number += steps
        _let_run(kinds, "up")
        run.end("FINISHED")
        arrived = _arrived(folder / "up", uri)
        _let_run(kinds, None)

    def overhead(name: str, part: int) -> float:
        return round(median(row[name][part] / row["untracked"][part] for row in rounds) - 1, 5)

    return {
        "overhead_fraction": overhead("up", 0),
        "overhead_fraction_server_down": overhead("down", 0),
        "overhead_fraction_cpu": overhead("up", 1),
        "overhead_fraction_server_down_cpu": overhead("down", 1),
        "step_s": round(median(row["untracked"][0] for row in rounds) / steps, 5),
        "pairs": pairs, "steps_per_round": steps, "metrics_per_step": len(step(0)), "all_arrived": arrived,
        "preset": config.preset, "threads": config.compute.threads, "cores": len(os.sched_getaffinity(0)),
    }  # fmt: skip


def _step(config: Config, data: PreparedData) -> Any:
    section = config.ant
    sampler = WindowSampler(
        ClipStore(data, config.model.image_size), "train", config.emotions, section.frames, config.audio,
        section.p_emotional_source, section.neutralization, section.rendered_frames, config.critics.real == "any",
    )  # fmt: skip
    if not sampler.ids:
        raise StageError(f"{data.root}: holds no training clip")
    phase = AntPhase(config, random_judges(config))
    batch = sampler.neutral_batch(0, 0, section.batch_size).to(config.compute.device)
    return lambda number: phase.updates.step(phase.step, batch, number)


def _steps(step: Any, seconds: float) -> int:
    for number in range(3):
        step(number)
    began = time.monotonic()
    for number in range(3):
        step(number)
    return max(round(seconds / ((time.monotonic() - began) / 3)), 1)


def _round(step: Any, kinds: dict[str, Kind], name: str, steps: int, first: int) -> tuple[float, float]:
    _let_run(kinds, name)
    log = kinds[name].log
    began, cpu = time.monotonic(), time.process_time()
    for number in range(first, first + steps):
        log(step(number), number)
    return time.monotonic() - began, time.process_time() - cpu


def _let_run(kinds: dict[str, Kind], name: str | None) -> None:
    """Stop the processes of all kinds but one; all of them go on if `name` is None."""
    for other, kind in kinds.items():
        for process in kind.beside:
            os.killpg(process, signal.SIGCONT if name in (other, None) else signal.SIGSTOP)


def _arrived(folder: Path, uri: str) -> bool:
    until = time.monotonic() + 120
    while unsent(folder, uri) and time.monotonic() < until:
        time.sleep(0.2)
    return not unsent(folder, uri)


@contextmanager
def _process(*arguments: str) -> Iterator[int]:
    """`eap ...` in a process group of its own, which ends with the block."""
    command = [sys.executable, "-m", "eap", *arguments]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True) as process:
        try:
            yield process.pid
        finally:
            os.killpg(process.pid, signal.SIGCONT)
            os.killpg(process.pid, signal.SIGKILL)


def _delivery(folder: Path, uri: str) -> Any:
    return _process("--tracking", uri, "--log", str(folder), "track", "deliver", "--follow", str(os.getpid()))


@contextmanager
def _server(folder: Path) -> Iterator[tuple[int, str]]:
    port = _free_port()
    uri = f"http://127.0.0.1:{port}"
    with _process("track", "serve", "--folder", str(folder), "--port", str(port)) as process:
        until = time.monotonic() + START_S
        while True:
            try:
                if requests.get(f"{uri}/health", timeout=5).ok:
                    break
            except requests.RequestException:
                pass
            if time.monotonic() > until:
                raise StageError(f"MLflow's server did not start within {START_S} s; try `eap track serve`")
            time.sleep(0.2)
        yield process, uri


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
