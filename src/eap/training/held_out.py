"""What held-out frames show beyond their losses: whether they move, their LMD, and when to stop by it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from eap.config import AntConfig, EarlyStopping, EngineConfig, EraConfig
from eap.data.batch import Batch
from eap.data.cached_frames import resize_frame
from eap.data.clip_landmarks import detect_landmarks
from eap.data.pose import LANDMARK_SCALE_PX, LIPS
from eap.losses.lip import lip_loss
from eap.stage import StageError
from eap.training import processes
from eap.training.updates import Updates

VALIDATION_BATCHES = 4
SAME_COVERAGE = 0.05
"""Shares of frames with a face that differ by less count as equal. CHOSEN."""

Pair = tuple[Tensor, Tensor]
"""Generated and real frames, ``[B, T, 3, H, W]`` each, in [-1, 1]."""
Detect = Callable[[np.ndarray], tuple[np.ndarray, list[str]]]


class Phase(Protocol):
    """What validation asks of ANT's and ERA's phases."""

    def validate(self, batches: list[Batch]) -> dict[str, float]:
        """Losses on held-out batches."""
        ...

    def show(self, batch: Batch) -> Pair:
        """The frames it generates for a batch, and the real ones."""
        ...


def shown_frames(section: AntConfig | EraConfig) -> int:
    """Frames of a held-out sample that are rendered: two at least where there are two, for `motion` compares them."""
    return min(max(section.rendered_frames, 2), section.frames)


def held_out_batches(draw: Callable[[int], Batch], clips: Sequence[str], engine: EngineConfig) -> list[Batch]:
    """The batches that every validation looks at: ``draw(0), ...``; none, and a line that says so, without clips.

    Raises
    ------
    StageError
        If training is to stop by what they show and there are no clips.
    """
    if clips:
        return [draw(number) for number in range(VALIDATION_BATCHES)]
    told = "no held-out clip to validate on (ANT's are neutral, unless neutralization is off)"
    if engine.early_stopping:
        raise StageError(
            f"engine.early_stopping: there is {told}; raise split.validation, or set engine.early_stopping: null"
        )
    if processes.leads():
        print(f"{told}: the history has losses of training only", flush=True)
    return []


def validate(phase: Phase, batches: list[Batch], updates: Updates, lmd: bool) -> dict[str, float]:
    """A phase's held-out losses, the motion of its frames and, if asked, their LMD; {} without batches.

    The batches say which times are rendered, so validations look at the same frames; nothing random is drawn.
    """
    if not batches:
        return {}
    with updates.released(), torch.no_grad():
        values = processes.mean_values(phase.validate(batches))
        pairs = [phase.show(batch) for batch in batches]
    return values | motion(pairs) | (held_out_lmd(pairs) if lmd else {})


def release(updates: Updates, early_stop: EarlyStop | None) -> dict[str, float]:
    """At the end of training: give the networks the weights that become the model; what to add to its metrics."""
    if early_stop is None:
        updates.release()
        return {}
    early_stop.restore()
    return {"best_step": float(early_stop.best_step), "best_lmd": float(early_stop.best or 0.0)}


def motion(pairs: Iterable[Pair]) -> dict[str, float]:
    """How much generated frames change from one to the next, as a share of how much the real ones do ({}: unknown)."""
    generated, real = 0.0, 0.0
    for ours, theirs in pairs:
        generated, real = generated + _change(ours), real + _change(theirs)
    generated, real = processes.sums(generated, real)
    return {"motion": generated / real} if real > 0 else {}


def _change(frames_BTCHW: Tensor) -> float:
    return frames_BTCHW.diff(dim=1).abs().sum(dtype=torch.float64).item()


def held_out_lmd(pairs: Iterable[Pair], detect: Detect = detect_landmarks) -> dict[str, float]:
    """LMD of held-out frames, px at 256, with dlib as in the evaluation, and the coverage.

    Frames in which either face is not found are left out, and the coverage tells how many were. Where none is found
    there is no LMD.

    Parameters
    ----------
    detect
        Landmarks of uint8 frames ``[T, H, W, 3]``: ``[T, 68, 2]`` px, NaN where there is no face.
    """
    total, found, frames = 0.0, 0, 0
    for generated, real in pairs:
        ours, theirs = (np.stack([detect(enlarge(clip))[0][:, LIPS] for clip in batch]) for batch in (generated, real))
        mask = torch.from_numpy(np.isfinite(ours).all((2, 3)) & np.isfinite(theirs).all((2, 3)))
        if mask.any():
            total += lip_loss(torch.from_numpy(ours), torch.from_numpy(theirs), mask).item() * int(mask.sum())
        found, frames = found + int(mask.sum()), frames + mask.numel()
    total, found, frames = processes.sums(total, found, frames)
    coverage = {"lmd_coverage": found / max(frames, 1)}
    return coverage | {"lmd": total / found} if found else coverage


def enlarge(frames_TCHW: Tensor) -> np.ndarray:
    """Frames in [-1, 1] as the evaluation looks at them: uint8 RGB ``[T, 256, 256, 3]``."""
    pixels = ((frames_TCHW.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1)
    return np.stack([resize_frame(frame, int(LANDMARK_SCALE_PX)) for frame in pixels.cpu().contiguous().numpy()])


class EarlyStop:
    """Ends training when held-out LMD has not fallen for `patience` validations, and keeps the best weights.

    CHOSEN; off in preset `paper`, whose 500 epochs are KNOWN. With moving averages the best are the averaged ones.
    """

    def __init__(self, settings: EarlyStopping, modules: Mapping[str, nn.Module], updates: Updates) -> None:
        self.settings, self.modules, self.updates = settings, modules, updates
        self.best: float | None = None
        self.coverage = 0.0
        self.best_step, self.since = 0, 0
        self._weights: dict[str, dict[str, Tensor]] = {}

    @classmethod
    def wanted(cls, settings: EngineConfig, modules: Mapping[str, nn.Module], updates: Updates) -> EarlyStop | None:
        """One, if the configuration asks for it."""
        return cls(settings.early_stopping, modules, updates) if settings.early_stopping else None

    @property
    def stopped(self) -> bool:
        """Whether it is time to stop."""
        return self.since >= self.settings.patience

    def see(self, values: Mapping[str, float], step: int) -> None:
        """Take note of a validation; without an LMD (no face was found) it is no improvement."""
        if "lmd" in values and self._is_better(values["lmd"], values["lmd_coverage"]):
            self.best, self.coverage, self.best_step, self.since = values["lmd"], values["lmd_coverage"], step, 0
            with self.updates.released():
                self._weights = {
                    name: {key: tensor.detach().clone() for key, tensor in module.state_dict().items()}
                    for name, module in self.modules.items()
                }
        else:
            self.since += 1

    def _is_better(self, value: float, coverage: float) -> bool:
        """Lower over as many faces, or over clearly more: faces that are broken beyond recognition have no LMD."""
        if self.best is None or coverage > self.coverage + SAME_COVERAGE:
            return True
        return coverage >= self.coverage - SAME_COVERAGE and value < self.best - self.settings.min_delta_px

    def restore(self) -> None:
        """Give the modules the best weights.

        Raises
        ------
        StageError
            If no validation had an LMD.
        """
        if self.best is None:
            raise StageError(
                "engine.early_stopping: dlib found no face in any held-out generated frame, so there is no best step; "
                "train longer (epochs, checkpoint_every), or set engine.early_stopping: null"
            )
        for name, module in self.modules.items():
            module.load_state_dict(self._weights[name])

    def state_dict(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {
            "best": self.best, "coverage": self.coverage, "best_step": self.best_step, "since": self.since,
            "weights": self._weights,
        }  # fmt: skip

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore `state_dict`."""
        self.best, self.coverage = state["best"], state["coverage"]
        self.best_step, self.since = state["best_step"], state["since"]
        self._weights = state["weights"]
