"""The tables behind ``results.md``: small enough to be committed, and all that its figures are computed from.

Seeds may be measured one after the other, on other days and other machines: each is added to those that were kept
before, if all were made from the same values.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from eap.config import Config, stage_sections
from eap.digest import file_sha256, value_digest
from eap.evaluation.scores import require_model
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
        If no seed was scored, a table is missing, a model was trained with other values than the preset's, scores are
        of another model, or seeds that stay were measured with other values; nothing is copied then.
    TableError
        If a table is damaged; nothing is copied then, either.
    """
    seeds = _seeds(results, experiments, "scores.parquet")
    if not seeds:
        raise StageError(f"{results}: no seed is scored (in every experiment); run the workflow to its end first")
    _made_from(measured, experiments, sorted(set(_seeds(measured, experiments, RECORD)) - set(seeds)))
    records = {
        (name, seed): read_record(results / "era" / name / f"seed={seed}" / "model.safetensors", "train-era")
        for name in experiments.configs
        for seed in seeds
    }
    for (name, seed), record in records.items():
        if record["config"] != json.loads(stage_sections(experiments.configs[name], "train-era")):
            raise StageError(
                f"{results / 'era' / name}, seed {seed}: the model was trained with other values than the preset's; "
                "run the preset as it is, or save yours as a preset of its own"
            )
    made: dict[Path, dict[str, str]] = {}
    for (name, seed), record in records.items():
        folder = Path("evaluation") / name / f"seed={seed}"
        model_sha256 = file_sha256(results / "era" / name / f"seed={seed}" / "model.safetensors")
        _check(results / folder, PER_SEED)
        for table in PER_SEED:
            require_model(results / folder / f"{table}.parquet", model_sha256)
        judge = results / "judge" / experiments.maker("controls", name) / "model.safetensors"
        made[folder] = {
            "values": values(experiments.configs[name]),
            "git_sha": record["git_sha"],
            "model_sha256": model_sha256,
            "judge_sha256": file_sha256(judge),
        } | ({"start_sha256": record["start"]} if record.get("start") else {})
    controls = [Path("controls") / name for name in experiments.makers("controls")]
    for folder in controls:
        _check(results / folder, CONTROLS)
    for folder in made:
        (measured / folder / RECORD).unlink(missing_ok=True)  # a seed without it is not whole
    for folder in controls:
        _copy(results / folder, measured / folder, CONTROLS)
    for folder, what in made.items():
        _copy(results / folder, measured / folder, PER_SEED)
        write_text(measured / folder / RECORD, json.dumps(what, indent=2) + "\n")
    return seeds


class Kept(NamedTuple):
    """The seeds that a folder keeps, and what made them."""

    seeds: list[int]
    trees: list[str]
    """Source trees that trained the models."""
    n_judges: int
    """Trainings of judge "faces": one, unless seeds come from machines that compute differently."""
    n_starts: int
    """Trainings of the ANT that all start from (`ant.start_from`); 1 where there is none, too."""

    def text(self, wanted: Sequence[int]) -> str:
        """A sentence for readers; `wanted`: the seeds that the preset asks for."""
        left = sorted(set(wanted) - set(self.seeds))
        absent = f" (the preset also asks for {_listed(left)}: not measured)" if left else ""
        trees = ", ".join(f"`{tree}`" for tree in self.trees)
        judges = f", read by {self.n_judges} trainings of the judge" if self.n_judges > 1 else ""
        starts = f", begun at {self.n_starts} trainings of the start" if self.n_starts > 1 else ""
        return f"Seeds {_listed(self.seeds)}{absent}, trained by source tree {trees}{starts}{judges}."


def kept(measured: Path, experiments: Experiments) -> Kept:
    """What a folder keeps.

    Raises
    ------
    StageError
        If there is none, or one was made from other values than the preset's of today.
    """
    seeds = _seeds(measured, experiments, RECORD)
    if not seeds:
        raise StageError(f"{measured}: no seed is kept there; run the workflow, then `eap results` without --kept")
    made = _made_from(measured, experiments, seeds)
    trees = sorted({record["git_sha"] for _, record in made})
    judges = {(experiments.maker("controls", name), record["judge_sha256"]) for name, record in made}
    starts = {(name, record.get("start_sha256")) for name, record in made}
    return Kept(seeds, trees, _most_of_one(judges), _most_of_one(starts))


def _made_from(measured: Path, experiments: Experiments, seeds: Sequence[int]) -> list[tuple[str, dict[str, str]]]:
    """Experiment and record of kept seeds; an error if their values are not the preset's of today."""
    made = []
    for name, config in experiments.configs.items():
        for seed in seeds:
            folder = measured / "evaluation" / name / f"seed={seed}"
            record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
            if record["values"] != values(config):
                raise StageError(
                    f"{folder}: measured with other values than the preset has now, so it cannot stand beside others; "
                    f"remove {measured}, and measure all seeds again"
                )
            made.append((name, record))
    return made


def values(config: Config) -> str:
    """Digest of what a seed's figures depend on: how it was trained, on which data, and how it was scored."""
    own = config.model_dump(mode="json")
    corpus = [own["data"]["dataset"], own["phantom"], own["split"]]
    return value_digest([made_from("era", config), made_from("controls", config), *corpus])


def _most_of_one(trainings: set[tuple[str, str | None]]) -> int:
    """How many trainings, at most, stand under one name."""
    return max(Counter(name for name, _ in trainings).values())


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))


def _seeds(root: Path, experiments: Experiments, mark: str) -> list[int]:
    """The seeds whose folder holds `mark` in every experiment."""
    found = [
        {int(path.parent.name.partition("=")[2]) for path in (root / "evaluation" / name).glob(f"seed=*/{mark}")}
        for name in experiments.configs
    ]
    return sorted(set.intersection(*found))


def _check(folder: Path, names: Sequence[str]) -> None:
    for name in names:
        table = folder / f"{name}.parquet"
        if not table.is_file():
            raise StageError(f"{table} is missing; run the workflow to its end first")
        check_table(table, name)


def _copy(source: Path, target: Path, names: Sequence[str]) -> None:
    for name in names:
        table = source / f"{name}.parquet"
        with atomic_path(target / table.name) as temporary:
            temporary.write_bytes(table.read_bytes())
