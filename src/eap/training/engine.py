"""The training loop: steps, averages, validation, checkpoints, progress."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

from eap.schemas import write_table
from eap.stage import Log, StageError
from eap.training.checkpoint import Checkpoint
from eap.training.curves import draw_curves

LOG_EVERY = 10
"""Steps over which logged terms are averaged."""


def require_one_gpu(gpus: int) -> None:
    """Refuse to train on several GPUs, which the engine cannot do yet: all but one would idle.

    Raises
    ------
    StageError
        If `gpus`, the value of ``compute.gpus``, is more than 1.
    """
    if gpus > 1:
        raise StageError(f"compute.gpus: {gpus}, but training runs on one GPU so far; set compute.gpus: 1")


def run_steps(
    *,
    name: str,
    steps: int,
    steps_per_epoch: int,
    step: Callable[[int], Mapping[str, float]],
    validate: Callable[[], Mapping[str, float]],
    checkpoint: Checkpoint | None,
    checkpoint_every: int,
    log: Log,
) -> list[list[Any]]:
    """Run ``step(0) ... step(steps - 1)``, continuing from the checkpoint if there is one.

    Parameters
    ----------
    step
        One optimisation step, a function of its number alone; returns named losses.
    validate
        Named losses on held-out data ({} where there is none); runs at each checkpoint and at the end.

    Returns
    -------
    list
        Rows of the `history` table: step, epoch, part, term, value.
    """
    first, history = checkpoint.resume() if checkpoint else (0, [])
    if first:
        print(f"{name}: continuing after step {first} of {steps}", flush=True)
    window: list[Mapping[str, float]] = []
    began = time.monotonic()
    for i in range(first, steps):
        window.append(step(i))
        done = i + 1
        at_checkpoint = done == steps or done % checkpoint_every == 0
        # A window of averages must not span a checkpoint, or the resumed history would differ.
        if done % LOG_EVERY == 0 or at_checkpoint:
            means = {term: sum(w[term] for w in window) / len(window) for term in window[0]}
            window = []
            _record(history, log, done, steps_per_epoch, "train", means)
            rate = (done - first) / (time.monotonic() - began)
            terms = " ".join(f"{k}={v:.4g}" for k, v in means.items())
            print(f"{name}: step {done}/{steps}, {rate:.2f}/s, {(steps - done) / rate:.0f} s left, {terms}", flush=True)
        if at_checkpoint:
            _record(history, log, done, steps_per_epoch, "validation", validate())
            if checkpoint:
                checkpoint.save(done, history)
    return history


def _record(
    history: list[list[Any]], log: Log, step: int, steps_per_epoch: int, part: str, values: Mapping[str, float]
) -> None:
    history.extend([step, (step - 1) // steps_per_epoch, part, term, value] for term, value in values.items())
    log({f"{part}/{term}": value for term, value in values.items()}, step)


def write_history(path: Path, history: Sequence[Sequence[Any]], sources: Sequence[Path], title: str) -> Path:
    """Write the rows of `run_steps`, and beside them their curves as a picture, whose path is returned."""
    rows = pd.DataFrame([list(row) for row in history], columns=["step", "epoch", "part", "term", "value"])
    write_table(path, "history", rows, sources)
    picture = path.with_name("losses.png")
    draw_curves(picture, history, title)
    return picture


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
    index = torch.multinomial(mask_BT.float(), 1)[:, 0]
    return frames_BTCHW[torch.arange(len(frames_BTCHW), device=frames_BTCHW.device), index.to(frames_BTCHW.device)]


def optimise(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    """One optimizer step."""
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
