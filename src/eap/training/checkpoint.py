"""Model files (safetensors, with the record of what made them) and resumable checkpoints."""

from __future__ import annotations

import errno
import json
import os
import pickle
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import nn
from torch.optim import Optimizer

from eap.digest import git_sha, value_digest
from eap.files import atomic_path
from eap.stage import StageError
from eap.training import processes


def save_model(path: Path, modules: Mapping[str, nn.Module], record: Mapping[str, Any]) -> None:
    """Write the modules' weights, as ``name.parameter``, with `record` and the git SHA as metadata."""
    tensors = {
        f"{name}.{key}": value.detach().cpu().contiguous().clone()
        for name, module in modules.items()
        for key, value in module.state_dict().items()
    }
    metadata = {"record": json.dumps({**record, "git_sha": git_sha()}, sort_keys=True)}
    with atomic_path(path) as temporary:
        temporary.write_bytes(save(tensors, metadata))  # what `save_file` writes, its owner alone can read


def load_model(path: Path, modules: Mapping[str, nn.Module]) -> None:
    """Load weights that `save_model` wrote into modules of the same names and shapes.

    Raises
    ------
    StageError
        If the file lacks a module or its shapes differ: it was made with another configuration.
    """
    with _open(path) as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a dict)
    for name, module in modules.items():
        state = {key.removeprefix(f"{name}."): v for key, v in tensors.items() if key.startswith(f"{name}.")}
        try:
            module.load_state_dict(state)
        except RuntimeError as error:
            raise StageError(
                f"{path}: its {name} does not fit the configured model; it was made with another `model` section. "
                f"Train it again, or restore the section. ({str(error).splitlines()[-1].strip()})"
            ) from None


@contextmanager
def _open(path: Path) -> Iterator[Any]:
    """An open model file; safetensors hold tensors and text, never code."""
    try:
        with safe_open(path, "pt") as file:
            yield file
    except SafetensorError as error:
        raise StageError(f"{path}: not a model file of this program ({error}); train it again") from None


def read_record(path: Path, stage: str) -> dict[str, Any]:
    """What a model file says about itself: stage, seed, configuration, digests, git SHA.

    Raises
    ------
    StageError
        If it was not written by `stage`.
    """
    with _open(path) as file:
        record = json.loads((file.metadata() or {}).get("record", "{}"))
    if record.get("stage") != stage:
        raise StageError(f"{path}: expected a model of stage {stage}, found one of stage {record.get('stage')}")
    return record


def require_same(path: Path, record: Mapping[str, Any], config: Any, *sections: str) -> None:
    """Refuse a model that was trained with other sections than it is to be used with.

    Some values (heads, warp, mel floor) change what a network computes, but no shape that loading would notice.

    Raises
    ------
    StageError
        Naming the section and both values.
    """
    wanted = config.model_dump(mode="json", include=set(sections))
    for section in sections:
        if record["config"][section] != wanted[section]:
            raise StageError(
                f"{path} was trained with {section} = {record['config'][section]}, but the configuration now says "
                f"{wanted[section]}; train it again, or restore the section"
            )


