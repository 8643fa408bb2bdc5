"""Runs in MLflow: the only module that imports it.

One parent run per configured experiment carries means and intervals; the runs of its seeds and stages are nested in it.
Training buffers its metrics and writes them in batches, so that a slow store does not slow the steps. Reports
are made from files; only `eap runs --store` reads the store back.
"""

from __future__ import annotations

import json
import logging
import math
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # before the import: MLflow phones home as it is imported
os.environ.setdefault("DO_NOT_TRACK", "true")

import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, Run
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID
from mlflow.utils.validation import (
    MAX_METRICS_PER_BATCH,
    MAX_PARAM_VAL_LENGTH,
    MAX_PARAMS_TAGS_PER_BATCH,
)
from pydantic import BaseModel

from eap.digest import git_sha, text_digest, value_digest
from eap.schemas import read_table, source_digest
from eap.stage import StageError, StageResult

SQLITE = "sqlite:///"
PARENT_TAG = "eap.experiment"
"""Tag of a parent run: the configured experiment whose seeds and stages are nested under it."""
SPREAD = ("std", "low", "high")
""""A parent's metric ``generated/lmd`` is the mean; ``generated/lmd/low`` and so on stand beside it."""

logger = logging.getLogger(__name__)
logging.getLogger("alembic").setLevel(logging.WARNING)  # a hundred lines of migrations in the first stage's log


class StageRun:
    """One stage's run: `log` while it works, `finish` when it is done.

    Parameters
    ----------
    client
        Connected to the store.
    run_id
        A run that is open.
    """

    def __init__(self, client: MlflowClient, run_id: str) -> None:
        self._client = client
        self._run_id = run_id
        self._buffer: list[Metric] = []

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """Buffer metrics of one step. NaN is kept; infinities are named, since the SQL store clamps them."""
        infinite = [name for name, value in metrics.items() if math.isinf(value)]
        if infinite:
            logger.warning("step %d: infinite, stored as the largest float: %s", step, ", ".join(infinite))
        now = int(time.time() * 1000)
        self._buffer.extend(Metric(name, float(value), now, step) for name, value in metrics.items())
        if len(self._buffer) >= MAX_METRICS_PER_BATCH:
            self.flush()

    def flush(self) -> None:
        """Write what is buffered, at most 1000 metrics per call of the store."""
        for start in range(0, len(self._buffer), MAX_METRICS_PER_BATCH):
            self._client.log_batch(self._run_id, metrics=self._buffer[start : start + MAX_METRICS_PER_BATCH])
        self._buffer.clear()

    def finish(self, result: StageResult) -> None:
        """Write the stage's summary and copy its artifacts."""
        self.log(result.metrics, 0)
        self.flush()
        for path in result.artifacts:
            self._client.log_artifact(self._run_id, str(path))


def initialise(uri: str, experiment: str) -> str:
    """Create the database and the experiment where they are absent; return the experiment's id.

    Several processes that create one database at once break its migration: call this once, from one process, before
    parallel jobs start (`onstart` of the workflow). Afterwards any number of processes may call it.

    Parameters
    ----------
    uri
        MLflow tracking URI. For ``sqlite:///path`` (relative paths start at the working directory) artifacts lie
        beside the database; a server decides itself where they lie.
    """
    location = None
    if uri.startswith(SQLITE):
        folder = Path(uri.removeprefix(SQLITE)).absolute().parent
        folder.mkdir(parents=True, exist_ok=True)
        location = (folder / "artifacts" / experiment).as_uri()
    client = MlflowClient(uri)
    found = client.get_experiment_by_name(experiment)
    return found.experiment_id if found else client.create_experiment(experiment, artifact_location=location)


def parent_run(uri: str, experiment_id: str, name: str) -> str:
    """Id of the run that holds all seeds and stages of a configured experiment; made where it is absent.

    Call it from one process before parallel jobs start (`eap init-tracking`): two at once could both make it.
    """
    client = MlflowClient(uri)
    found = client.search_runs([experiment_id], f"tags.`{PARENT_TAG}` = '{name}'", max_results=1)
    if found:
        return found[0].info.run_id
    tags = {PARENT_TAG: name, "stage": "all", "git_sha": git_sha()}
    return client.create_run(experiment_id, run_name=name, tags=tags).info.run_id


