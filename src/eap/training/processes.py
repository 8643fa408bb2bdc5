"""Several processes train as one: ``torchrun`` on 1..N processes takes the same steps for the same batch (ADR 22).

Every process draws the whole batch and keeps its own rows. What is random in a step is drawn for the whole batch too
(`draw_rows`, `Rowwise`), so that a sample meets the same numbers wherever it is computed, and the processes' random
generators stay in step. Losses that pool a batch see all of it (`gathered`); the others are means over equal shares, so
the mean over processes of losses and gradients is the whole batch's.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from eap.stage import StageError

TIMEOUT = timedelta(minutes=30)
"""Longest wait for another process: validation and checkpoints of the first are waited for."""


def count() -> int:
    """Processes that train together; 1 without ``torchrun``."""
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    """Number of this process among them."""
    return dist.get_rank() if dist.is_initialized() else 0


def leads() -> bool:
    """Whether this process writes the files and the log."""
    return rank() == 0


def require_device(device: str) -> None:
    """Refuse a GPU that torch does not see.

    Raises
    ------
    StageError
        If `device` is "cuda" and there is none.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise StageError("compute.device: 'cuda', but torch sees no GPU; run where one is, or set compute.device: cpu")


@contextmanager
def joined(device: str) -> Iterator[None]:
    """Inside, the processes that ``torchrun`` started know of each other; nothing happens without it.

    With device "cuda" each process takes the GPU of its local rank. gloo carries CPU tensors, nccl those of GPUs.

    Raises
    ------
    StageError
        If there is no GPU, or there are more processes than GPUs.
    """
    require_device(device)
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield
        return
    if device == "cuda":
        local, gpus = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
        if local >= gpus:
            raise StageError(f"compute.device cuda: process {local} has no GPU ({gpus} found); lower --nproc-per-node")
        torch.cuda.set_device(local)
    dist.init_process_group("nccl" if device == "cuda" else "gloo", timeout=TIMEOUT)
    try:
        yield
    finally:
        dist.destroy_process_group()


def require_one(stage: str, device: str) -> None:
    """Refuse ``torchrun`` for a stage that takes one process, and a GPU that is not there.

    Raises
    ------
    StageError
        If it was started as one of several, or `require_device` refuses `device`.
    """
    require_device(device)
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise StageError(
            f"{stage} runs in one process: start it without torchrun (train-ant and train-era take several)"
        )


def share(length: int, of: str) -> slice:
    """This process's part of `length` samples.

    Raises
    ------
    StageError
        If they cannot be divided evenly: unequal shares would weigh samples unequally.
    """
    if length % count():
        raise StageError(f"{of} ({length}) must be a multiple of the number of processes ({count()})")
    size = length // count()
    return slice(rank() * size, (rank() + 1) * size)


def draw_rows(draw: Callable[[int], Tensor], rows: int) -> Tensor:
    """``draw(n)`` gives a random row for each of n samples; the rows of this process's samples are returned."""
    whole = draw(rows * count())
    return whole[rank() * rows : (rank() + 1) * rows]


class _Gather(torch.autograd.Function):
    """Concatenation over processes. A gradient counts N times, since gradients are averaged afterwards."""

    @staticmethod
    def forward(context: Any, own: Tensor) -> Tensor:
        context.rows = len(own)
        parts = [torch.empty_like(own) for _ in range(count())]
        dist.all_gather(parts, own.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:
        return gradient[rank() * context.rows : (rank() + 1) * context.rows] * count()


def gathered(*own: Tensor) -> tuple[Tensor, ...]:
    """The tensors ``[B / N, ...]`` of all processes, each ``[B, ...]``, for losses that pool the whole batch."""
    if count() == 1:
        return own
    return tuple(_Gather.apply(part.byte()).bool() if part.dtype == torch.bool else _Gather.apply(part) for part in own)


@torch.no_grad()
def average_gradients(parameters: Sequence[Tensor]) -> None:
    """Replace each gradient by its mean over processes (one message for all of them)."""
    if count() == 1:
        return
    gradients = [p.grad for p in parameters if p.grad is not None]
    if not gradients:
        return
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    dist.all_reduce(flat)
    flat /= count()
    for gradient, mean in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(mean.view_as(gradient))


def sums(*values: float) -> tuple[float, ...]:
    """Sums over processes."""
    if count() == 1:
        return values
    flat = torch.tensor(values, dtype=torch.float64, device="cuda" if dist.get_backend() == "nccl" else "cpu")
    dist.all_reduce(flat)
    return tuple(flat.tolist())


def mean_values(values: Mapping[str, float]) -> dict[str, float]:
    """Mean over processes of named values; not a number where one of them is."""
    if count() == 1:
        return dict(values)
    return {name: total / count() for name, total in zip(values, sums(*values.values()), strict=True)}


def all_names(own: Sequence[str]) -> tuple[str, ...]:
    """The names that every process knows, in order of the processes."""
    if count() == 1:
        return tuple(own)
    parts: list[Any] = [None] * count()
    dist.all_gather_object(parts, tuple(own))
    return tuple(name for part in parts for name in part)


def wait() -> None:
    """Until every process has come here."""
    if count() > 1:
        dist.barrier()


class Rowwise(TorchDispatchMode):
    """Inside, dropout draws its masks for the whole batch and takes this process's rows.

    Every mask's first axis must be the samples', as it is in ANT's transformer. Used with several processes only:
    seeing each operation costs some microseconds.
    """

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.aten.bernoulli_.float:
            return args[0].copy_(self._draw(args[0], args[1] if len(args) > 1 else 0.5))  # its default is left out
        if func is torch.ops.aten.native_dropout.default and args[2] and 0 < args[1] < 1:  # the fused form of GPUs
            kept = self._draw(args[0], 1 - args[1])
            return args[0] * kept / (1 - args[1]), kept.bool()
        return func(*args, **(kwargs or {}))

    @staticmethod
    def _draw(like: Tensor, p: float) -> Tensor:
        # Numbers are drawn in the order of memory, and attention's output is not in the order of its axes. Strides of a
        # single row are equal to the next axis's only where the samples are not the outermost axis.
        order = sorted(range(like.dim()), key=lambda axis: (-like.stride(axis), axis == 0))

        def draw(n: int) -> Tensor:
            shape = (n, *like.shape[1:])
            return torch.empty_permuted(shape, order, dtype=like.dtype, device=like.device).bernoulli_(p)

        return draw_rows(draw, len(like))
