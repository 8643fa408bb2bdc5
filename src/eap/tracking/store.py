"""The MLflow store: its database and experiment, one parent run per configured experiment, and what summaries it holds.

One parent run per configured experiment carries means and intervals; the runs of its seeds and stages are nested in it.
Reports are made from files; only `eap runs --store` reads the store back.
"""

from __future__ import annotations

import fcntl
import logging
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # before the import: MLflow phones home as it is imported
os.environ.setdefault("DO_NOT_TRACK", "true")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")

import pandas as pd
from mlflow import MlflowClient

from eap.digest import git_sha
from eap.stage import StageError
from eap.tracking.run_log import SPREAD

SQLITE = "sqlite:///"
PARENT_TAG = "eap.experiment"
"""Tag of a parent run: the configured experiment whose seeds and stages are nested under it."""

logging.getLogger("alembic").setLevel(logging.WARNING)  # a hundred lines of migrations


def initialise(uri: str, experiment: str) -> str:
    """Create the database and the experiment where they are absent; return the experiment's id.

    Processes that create one sqlite database at once would break its migration, so they take turns here.

    Parameters
    ----------
    uri
        MLflow tracking URI. For ``sqlite:///path`` (relative paths start at the working directory) artifacts lie
        beside the database; a server decides itself where they lie.
    """
    if not uri.startswith(SQLITE):
        return _experiment(uri, experiment, None)
    database = Path(uri.removeprefix(SQLITE)).absolute()
    database.parent.mkdir(parents=True, exist_ok=True)
    with _alone(database.with_name(f".{database.name}.lock")):
        return _experiment(uri, experiment, (database.parent / "artifacts" / experiment).as_uri())


def _experiment(uri: str, experiment: str, location: str | None) -> str:
    client = MlflowClient(uri)
    found = client.get_experiment_by_name(experiment)
    return found.experiment_id if found else client.create_experiment(experiment, artifact_location=location)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    with open(path, "w") as file:
        fcntl.lockf(file, fcntl.LOCK_EX)
        yield


def parent_run(uri: str, experiment_id: str, name: str) -> str:
    """Id of the run that holds all seeds and stages of a configured experiment; made where it is absent.

    Two processes at once could both make it: only the delivery calls this.
    """
    client = MlflowClient(uri)
    found = client.search_runs([experiment_id], f"tags.`{PARENT_TAG}` = '{name}'", max_results=1)
    if found:
        return found[0].info.run_id
    tags = {PARENT_TAG: name, "stage": "all", "git_sha": git_sha()}
    return client.create_run(experiment_id, run_name=name, tags=tags).info.run_id


def read_summaries(uri: str, experiment: str) -> pd.DataFrame:
    """What the parent runs hold: columns experiment, variant, metric, mean and `SPREAD` (NaN where absent).

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


def create_user(uri: str, name: str, password: str) -> None:
    """Make a user of a server that asks for passwords."""
    from mlflow.server import get_app_client

    get_app_client("basic-auth", tracking_uri=uri).create_user(name, password)
