"""How much of a training step is waiting for data, and how near its arithmetic comes to bare convolutions'."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook
from torch.utils.flop_counter import FlopCounterMode, conv_flop_count

from eap.config import Config
from eap.data.batch import Batch
from eap.data.clip_store import FRAME_CACHE_BYTES, ClipStore
from eap.data.layout import PreparedData
from eap.data.windows import WindowSampler
from eap.seeding import seed_everything
from eap.stage import StageError
from eap.training.ant import AntPhase
from eap.training.augment import augment_voice
from eap.training.bench import random_judges
from eap.training.precision import DTYPES
from eap.training.prefetch import Prefetcher

Round = dict[str, float]


@dataclass(frozen=True)
class Convolution:
    """A convolution of a step, by its shapes; `weight` is (out, in / groups, height, width)."""

    weight: tuple[int, ...]
    inputs: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    groups: int


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
        ``flops_fraction_of_own_mix``: the same over all the step's convolutions; ``cpu_time``: both by the CPU time of
        the thread that steps, for machines whose cores others take too (null unless one thread computes).
    """
    seed_everything(config.seeds[0], config.compute.threads)
    device, section = config.compute.device, config.ant
    store = ClipStore(data, config.model.image_size, FRAME_CACHE_BYTES, pose_shape=config.model.pose_shape)
    sampler = WindowSampler(
        store, "train", config.emotions, section.frames, config.audio, section.p_emotional_source,
        section.neutralization, section.rendered_frames, config.critics.real == "any",
    )  # fmt: skip
    if not sampler.ids:
        raise StageError(f"{data.root}: holds no training clip")
    phase = AntPhase(config, random_judges(config))

    def draw(step: int) -> Batch:
        batch = sampler.neutral_batch(0, step, section.batch_size)
        return augment_voice(batch, section, config.audio.max_abs, np.random.default_rng([0, step, 4])).to(device)

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
                found[-1] |= {f"{name}{key}": rate for key, rate in loop(steps / found[-1]["steps_per_s"]).items()}
    del found[0]  # it fills caches
    middle = {name: median(row[name] for row in found) for name in found[0]}
    fractions = {
        name + clock: round(median(flops * row[f"steps{clock}"] / row[name + clock] for row in found), 4)
        for name in ("heaviest", "own_mix")
        for clock in ("_per_s", "_per_cpu_s")
    }
    by_cpu_time = {"flops_fraction": fractions["heaviest_per_cpu_s"]}
    by_cpu_time["flops_fraction_of_own_mix"] = fractions["own_mix_per_cpu_s"]
    return {
        "steps_per_s": round(middle["steps_per_s"], 4),
        "data_wait_fraction": round(middle["data_wait_fraction"], 4),
        "flops_fraction": fractions["heaviest_per_s"],
        "flops_fraction_of_own_mix": fractions["own_mix_per_s"],
        "cpu_time": by_cpu_time if device == "cpu" and config.compute.threads == 1 else None,
        "draw_s": round(middle["draw_s"], 4),
        "gflops_per_step": round(flops / 1e9, 3),
        "bare_gflops_per_s": round(middle["heaviest_per_s"] / 1e9, 3),
        "bare_own_mix_gflops_per_s": round(middle["own_mix_per_s"] / 1e9, 3),
        "bare_convolution": {"input": list(heaviest.inputs), "weight": list(heaviest.weight)},
        "perceptual": config.perceptual.network, "lip_estimator": config.loss.lip_estimator,
        "preset": config.preset, "image_size": config.model.image_size, "device": device,
        "threads": config.compute.threads, "batch": [section.batch_size, section.frames],
        "precision": config.engine.precision, "compile": config.engine.compile,
    }  # fmt: skip


def _round(phase: AntPhase, batches: Prefetcher, steps: int, device: str) -> Round:
    waited, began = batches.waited_s, _now(device)
    for number in range(steps):
        phase.updates.step(phase.step, batches.take(), number)
    rates = _rates(steps, began, device)
    return {**{f"steps{key}": rate for key, rate in rates.items()},
            "data_wait_fraction": (batches.waited_s - waited) * rates["_per_s"] / steps}  # fmt: skip


def cost_of_step(step: Callable[[], Any]) -> tuple[int, dict[Convolution, int]]:
    """Operations of a step, backward included (2 per multiply-add), and how often it calls each convolution."""
    counts: dict[Convolution, int] = {}

    def note(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if isinstance(module, nn.Conv2d):
            shape = Convolution(
                tuple(module.weight.shape), tuple(inputs[0].shape), module.stride, module.padding, module.groups
            )
            counts[shape] = counts.get(shape, 0) + 1

    hook = register_module_forward_hook(note)
    try:
        mapping = {torch.ops.aten.convolution_backward: _backward_flops}
        with FlopCounterMode(display=False, custom_mapping=mapping) as counter:
            step()
    finally:
        hook.remove()
    return counter.get_total_flops(), counts


def _backward_flops(
    grad_shape: Any, x_shape: Any, w_shape: Any, bias: Any, stride: Any, padding: Any, dilation: Any, transposed: bool,
    output_padding: Any, groups: int, output_mask: Any, **_: Any,
) -> int:  # fmt: skip
    """What the forward pass costs, once for each gradient; torch's own count of a grouped one is `groups` times that of
    the weight's.
    """
    to_input, to_weight, _to_bias = output_mask
    return conv_flop_count(x_shape, w_shape, grad_shape, transposed) * (to_input + to_weight)


def _forward_flops(shape: Convolution) -> int:
    out, inner, *kernel = shape.weight
    n, _, *sides = shape.inputs
    total = 2 * n * out * inner
    for side, width, stride, padding in zip(sides, kernel, shape.stride, shape.padding, strict=True):
        total *= width * ((side + 2 * padding - width) // stride + 1)
    return total


def bare_loop(counts: Mapping[Convolution, int], device: str, precision: str) -> Callable[[float], Round]:
    """A function that convolves, forward and backward, each shape so often, for about so many seconds; gives FLOP/s,
    by both clocks.
    """
    once = {shape: _convolve_once(shape, device, precision) for shape in counts}
    work = [once[shape] for shape, count in counts.items() for _ in range(count)]
    flops = sum(3 * count * _forward_flops(shape) for shape, count in counts.items())  # backward: to input and weight
    for convolve in once.values():
        convolve()

    def run(seconds: float) -> Round:
        began, count = _now(device), 0
        while count == 0 or time.monotonic() - began[0] < seconds:
            for convolve in work:
                convolve()
            count += 1
        return _rates(count * flops, began, device)

    return run


def _convolve_once(shape: Convolution, device: str, precision: str) -> Callable[[], None]:
    out, inner, *kernel = shape.weight
    convolution = nn.Conv2d(
        inner * shape.groups, out, tuple(kernel), shape.stride, shape.padding, groups=shape.groups
    ).to(device)
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


def _now(device: str) -> tuple[float, float]:
    """Clock and CPU time of this thread, s, when the device has done what it was given."""
    if device == "cuda":
        torch.cuda.synchronize()
    return time.monotonic(), time.thread_time()


def _rates(amount: float, began: tuple[float, float], device: str) -> Round:
    clock, cpu = (now - then for now, then in zip(_now(device), began, strict=True))
    return {"_per_s": amount / clock, "_per_cpu_s": amount / max(cpu, 1e-9)}
