"""Trained models in MLflow's registry: usable by name, with signature, digests, metrics and card.

A registered version is an MLflow `pyfunc` model without pickle: `packaged_model.py` is its code, the safetensors file
its weights. One version per model file: what is evaluated again replaces the version's card and tags.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import mlflow.pyfunc
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, Schema

from eap.digest import file_sha256

CODE = Path(__file__).with_name("packaged_model.py")
FOLDER = "model"
SHA_TAG = "model_sha256"
SIGNATURE = ModelSignature(
    Schema(
        [
            ColSpec(DataType.string, "image"),
            ColSpec(DataType.string, "audio"),
            ColSpec(DataType.string, "out"),
            ColSpec(DataType.double, "intensity", required=False),
        ]
    ),
    Schema([ColSpec(DataType.string, "video"), ColSpec(DataType.long, "n_frames")]),
)
"""Paths of a picture, a voice and the video to write; strength of the emotion (1 where it is left out)."""


def register(client: MlflowClient, run_id: str, record: Mapping[str, Any], say: Callable[[str], None]) -> None:
    """Register a model file, or bring its version up to date if it is registered already.

    Parameters
    ----------
    run_id
        The evaluation's run, which holds the metrics.
    record
        ``name``, ``model`` and ``card`` (paths), ``sha256`` and ``tags``.
    """
    model, card = Path(record["model"]), Path(record["card"])
    if not model.is_file() or not card.is_file() or file_sha256(model) != record["sha256"]:
        say(f"{model}: is no longer the model that was evaluated; not registered")
        return
    name, text = record["name"], card.read_text(encoding="utf-8")
    tags = {**record["tags"], SHA_TAG: record["sha256"], "metrics_run": run_id}
    version = _version(client, name, record["sha256"])
    if version is None:
        with tempfile.TemporaryDirectory() as folder:
            packaged = Path(folder, FOLDER)
            mlflow.pyfunc.save_model(
                str(packaged), python_model=str(CODE), artifacts={"model": str(model), "card": str(card)},
                signature=SIGNATURE, pip_requirements=["eap"], metadata=dict(tags),
            )  # fmt: skip
            client.log_artifacts(run_id, str(packaged), FOLDER)
        client.create_model_version(name, f"runs:/{run_id}/{FOLDER}", run_id, tags=tags, description=text)
        return
    client.update_model_version(name, version.version, text)
    for key, value in tags.items():
        client.set_model_version_tag(name, version.version, key, value)


def _version(client: MlflowClient, name: str, sha256: str) -> ModelVersion | None:
    """The registered version of a model file; the registered model is made where it is absent."""
    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    versions = client.search_model_versions(f"name = '{name}'")
    return next((version for version in versions if version.tags.get(SHA_TAG) == sha256), None)
