"""Runs in MLflow: the only module that imports it.

Training buffers its metrics and writes them in batches, so that a slow store does not slow the steps. Nothing reads
the store back: reports are made from files.
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

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, Run
from mlflow.utils.validation import (
    MAX_METRICS_PER_BATCH,
    MAX_PARAM_VAL_LENGTH,
    MAX_PARAMS_TAGS_PER_BATCH,
)
from pydantic import BaseModel

from eap.digest import git_sha, text_digest, value_digest
from eap.schemas import source_digest
from eap.stage import StageResult

SQLITE = "sqlite:///"

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


@contextmanager
def stage_run(
    uri: str, experiment: str, stage: str, sections: BaseModel, inputs: Sequence[Path], seed: int | None
) -> Iterator[StageRun]:
    """A run that ends FINISHED, KILLED (interrupted) or FAILED (any other exception, which is raised again).

    Parameters
    ----------
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
