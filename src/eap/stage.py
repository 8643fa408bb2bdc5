"""What every stage takes from its caller and gives back, so that no stage needs to know about tracking."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

Log = Callable[[Mapping[str, float], int], None]
"""`log(metrics, step)`: called by training stages while they run."""


def no_log(metrics: Mapping[str, float], step: int) -> None:
    """A `Log` that keeps nothing."""


@dataclass(frozen=True)
class StageResult:
    """Summary of a finished stage, for the tracking run."""

    metrics: dict[str, float] = field(default_factory=dict)
    artifacts: tuple[Path, ...] = ()


class StageError(RuntimeError):
    """A stage cannot do its work with what it was given; the message names the remedy."""
