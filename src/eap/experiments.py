"""Several experiments in one workflow: the configuration (``base``) and what its `experiments` lists beside it.

Each experiment is the base with some keys laid over it (an ablation is a value), or another preset with the run's own
keys and then the experiment's laid over that. All train the same seeds on the same corpus and are scored on the same
test clips by the same protocol: otherwise clips could not be paired. What two experiments make from equal values is
made once, by the earlier one, and used by both (`Experiments.maker`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eap.config import Config, ConfigError, deep_merge, merge_values, validate_config
from eap.digest import value_digest

BASE = "base"

SHARED = ("seeds", "data", "download", "phantom", "split", "evaluation", "report", "tracking")
"""Keys that no experiment may change: they decide on which clips, and how, all are compared."""

ERA_LOSSES = (
    "metric", "inten", "cls", "e_adv", "norm", "decode", "margin", "temperature", "metric_form", "inten_form",
    "inten_target", "intensity", "judged_at",
)  # fmt: skip
"""Keys of section `loss` that the ANT phase does not read, so that an ablation of ERA keeps ANT."""

MADE = ("data", "student", "sync", "ant", "era", "controls")
"""What an experiment makes, or takes from an earlier one."""


@dataclass(frozen=True)
class Experiments:
    """The configuration of every experiment, `BASE` first."""

    configs: Mapping[str, Config]

    @property
    def base(self) -> Config:
        """What the run's configuration says without its experiments."""
        return self.configs[BASE]

    def maker(self, thing: str, name: str) -> str:
        """The experiment that makes `thing` (one of `MADE`) for experiment `name`: the first with equal values."""
        wanted = made_from(thing, self.configs[name])
        return next(other for other, config in self.configs.items() if made_from(thing, config) == wanted)

    def makers(self, thing: str) -> list[str]:
        """The experiments that make their own `thing`."""
        return [name for name in self.configs if self.maker(thing, name) == name]

    def changes(self, name: str) -> dict[str, Any]:
        """``section.key``: value, wherever an experiment differs from the base."""
        base = _flat(self.base.model_dump(mode="json"))
        own = _flat(self.configs[name].model_dump(mode="json"))
        return {key: value for key, value in own.items() if base.get(key) != value and key != "preset"}

    def describe(self) -> str:
        """All of it as one line of JSON: per experiment, whose files it uses and what it changes."""
        told = {
            name: {"changes": self.changes(name), **{thing: self.maker(thing, name) for thing in MADE}}
            for name in self.configs
        }
        return json.dumps(told)


def made_from(thing: str, config: Config) -> str:
    """Digest of the values from which an experiment makes `thing`; equal digests, equal files.

    Left out where a stage reads a section but not all of it: of `model` the student, the sync expert, judge "faces" and
    the controls (of which that judge is counted) read the size of the pictures; of `loss` the ANT phase reads all but
    `ERA_LOSSES`; the split checks by `ant.neutralization`, but does not depend on it.
    """
    values = config.model_dump(mode="json")

    def of(*keys: str) -> dict[str, Any]:
        return {key: values[key] for key in keys}

    prepared = of("emotions", "video", "audio", "landmarks", "labels")
    seen = {**prepared, "image_size": config.model.image_size, "compute": values["compute"]}
    student, sync = {**seen, **of("student")}, {**seen, **of("sync")}
    ant_losses = {key: value for key, value in values["loss"].items() if key not in ERA_LOSSES}
    ant = {**student, **of("model", "perceptual", "critics", "ant", "optimizer", "engine"), "loss": ant_losses}
    known: dict[str, Any] = {
        "data": prepared,
        "student": student,
        "sync": sync,
        "ant": ant,
        "era": {**ant, **of("loss", "era")},
        "controls": {**sync, **of("evaluation", "judge")},
    }
    return value_digest(known[thing])


def load_experiments(overrides: Mapping[str, Any], presets: Path) -> Experiments:
    """The base and every listed experiment, all validated.

    Parameters
    ----------
    overrides
        The user's keys, among them `preset` and `experiments`.
    presets
        Folder of the presets.

    Raises
    ------
    ConfigError
        If a value is wrong (the key is then ``experiments.<name>.<key>``), or an experiment changes what all share,
        nothing at all, or nothing that is trained.
    """
    base = validate_config(merge_values(overrides, presets))
    configs = {BASE: base}
    own = {key: value for key, value in overrides.items() if key != "experiments"}
    for name, overlay in base.experiments.items():
        where = f"experiments.{name}"
        if name == BASE:
            raise ConfigError(f"{where}: this name is taken by the configuration itself; choose another")
        try:
            values = merge_values(deep_merge(own, overlay), presets)
            config = validate_config({**values, "experiments": {}})
        except ConfigError as error:
            raise ConfigError(f"{where}: {error}") from None
        _check(where, overlay, base, config)
        configs[name] = config
    found = Experiments(configs)
    for name in configs:
        twin = found.maker("era", name)
        if twin != name:
            raise ConfigError(f"experiments.{name}: trains exactly what {twin!r} trains; change a value, or drop it")
    return found


def _check(where: str, overlay: Mapping[str, Any], base: Config, config: Config) -> None:
    if "experiments" in overlay:
        raise ConfigError(f"{where}.experiments: an experiment cannot hold experiments; list them side by side")
    changed = [key for key in SHARED if getattr(config, key) != getattr(base, key)]
    if changed:
        raise ConfigError(
            f"{where}.{changed[0]}: all experiments share {', '.join(SHARED)}, so that the same clips are compared; "
            f"take {', '.join(changed)} out of the experiment, or change it for the whole run"
        )


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if key == "experiments" and not prefix:
            continue
        if isinstance(value, Mapping):
            flat.update(_flat(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = value
    return flat