def log_summaries(uri: str, experiment: str, summary: Path) -> None:
    """Write every configured experiment's means, standard deviations and intervals into its parent run.

    A mean has the name that the runs of the seeds use, ``<variant>/<metric>``; `SPREAD` is appended for the rest.
    """
    experiment_id, client = initialise(uri, experiment), MlflowClient(uri)
    for name, rows in read_table(summary, "summary").groupby("experiment", sort=False):
        run_id = parent_run(uri, experiment_id, name)
        run = StageRun(client, run_id)
        for row in rows.to_dict("records"):
            metric = f"{row['variant']}/{row['metric']}"
            values = {metric: row["mean"], **{f"{metric}/{part}": row[part] for part in SPREAD}}
            run.log({key: value for key, value in values.items() if not math.isnan(value)}, 0)
        run.flush()
        client.set_terminated(run_id, status="FINISHED")


def read_summaries(uri: str, experiment: str) -> pd.DataFrame:
    """What `log_summaries` wrote: columns experiment, variant, metric, mean and `SPREAD` (NaN where absent).

    Raises
    ------
    StageError
        If there is no such experiment, or it holds no summary yet.
    """
    client = MlflowClient(uri)
    found = client.get_experiment_by_name(experiment)
    if found is None:
        raise StageError(f"{uri}: has no MLflow experiment {experiment!r}; name another with --experiment")
    rows = []
    for run in client.search_runs([found.experiment_id], f"tags.`{PARENT_TAG}` != ''"):
        metrics = run.data.metrics
        means = [key for key in metrics if "/" in key and key.rpartition("/")[2] not in SPREAD]
        for key in sorted(means):
            variant, _, metric = key.partition("/")
            spread = {part: metrics.get(f"{key}/{part}", math.nan) for part in SPREAD}
            name = run.data.tags[PARENT_TAG]
            rows.append({"experiment": name, "variant": variant, "metric": metric, "mean": metrics[key], **spread})
    if not rows:
        raise StageError(f"{uri}: MLflow experiment {experiment!r} holds no summary yet; run the workflow to its end")
    return pd.DataFrame(rows)


@contextmanager
def stage_run(
    uri: str, experiment: str, parent: str, stage: str, sections: BaseModel, inputs: Sequence[Path], seed: int | None
) -> Iterator[StageRun]:
    """A run that ends FINISHED, KILLED (interrupted) or FAILED (any other exception, which is raised again).

    Parameters
    ----------
    parent
        The configured experiment under whose run this one is nested.
    sections
        The stage's configuration: the run's parameters, flattened to ``section.key``.
    inputs
        Parquet tables whose source digests identify the data.
    seed
        None for stages without one.
    """
    experiment_id = initialise(uri, experiment)
    client = MlflowClient(uri)
    values = sections.model_dump(mode="json")
    tags = {
        "stage": stage,
        "seed": "none" if seed is None else str(seed),
        "git_sha": git_sha(),
        "config_digest": value_digest(values),
        "data_digest": value_digest([source_digest(path) for path in inputs]) if inputs else "none",
        MLFLOW_PARENT_RUN_ID: parent_run(uri, experiment_id, parent),
    }
    name = stage if seed is None else f"{stage} seed={seed}"
    opened: Run = client.create_run(experiment_id, run_name=name, tags=tags)
    run = StageRun(client, opened.info.run_id)
    status = "FAILED"
    try:
        params = [Param(key, _shorten(value)) for key, value in flatten(values).items()]
        for start in range(0, len(params), MAX_PARAMS_TAGS_PER_BATCH):
            client.log_batch(opened.info.run_id, params=params[start : start + MAX_PARAMS_TAGS_PER_BATCH])
        yield run
        status = "FINISHED"
    except KeyboardInterrupt:
        status = "KILLED"
        raise
    finally:
        try:
            run.flush()
        finally:
            client.set_terminated(opened.info.run_id, status=status)


def flatten(values: Mapping[str, object], prefix: str = "") -> dict[str, str]:
    """Nested settings as ``section.key``: value; text as it is, everything else as JSON."""
    flat: dict[str, str] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat.update(flatten(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = value if isinstance(value, str) else json.dumps(value)
    return flat


def _shorten(text: str) -> str:
    """A parameter that MLflow takes: a longer one keeps its beginning, its length and its digest."""
    if len(text) <= MAX_PARAM_VAL_LENGTH:
        return text
    tail = f"... ({len(text)} characters, digest {text_digest(text)})"
    return text[: MAX_PARAM_VAL_LENGTH - len(tail)] + tail
