"""How losses become updates: precision, accumulation, processes, clipping, averages (config section `engine`).

With the values of preset `paper` an update is ``zero_grad``, ``backward``, ``step`` and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from eap.config import EngineConfig
from eap.data.batch import Batch
from eap.losses.objective import check_finite
from eap.stage import StageError
from eap.training import processes
from eap.training.precision import prepare

Step = Callable[[Batch, int], dict[str, float]]


class Updates:
    """Takes the steps of one phase.

    Parameters
    ----------
    settings
        Section `engine`.
    device
        ``compute.device``.
    modules
        The phase's networks, by name.
    judges
        Frozen networks under its losses.
    averaged
        Names of the networks that generate; with ``ema_decay`` set, moving averages of their weights are kept.
    """

    def __init__(
        self,
        settings: EngineConfig,
        device: str,
        modules: Mapping[str, nn.Module],
        judges: Sequence[nn.Module] = (),
        averaged: Sequence[str] = (),
    ) -> None:
        self.settings, self.modules = settings, modules
        self.averages: dict[str, AveragedModel] = {}
        if settings.ema_decay is not None:  # copied before methods are wrapped: a wrapped one remembers its module
            average = get_ema_multi_avg_fn(settings.ema_decay)
            self.averages = {
                name: AveragedModel(modules[name], multi_avg_fn=average).requires_grad_(False) for name in averaged
            }
        prepare([*modules.values(), *judges], settings.precision, settings.compile, device)
        self.scalers: list[torch.amp.GradScaler] = []
        """One for each loss of a step: two losses may step the same optimizer, and only one of them overflow."""
        self._device = device
        self._held: list[tuple[tuple[Optimizer, ...], list[Tensor | None]]] = []
        self._call = 0

    def step(self, step: Step, batch: Batch, number: int) -> dict[str, float]:
        """A phase's step on this process's rows of a batch; returns its losses, averaged over the batch.

        With ``accumulate`` k > 1 the rows are taken in k parts and every optimizer steps at the end, in the order of
        its losses: all parts see the same weights. Losses that pool a batch pool a part.
        """
        divided = processes.count() > 1 or self.settings.accumulate > 1
        if divided and not batch.mask_BT.all():
            raise StageError(
                f"clips {', '.join(batch.clip_ids)}: a batch with padding cannot be divided (its parts would weigh "
                "frames unequally); use one process and engine.accumulate: 1"
            )
        self._call = 0
        with processes.Rowwise() if processes.count() > 1 else nullcontext():
            values = self._accumulate(step, batch, number) if self.settings.accumulate > 1 else step(batch, number)
        for name, average in self.averages.items():
            average.update_parameters(self.modules[name])
        return values

    def _accumulate(self, step: Step, batch: Batch, number: int) -> dict[str, float]:
        parts = self.settings.accumulate
        size, rest = divmod(len(batch.clip_ids), parts)
        if rest or not size:
            raise StageError(
                f"a batch of {len(batch.clip_ids)} clips (this process's share) cannot be divided into "
                f"engine.accumulate ({parts}) equal parts; change batch_size, accumulate or the number of processes"
            )
        rows: list[dict[str, float]] = []
        self._held = []
        for part in range(parts):
            self._call = 0
            rows.append(step(batch.rows(slice(part * size, (part + 1) * size)), number))
        # Not strict: a warm-up has fewer losses than the steps whose scalers a checkpoint may hold
        for scaler, (optimizers, gradients) in zip(self.scalers, self._held, strict=False):
            for parameter, gradient in zip(_parameters(*optimizers), gradients, strict=True):
                parameter.grad = gradient
            self._apply(scaler, optimizers)
        return {term: sum(row[term] for row in rows) / parts for term in rows[0]}

    def optimise(self, loss: Tensor, *optimizers: Optimizer) -> None:
        """One step of the optimizers on the whole batch's loss; inside an accumulated step its share of one."""
        for optimizer in optimizers:
            optimizer.zero_grad(set_to_none=True)
        if self._call == len(self.scalers):
            self.scalers.append(self._scaler())
        scaler = self.scalers[self._call]
        scaler.scale(loss / self.settings.accumulate).backward()
        if self.settings.accumulate == 1:
            self._apply(scaler, optimizers)
        else:
            self._hold(optimizers)
        self._call += 1

    def _scaler(self) -> torch.amp.GradScaler:
        return torch.amp.GradScaler(self._device, enabled=self.settings.precision == "fp16")

    def _hold(self, optimizers: tuple[Optimizer, ...]) -> None:
        """Add the gradients to those that the same loss left in the parts before."""
        gradients = [parameter.grad for parameter in _parameters(*optimizers)]
        if self._call == len(self._held):
            self._held.append((optimizers, gradients))
        else:
            before = self._held[self._call][1]
            self._held[self._call] = optimizers, [_add(a, b) for a, b in zip(before, gradients, strict=True)]
        for optimizer in optimizers:
            optimizer.zero_grad(set_to_none=True)

    def _apply(self, scaler: torch.amp.GradScaler, optimizers: tuple[Optimizer, ...]) -> None:
        processes.average_gradients(_parameters(*optimizers))
        for optimizer in optimizers:
            if self.settings.clip_norm is not None:
                scaler.unscale_(optimizer)
                nn.utils.clip_grad_norm_(_parameters(optimizer), self.settings.clip_norm)
            scaler.step(optimizer)
        scaler.update()

    def checked(self, values: Mapping[str, float], number: int, batch: Batch) -> dict[str, float]:
        """The values' means over processes.

        Raises
        ------
        StageError
            At the first value that is not finite on any process: with the step, the terms and the clips.
        """
        means = processes.mean_values(values)
        try:
            check_finite(means, number, batch.clip_ids)
        except RuntimeError:  # on every process alike; now name the clips of all
            check_finite(means, number, processes.all_names(batch.clip_ids))
        return means

    @contextmanager
    def released(self) -> Iterator[None]:
        """Inside, the averaged networks carry their averages."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def release(self) -> None:
        """Give the averaged networks their averages for good: training is over."""
        self._swap()

    def _swap(self) -> None:
        for name, average in self.averages.items():
            for own, mean in zip(self.modules[name].parameters(), average.module.parameters(), strict=True):
                own.data, mean.data = mean.data, own.data

    def state_dict(self) -> dict[str, Any]:
        """The averages and the loss scales, for a checkpoint."""
        averages = {name: average.state_dict() for name, average in self.averages.items()}
        return {"averages": averages, "scalers": [scaler.state_dict() for scaler in self.scalers]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore `state_dict`."""
        for name, average in self.averages.items():
            average.load_state_dict(state["averages"][name])
        self.scalers = [self._scaler() for _ in state["scalers"]]
        for scaler, scale in zip(self.scalers, state["scalers"], strict=True):
            scaler.load_state_dict(scale)


def _parameters(*optimizers: Optimizer) -> list[Tensor]:
    return [p for optimizer in optimizers for group in optimizer.param_groups for p in group["params"]]


def _add(a: Tensor | None, b: Tensor | None) -> Tensor | None:
    return a if b is None else b if a is None else a + b
