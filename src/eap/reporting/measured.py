"""The tables behind ``results.md``: small enough to be committed, and all that its figures are computed from.

Seeds may be measured one after the other, on other days and other machines: each is added to those that were kept
before, if all were made from the same values.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from eap.config import Config, stage_sections
from eap.digest import file_sha256, value_digest
from eap.experiments import Experiments, made_from
from eap.files import atomic_path, write_text
from eap.schemas import check_table
from eap.stage import StageError
from eap.training.checkpoint import read_record

PER_SEED = ("scores", "curves", "bias", "saturation")
CONTROLS = ("scores", "curves")
RECORD = "made_from.json"


def keep(results: Path, experiments: Experiments, measured: Path) -> list[int]:
    """Copy the tables of a run's seeds that all experiments have scored; they stand for older ones of equal number.

    Parameters
    ----------
    results
        Folder of all results of a run of the preset.
    measured
        Where they are kept: ``controls/<experiment>/`` and ``evaluation/<experiment>/seed=<n>/``, as in `results`.

    Returns
    -------
    list of int
        The seeds that were copied.

    Raises
    ------
    StageError
        If no seed was scored, or a model was trained with other values than the preset's.
    """
    seeds = sorted(set.intersection(*(_scored(results, name) for name in experiments.configs)))
    if not seeds:
        raise StageError(f"{results}: no seed is scored (in every experiment); run the workflow to its end first")
    for name, config in experiments.configs.items():
        for seed in seeds:
            model = results / "era" / name / f"seed={seed}" / "model.safetensors"
            record = read_record(model, "train-era")
            if record["config"] != json.loads(stage_sections(config, "train-era")):
                raise StageError(
                    f"{model} was trained with other values than the preset's; run the preset as it is, or save yours "
                    "as a preset of its own"
                )
            folder = Path("evaluation") / name / f"seed={seed}"
            _copy(results / folder, measured / folder, PER_SEED)
            judge = results / "judge" / experiments.maker("controls", name) / "model.safetensors"
            made = {
                "values": values(config),
                "git_sha": record["git_sha"],
                "model_sha256": file_sha256(model),
                "judge_sha256": file_sha256(judge),
            }
            write_text(measured / folder / RECORD, json.dumps(made, indent=2) + "\n")
    for name in experiments.makers("controls"):
        _copy(results / "controls" / name, measured / "controls" / name, CONTROLS)
    return seeds


class Kept(NamedTuple):
    """The seeds that a folder keeps, and what made them."""

    seeds: list[int]
    trees: list[str]
    """Source trees that trained the models."""
    n_judges: int
    """Trainings of judge "faces": one, unless seeds come from machines that compute differently."""

    def text(self, wanted: Sequence[int]) -> str:
        """A sentence for readers; `wanted`: the seeds that the preset asks for."""
        left = sorted(set(wanted) - set(self.seeds))
        seeds = f"Seeds {_listed(self.seeds)}{f' (of the preset {_listed(left)} are not measured)' if left else ''}"
        judges = f", read by {self.n_judges} trainings of the judge" if self.n_judges > 1 else ""
        return f"{seeds}, trained by source tree {', '.join(f'`{tree}`' for tree in self.trees)}{judges}."


def kept(measured: Path, experiments: Experiments) -> Kept:
    """What a folder keeps.

    Raises
    ------
    StageError
        If there is none, or one was made from other values than the preset's of today.
    """
    seeds = sorted(set.intersection(*(_scored(measured, name) for name in experiments.configs)))
    if not seeds:
        raise StageError(f"{measured}: no seed is kept there; run the workflow, then `eap results` without --kept")
    trees, judges = set(), set()
    for name, config in experiments.configs.items():
        for seed in seeds:
            folder = measured / "evaluation" / name / f"seed={seed}"
            made = json.loads((folder / RECORD).read_text(encoding="utf-8"))
            if made["values"] != values(config):
                raise StageError(
                    f"{folder}: measured with other values than the preset has now, so it cannot stand beside others; "
                    f"remove {measured}, and measure all seeds again"
                )
            trees.add(made["git_sha"])
            judges.add((experiments.maker("controls", name), made["judge_sha256"]))
    return Kept(seeds, sorted(trees), len(judges) - len({maker for maker, _ in judges}) + 1)


def values(config: Config) -> str:
    """Digest of what a seed's figures depend on: how it was trained, on which data, and how it was scored."""
    own = config.model_dump(mode="json")
    corpus = [own["data"]["dataset"], own["phantom"], own["split"]]
    return value_digest([made_from("era", config), made_from("controls", config), *corpus])


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))


def _scored(root: Path, name: str) -> set[int]:
    paths = (root / "evaluation" / name).glob("seed=*/scores.parquet")
    return {int(path.parent.name.partition("=")[2]) for path in paths}


def _copy(source: Path, target: Path, names: Sequence[str]) -> None:
    for name in names:
        table = source / f"{name}.parquet"
        check_table(table, name)
        with atomic_path(target / table.name) as temporary:
            temporary.write_bytes(table.read_bytes())
