"""What several commands of the command line share: options, where runs are logged, a preset's values."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from eap.config import Config, ConfigError, deep_merge, load_config
from eap.experiments import BASE
from eap.urls import fill_in

Workers = Annotated[int, typer.Option(min=1, help="Processes.")]
Preset = Annotated[str, typer.Option(help="Preset whose values are taken.")]
Presets = Annotated[Path, typer.Option(exists=True, file_okay=False, help="Folder of the presets.")]
Override = Annotated[list[str], typer.Option(help="section.key=value on top of the preset; may be repeated.")]
Checkout = Annotated[Path, typer.Option(exists=True, file_okay=False, help="Folder of the Snakefile.")]
Prepared = Annotated[
    Path | None,
    typer.Option("--data", exists=True, file_okay=False, help="Prepared data; without, a phantom corpus is made."),
]

PRESETS = Path("workflow/presets")
N_CORES = os.cpu_count() or 1
LOGS = Path("results/tracking")
DELIVERY_S = 60
"""Longest wait of a command or workflow for its last lines to reach MLflow; they are kept in any case."""


@dataclass(frozen=True)
class Tracking:
    """Where runs are logged. `parent`: the run that holds all seeds and stages."""

    uri: str | None = None
    """MLflow store that this process sees to it that its log reaches; None: another process does, or nobody."""
    experiment: str = "eap"
    parent: str = BASE
    log: Path | None = None
    """Folder of local logs; None: nothing is tracked."""


def store_of(tracking: Tracking) -> str:
    """The store's URI with its secrets filled in."""
    if tracking.uri is None:
        raise ConfigError("name the MLflow store: --tracking URI before the command")
    try:
        return fill_in(tracking.uri)
    except ValueError as error:
        raise ConfigError(f"tracking.uri: {error}") from None


def configured(preset: str | Mapping[str, Any], presets: Path, override: Sequence[str]) -> Config:
    """A preset, or the values of a config.yaml, with values laid over it."""
    import yaml

    values: dict[str, Any] = deep_merge({}, {"preset": preset} if isinstance(preset, str) else preset)
    for item in override:
        key, equals, value = item.partition("=")
        section, dot, name = key.partition(".")
        if not (equals and dot):
            raise ConfigError(f"--override {item!r}: write section.key=value, e.g. phantom.identities=60")
        values.setdefault(section, {})[name] = yaml.safe_load(value)
    return load_config(values, presets)
