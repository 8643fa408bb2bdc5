"""The training loop: steps, averages, validation, checkpoints, progress."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import OneCycleLR

from eap.data.batch import Batch
from eap.schemas import write_table
from eap.stage import Log, StageResult, no_log
from eap.training import processes
from eap.training.alarms import MEANING, judge, recent_values
from eap.training.checkpoint import Checkpoint, save_model
from eap.training.curves import draw_curves
from eap.training.held_out import EarlyStop
from eap.training.prefetch import Prefetcher
from eap.training.updates import Step, Updates

LOG_EVERY = 10
"""Steps over which logged terms are averaged."""
PROGRESS_S = 5.0
"""Least time between two lines of progress."""


def warm_up(
    step: Step,
    draw: Callable[[int], Any],
    steps: int,
    optimizer: Optimizer,
    updates: Updates,
    checkpoint: Checkpoint | None,
    every: int,
) -> None:
    """Steps before a run's own, outside its history; a killed run continues in them, too.

    Parameters
    ----------
    optimizer
        The warm-up's own, with its own betas (`optimizer.betas` are for the steps after it); in one cycle its rates
        rise to their initial values and fall, while beta1 falls from 0.95 to 0.85 and rises (CHOSEN).
    checkpoint
        The run's, of which this is a part.
    """
    peaks = [group["lr"] for group in optimizer.param_groups]
    schedule = OneCycleLR(optimizer, peaks, max(steps, 1))

    def taken(batch: Any, number: int) -> Mapping[str, float]:
        values = updates.step(step, batch, number)
        schedule.step()
        return values

    before = checkpoint and checkpoint.part(
        "warm-up", {"warm-up": optimizer}, {"schedule": schedule, "updates": updates}
    )
    run_steps(
        name="warm-up", steps=steps, steps_per_epoch=max(steps, 1), draw=draw, step=taken, validate=dict,
        checkpoint=before, checkpoint_every=every, log=no_log,
    )  # fmt: skip


class Progress:
    """The line that a person watches: at most one every few seconds, from one process."""

    def __init__(self, name: str, steps: int, first: int) -> None:
        self.name, self.steps, self.first = name, steps, first
        self._began = self._shown = time.monotonic()

    def show(self, done: int, values: Mapping[str, float], waited_s: float, always: bool) -> None:
        """Steps done, steps per second, time left, share of the time spent waiting for data, losses."""
        now = time.monotonic()
        if not processes.leads() or not (always or now - self._shown >= PROGRESS_S):
            return
        self._shown, passed = now, max(now - self._began, 1e-9)
        rate = (done - self.first) / passed
        left = timedelta(seconds=round((self.steps - done) / rate))
        terms = " ".join(f"{term}={value:.4g}" for term, value in values.items())
        print(
            f"{self.name}: step {done}/{self.steps}, {rate:.2f} steps/s, {left} left, "
            f"{waited_s / passed:.0%} waiting for data, {terms}",
            flush=True,
        )


def run_steps(
    *,
    name: str,
    steps: int,
    steps_per_epoch: int,
    draw: Callable[[int], Any],
    step: Callable[[Any, int], Mapping[str, float]],
    validate: Callable[[], Mapping[str, float]],
    checkpoint: Checkpoint | None,
    checkpoint_every: int,
    log: Log,
    early_stop: EarlyStop | None = None,
    critics: str = "non_saturating",
) -> list[list[Any]]:
    """Run ``step(draw(0), 0) ... step(draw(steps - 1), steps - 1)``, continuing from the checkpoint if there is one.

    Parameters
    ----------
    draw
        The batch of a step, a function of its number alone; called ahead, in a thread of its own.
    step
        One optimisation step; returns named losses.
    validate
        Named losses on held-out data ({} where there is none); runs at each checkpoint and at the end, and the alarms
        after it.
    early_stop
        May end the run at a validation.
    critics
        Form of the adversarial losses, whose chance the alarms know.

    Returns
    -------
    list
        Rows of the `history` table: step, epoch, part, term, value.
    """
    done, history = checkpoint.resume() if checkpoint else (0, [])
    if done and processes.leads():
        print(f"{name}: continuing after step {done} of {steps}", flush=True)
    window: list[Mapping[str, float]] = []
    progress, validated = Progress(name, steps, done), done
    with Prefetcher(draw, done, steps) as batches:
        while done < steps and not (early_stop and early_stop.stopped):
            window.append(step(batches.take(), done))
            done += 1
            at_checkpoint = done == steps or done % checkpoint_every == 0
            # A window of averages must not span a checkpoint, or the resumed history would differ.
            if done % LOG_EVERY == 0 or at_checkpoint:
                means = {term: sum(w[term] for w in window) / len(window) for term in window[0]}
                window = []
                _record(history, log, done, steps_per_epoch, "train", means)
                progress.show(done, means, batches.waited_s, at_checkpoint)
            if at_checkpoint:
                batches.settle()
                values = validate()
                _record(history, log, done, steps_per_epoch, "validation", values)
                _record(history, log, done, steps_per_epoch, "alarm", _alarms(name, done, history, validated, critics))
                validated = done
                if early_stop:
                    early_stop.see(values, done)
                if checkpoint:
                    checkpoint.save(done, history)
    if early_stop and early_stop.stopped and processes.leads():
        print(f"{name}: stopped at step {done}: held-out LMD was lowest at step {early_stop.best_step}", flush=True)
    return history


def _record(
    history: list[list[Any]], log: Log, step: int, steps_per_epoch: int, part: str, values: Mapping[str, float]
) -> None:
    history.extend([step, (step - 1) // steps_per_epoch, part, term, value] for term, value in values.items())
    if values:
        log({f"{part}/{term}": value for term, value in values.items()}, step)


def _alarms(name: str, step: int, history: list[list[Any]], since: int, critics: str) -> dict[str, float]:
    """The alarms as values of the history; those that are raised get a line in the log."""
    raised = judge(recent_values(history, since), critics)
    for alarm in (alarm for alarm, is_raised in raised.items() if is_raised and processes.leads()):
        print(f"{name}: ALARM at step {step}: nothing learnt? {alarm}: {MEANING[alarm]}", flush=True)
    return {alarm: float(is_raised) for alarm, is_raised in raised.items()}


def write_history(path: Path, history: Sequence[Sequence[Any]], sources: Sequence[Path], title: str) -> Path:
    """Write the rows of `run_steps`, and beside them their curves as a picture, whose path is returned."""
    rows = pd.DataFrame([list(row) for row in history], columns=["step", "epoch", "part", "term", "value"])
    write_table(path, "history", rows, sources)
    picture = path.with_name("losses.png")
    draw_curves(picture, history, title)
    return picture


def finish(
    model: Path,
    modules: Mapping[str, nn.Module],
    record: Mapping[str, Any],
    history: Path,
    rows: Sequence[Sequence[Any]],
    sources: Sequence[Path],
    title: str,
    metrics: Mapping[str, float] | None = None,
) -> StageResult:
    """Write a trained model and its history, from one process; the last value of each term is the summary."""
    last = {f"{part}_{term}": value for _, _, part, term, value in rows} | dict(metrics or {})
    if not processes.leads():
        return StageResult()
    save_model(model, modules, record)
    return StageResult(last, (history, write_history(history, rows, sources, title)))


@contextmanager
def frozen(*modules: nn.Module) -> Iterator[None]:
    """Inside, gradients flow through the modules but not into them."""
    parameters = [p for module in modules for p in module.parameters() if p.requires_grad]
    for parameter in parameters:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)


def sample_frames(frames_BTCHW: Tensor, mask_BT: Tensor) -> Tensor:
    """One valid frame of each clip at random, ``[B, C, H, W]`` (KNOWN: critics see randomly sampled frames)."""
    # What torch.multinomial does, but drawn for the whole batch where several processes share it.
    valid_BT = mask_BT.float()
    race_BT = processes.draw_rows(lambda n: valid_BT.new_empty(n, valid_BT.shape[1]).exponential_(), len(valid_BT))
    index = (valid_BT / race_BT).argmax(1)
    return frames_BTCHW[torch.arange(len(frames_BTCHW), device=frames_BTCHW.device), index.to(frames_BTCHW.device)]


def critics_frames(batch: Batch, kind: str) -> tuple[Tensor, Tensor]:
    """Real frames for the critics, ``[B, C, H, W]``, and their classes ``[B]`` (config key ``critics.real``).

    ``targets``: one of each target. ``any``: what the sampler drew from all training clips.
    """
    if kind == "targets":
        return sample_frames(batch.target_BRCHW, batch.mask_BT), batch.emotion_B
    if batch.other_BCHW is None or batch.other_emotion_B is None:
        raise ValueError(f"critics.real {kind!r}: the batch brings no other frames; the sampler needs others=True")
    return batch.other_BCHW, batch.other_emotion_B


def optimise(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    """One optimizer step of a network that one process trains in full precision; ANT and ERA have `Updates`."""
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