class Stateful(Protocol):
    """What else a checkpoint keeps: schedules, averages, an early stop."""

    def state_dict(self) -> dict[str, Any]:
        """Tensors, numbers, texts, and lists and mappings of them."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> Any:
        """Restore it."""
        ...


class Checkpoint:
    """Everything that a killed run needs in order to continue as if nothing had happened.

    The file's name carries the digest of what is being trained, so that a run with other values neither continues nor
    overwrites it. It replaces its predecessor in one step and is on the disk before it does; it is read with
    ``weights_only``, so no code in it is run. The sampler needs no state: a batch is a function of seed and step.

    Parameters
    ----------
    folder
        Where checkpoints lie; several processes must see the same one.
    identity
        JSON-serialisable description of the run (sections, seed, digests of data and code).
    others
        More that has a state, by name.
    """

    def __init__(
        self,
        folder: Path,
        identity: Any,
        modules: Mapping[str, nn.Module],
        optimizers: Mapping[str, Optimizer],
        others: Mapping[str, Stateful] | None = None,
    ) -> None:
        self.path = folder / f"{value_digest(identity)}.pt"
        self.identity = identity
        self.modules, self.optimizers, self.others = modules, optimizers, dict(others or {})

    def part(self, name: str, optimizers: Mapping[str, Optimizer], others: Mapping[str, Stateful]) -> Checkpoint:
        """A checkpoint of what comes before the run itself; it vanishes with the run's own first one."""
        before = Checkpoint(self.path.parent, self.identity, self.modules, optimizers, others)
        before.path = self.path.with_suffix(f".{name}.pt")
        return before

    def save(self, step: int, history: list[list[Any]]) -> None:
        """Write the state after `step` finished steps.

        Raises
        ------
        StageError
            If a weight is not finite: the checkpoint before stays.
        """
        self._require_finite(step)
        if processes.leads():
            state = {
                "record": json.dumps({"run": self.identity, "git_sha": git_sha()}, sort_keys=True, default=str),
                "step": step,
                "history": history,
                "modules": {name: module.state_dict() for name, module in self.modules.items()},
                "optimizers": {name: optimizer.state_dict() for name, optimizer in self.optimizers.items()},
                "others": {name: other.state_dict() for name, other in self.others.items()},
                **_random_states(),
            }
            with atomic_path(self.path) as temporary, open(temporary, "wb") as file:
                torch.save(state, file)
                file.flush()
                os.fsync(file.fileno())
            for part in self.path.parent.glob(f"{self.path.stem}.*.pt"):
                part.unlink()
        processes.wait()

    def _require_finite(self, step: int) -> None:
        broken = [
            f"{name}.{key}"
            for name, module in self.modules.items()
            for key, value in module.state_dict().items()
            if value.is_floating_point() and not value.isfinite().all()
        ]
        if broken:
            raise StageError(
                f"step {step}: weights not finite: {', '.join(broken[:5])} ({len(broken)} tensors in all); the "
                f"checkpoint before stays as it is ({self.path}). Lower the learning rate or set engine.clip_norm"
            )

    def resume(self) -> tuple[int, list[list[Any]]]:
        """Restore the state; (0, []) if there is none. Returns finished steps and history.

        Raises
        ------
        StageError
            If the file is damaged, or holds anything but tensors and plain values: no code in it is ever run.
        """
        if processes.leads():
            for torn in self.path.parent.glob(f".{self.path.stem}.*"):  # left by a run that was killed as it wrote
                torn.unlink()
        if not self.path.is_file():
            return 0, []
        try:
            # To the CPU: of several processes each moves its own copy to its own GPU
            state = torch.load(self.path, map_location="cpu", weights_only=True)
        except (RuntimeError, pickle.UnpicklingError, EOFError, OSError) as error:
            if isinstance(error, OSError) and error.errno != errno.EINVAL:  # which torch says of an archive cut short
                raise
            raise StageError(
                f"{self.path}: not a checkpoint of this program ({str(error).splitlines()[0]}); remove it, then "
                "training starts anew"
            ) from None
        for name, module in self.modules.items():
            module.load_state_dict(state["modules"][name])
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(state["optimizers"][name])
        for name, other in self.others.items():
            other.load_state_dict(state["others"][name])
        _set_random_states(state)
        return state["step"], state["history"]


def _random_states() -> dict[str, Any]:
    """Torch's, NumPy's and Python's generators, without pickled objects. Those of several processes are in step."""
    name, keys, *rest = np.random.get_state()
    return {
        "rng": torch.get_rng_state(),
        "cuda_rng": torch.cuda.get_rng_state() if torch.cuda.is_initialized() else None,
        "numpy_rng": [name, keys.tolist(), *rest],
        "python_rng": random.getstate(),
    }


def _set_random_states(state: Mapping[str, Any]) -> None:
    torch.set_rng_state(state["rng"])
    if state["cuda_rng"] is not None:
        torch.cuda.set_rng_state(state["cuda_rng"])
    np.random.set_state(tuple(state["numpy_rng"]))
    random.setstate(state["python_rng"])
