"""How much of a training step is waiting for data, and how near its arithmetic comes to bare convolutions'."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook
from torch.utils.flop_counter import FlopCounterMode

from eap.config import Config
from eap.data.batch import Batch
from eap.data.clip_store import ClipStore
from eap.data.layout import PreparedData
from eap.data.windows import WindowSampler
from eap.seeding import seed_everything
from eap.stage import StageError
from eap.training.ant import AntPhase
from eap.training.build import build_student
from eap.training.precision import DTYPES
from eap.training.prefetch import Prefetcher
from eap.training.reconstruction import build_reconstruction

Round = dict[str, float]


@dataclass(frozen=True)
class Convolution:
    """A convolution of a step, by its shapes."""

    weight: tuple[int, ...]
    inputs: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]


def measure(config: Config, data: PreparedData, rounds: int = 5, steps: int = 4) -> dict[str, Any]:
    """ANT's steps on prepared clips, interleaved with two bare loops: rounds of each, medians of all.

    The bare loops convolve, forward and backward, on the same device, threads and precision: the step's own heaviest
    convolution alone, and all of its convolutions in turn. The judges' pre-trained weights cost what random ones cost,
    so random ones stand in.

    Returns
    -------
    dict
        ``steps_per_s``; ``data_wait_fraction``: share of the steps' time spent waiting for a batch; ``draw_s``: what
        drawing a batch takes; ``flops_fraction``: FLOP/s of whole steps over those of the heaviest convolution;
        ``flops_fraction_of_own_mix``: the same over all the step's convolutions.
    """
    seed_everything(config.seeds[0], config.compute.threads)
    device, section = config.compute.device, config.ant
    sampler = WindowSampler(
        ClipStore(data, config.model.image_size), "train", config.emotions, section.frames, config.audio,
        section.p_emotional_source, section.neutralization,
    )  # fmt: skip
    if not sampler.ids:
        raise StageError(f"{data.root}: holds no training clip")
    phase = _phase(config)

    def draw(step: int) -> Batch:
        return sampler.neutral_batch(0, step, section.batch_size).to(device)

    flops, counts = cost_of_step(lambda: phase.updates.step(phase.step, draw(0), 0))
    heaviest = max(counts, key=lambda shape: counts[shape] * _forward_flops(shape))
    loops = [bare_loop(shapes, device, config.engine.precision) for shapes in ({heaviest: 1}, counts)]
    found: list[Round] = []
    with Prefetcher(draw, 0, (rounds + 1) * steps) as batches:
        for _ in range(rounds + 1):
            found.append(_round(phase, batches, steps, device))
            batches.settle()
            began = time.monotonic()
            draw(0)
            found[-1]["draw_s"] = time.monotonic() - began
            for name, loop in zip(("heaviest", "own_mix"), loops, strict=True):
                found[-1][name] = loop(steps / found[-1]["steps_per_s"])
    del found[0]  # it fills caches
    middle = {name: median(row[name] for row in found) for name in found[0]}
    fractions = [median(flops * row["steps_per_s"] / row[name] for row in found) for name in ("heaviest", "own_mix")]
    return {
        "steps_per_s": round(middle["steps_per_s"], 4),
        "data_wait_fraction": round(middle["data_wait_fraction"], 4),
        "flops_fraction": round(fractions[0], 4),
        "flops_fraction_of_own_mix": round(fractions[1], 4),
        "draw_s": round(middle["draw_s"], 4),
        "gflops_per_step": round(flops / 1e9, 3),
        "bare_gflops_per_s": round(middle["heaviest"] / 1e9, 3),
        "bare_own_mix_gflops_per_s": round(middle["own_mix"] / 1e9, 3),
        "bare_convolution": {"input": list(heaviest.inputs), "weight": list(heaviest.weight)},
        "preset": config.preset, "image_size": config.model.image_size, "device": device,
        "threads": config.compute.threads, "batch": [section.batch_size, section.frames],
        "precision": config.engine.precision, "compile": config.engine.compile,
    }  # fmt: skip


def _phase(config: Config) -> AntPhase:
    stand_in = config.perceptual.model_copy(update={"path": None})
    if config.perceptual.network == "vgg19":
        stand_in = stand_in.model_copy(update={"weights": "random"})
    student = build_student(config.student.channels, config.model.image_size).requires_grad_(False).eval()
    config = config.model_copy(update={"perceptual": stand_in})
    return AntPhase(config, build_reconstruction(config, student))


def _round(phase: AntPhase, batches: Prefetcher, steps: int, device: str) -> Round:
    waited, began = batches.waited_s, time.monotonic()
    for number in range(steps):
        phase.updates.step(phase.step, batches.take(), number)
    passed = _passed(began, device)
    return {"steps_per_s": steps / passed, "data_wait_fraction": (batches.waited_s - waited) / passed}


def cost_of_step(step: Callable[[], Any]) -> tuple[int, dict[Convolution, int]]:
    """Operations of a step, backward included (2 per multiply-add), and how often it calls each convolution."""
    counts: dict[Convolution, int] = {}

    def note(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if isinstance(module, nn.Conv2d):
            shape = Convolution(tuple(module.weight.shape), tuple(inputs[0].shape), module.stride, module.padding)
            counts[shape] = counts.get(shape, 0) + 1

    hook = register_module_forward_hook(note)
    try:
        with FlopCounterMode(display=False) as counter:
            step()
    finally:
        hook.remove()
    return counter.get_total_flops(), counts


def _forward_flops(shape: Convolution) -> int:
    out, inner, *kernel = shape.weight
    n, _, *sides = shape.inputs
    total = 2 * n * out * inner
    for side, width, stride, padding in zip(sides, kernel, shape.stride, shape.padding, strict=True):
        total *= width * ((side + 2 * padding - width) // stride + 1)
    return total


def bare_loop(counts: Mapping[Convolution, int], device: str, precision: str) -> Callable[[float], float]:
    """A function that convolves, forward and backward, each shape so often, for about so many seconds; gives FLOP/s."""
    once = {shape: _convolve_once(shape, device, precision) for shape in counts}
    work = [once[shape] for shape, count in counts.items() for _ in range(count)]
    flops = sum(3 * count * _forward_flops(shape) for shape, count in counts.items())  # backward: to input and weight
    for convolve in once.values():
        convolve()

    def run(seconds: float) -> float:
        began, count = time.monotonic(), 0
        while count == 0 or time.monotonic() - began < seconds:
            for convolve in work:
                convolve()
            count += 1
        return count * flops / _passed(began, device)

    return run


def _convolve_once(shape: Convolution, device: str, precision: str) -> Callable[[], None]:
    out, inner, *kernel = shape.weight
    convolution = nn.Conv2d(inner, out, tuple(kernel), shape.stride, shape.padding).to(device)
    x = torch.randn(shape.inputs, device=device, requires_grad=True)

    def autocast() -> AbstractContextManager[Any]:
        return torch.autocast(device, DTYPES[precision]) if precision != "fp32" else nullcontext()

    with autocast():
        gradient = torch.randn_like(convolution(x))

    def convolve() -> None:
        convolution.zero_grad(set_to_none=True)
        x.grad = None
        with autocast():
            result = convolution(x)
        result.backward(gradient)

    return convolve


def _passed(began: float, device: str) -> float:
    if device == "cuda":
        torch.cuda.synchronize()
    return time.monotonic() - began
