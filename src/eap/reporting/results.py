"""What the page is made from: every table of a run, read once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from eap.data.layout import PreparedData
from eap.experiments import BASE
from eap.schemas import read_table, table_note
from eap.stage import StageError

ONCE = {"student": "student", "sync": "sync", "judge": "controls"}
"""Stages that train once for all seeds, and what of table "experiments" says by whom."""
PER_SEED = ("ant", "era")
COMPARED = ("experiments", "summary", "breakdown", "comparisons", "probes")
EVALUATED = ("scores", "curves", "videos", "bias", "saturation", "embeddings", "grid")

Histories = dict[str, dict[str, dict[int | None, pd.DataFrame]]]
"""Experiment -> stage -> seed (None: trained once for all seeds) -> table "history"; only where an experiment trained
the stage itself."""


@dataclass(frozen=True)
class Results:
    """All tables. Those of one experiment, `scores` to `offsets`, are the base's, all seeds together."""

    root: Path
    files: tuple[tuple[str, Path], ...]  # table name, path
    weights: dict[str, str]  # SHA-256 of the weights of each published network that scored
    clips: pd.DataFrame
    splits: pd.DataFrame
    shapes: pd.DataFrame
    histories: Histories
    experiments: pd.DataFrame
    summary: pd.DataFrame
    breakdown: pd.DataFrame
    comparisons: pd.DataFrame
    probes: pd.DataFrame
    scores: pd.DataFrame
    curves: pd.DataFrame
    videos: pd.DataFrame  # of every experiment: it has a column of that name
    bias: pd.DataFrame
    saturation: pd.DataFrame
    embeddings: pd.DataFrame
    grid: pd.DataFrame
    offsets: pd.DataFrame

    @property
    def data(self) -> PreparedData:
        """The base's prepared data."""
        return PreparedData(self.root / "data")

    @property
    def own_summary(self) -> pd.DataFrame:
        """The base's rows of the summary."""
        return self.summary[self.summary["experiment"] == BASE]

    def folder(self, seed: int, experiment: str = BASE) -> Path:
        """Where the evaluation of a seed lies; paths in its tables are relative to it."""
        return self.root / "evaluation" / experiment / f"seed={seed}"


def read_results(root: Path, seeds: Sequence[int]) -> Results:
    """Read every table that the page shows.

    Raises
    ------
    StageError
        If a table is missing, holds rows of another seed, or no clip has a score.
    """
    data, reader = PreparedData(root / "data"), _Reader()
    tables = {name: reader.read(name, getattr(data, name)) for name in ("clips", "splits", "shapes")}
    reader.files.append(("labels", existing(data.labels)))  # too long to be held in memory as a whole
    for name in COMPARED:
        tables[name] = reader.read(name, root / "comparison" / f"{name}.parquet")
    histories = {
        row.experiment: _histories(reader, root, row, seeds)
        for row in tables["experiments"].itertuples()
    }  # fmt: skip
    for name in EVALUATED:
        tables[name] = _evaluated(reader, root, name, tables["experiments"], seeds)
    controls = tables["experiments"].set_index("experiment")["controls"][BASE]
    tables["offsets"] = reader.read("offsets", root / "controls" / controls / "offsets.parquet")
    if tables["scores"].empty:
        raise StageError(f"{root / 'evaluation'}: no seed has a score; run the evaluation again")
    return Results(root, tuple(reader.files), _weights(reader.files), histories=histories, **tables)


def _weights(files: Sequence[tuple[str, Path]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for path in (path for name, path in files if name == "scores"):
        found |= json.loads(table_note(path, "eap.weights") or "{}")
    return found


def existing(path: Path, seed: int | None = None) -> Path:
    """The path of a table that the page needs; an error if there is none."""
    if not path.is_file():
        remedy = "" if seed is None else f", or take {seed} out of `seeds`"
        raise StageError(f"{path}: missing, and the report needs it; run the workflow to its end{remedy}")
    return path


class _Reader:
    """Reads tables and remembers which."""

    def __init__(self) -> None:
        self.files: list[tuple[str, Path]] = []

    def read(self, name: str, path: Path, seed: int | None = None) -> pd.DataFrame:
        """A table; with `seed`, one that may hold no other seed's rows."""
        self.files.append((name, existing(path, seed)))
        table = read_table(path, name)
        if seed is not None and "seed" in table and not set(table["seed"].dropna()) <= {seed}:
            raise StageError(f"{path}: holds rows of another seed than {seed}; run the evaluation of this seed again")
        return table


def _histories(
    reader: _Reader, root: Path, row: object, seeds: Sequence[int]
) -> dict[str, dict[int | None, pd.DataFrame]]:  # fmt: skip
    """What an experiment trained itself, by stage."""
    name, found = row.experiment, {}
    for stage, thing in ONCE.items():
        if getattr(row, thing) == name:
            found[stage] = {None: reader.read("history", root / stage / name / "history.parquet")}
    for stage in PER_SEED:
        if getattr(row, stage, name) == name:
            folder = root / stage / name
            found[stage] = {
                seed: reader.read("history", folder / f"seed={seed}" / "history.parquet", seed) for seed in seeds
            }
    return found


def _evaluated(
    reader: _Reader, root: Path, name: str, experiments: pd.DataFrame, seeds: Sequence[int]
) -> pd.DataFrame:  # fmt: skip
    """One table of the base's evaluations, controls included; the videos of every experiment."""
    shown = experiments["experiment"] if name == "videos" else [BASE]
    parts = []
    for experiment in shown:
        for seed in seeds:
            path = root / "evaluation" / experiment / f"seed={seed}" / f"{name}.parquet"
            part = reader.read(name, path, seed)
            parts.append(part.assign(experiment=experiment) if name == "videos" else part)
    if name in ("scores", "curves"):
        controls = experiments.set_index("experiment")["controls"][BASE]
        parts.append(reader.read(name, root / "controls" / controls / f"{name}.parquet"))
    return pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)
