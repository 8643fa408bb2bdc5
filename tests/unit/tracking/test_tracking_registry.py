"""Registered models: usable by name, without pickle, one version per model file."""

from __future__ import annotations

from pathlib import Path

import pytest
from mlflow import MlflowClient

from eap.digest import file_sha256
from eap.tracking.registry import register
from eap.tracking.store import initialise


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> MlflowClient:
    uri = f"sqlite:///{tmp_path_factory.mktemp('registry')}/mlflow.db"
    initialise(uri, "eap")
    return MlflowClient(uri, registry_uri=uri)


def record(folder: Path, weights: bytes) -> dict[str, object]:
    (folder / "model.safetensors").write_bytes(weights)
    (folder / "card.md").write_text("# Card of " + weights.decode())
    return {
        "name": "eap-base", "model": str(folder / "model.safetensors"), "card": str(folder / "card.md"),
        "sha256": file_sha256(folder / "model.safetensors"), "tags": {"seed": "0", "data_digest": "abc"},
    }  # fmt: skip


def run_of(client: MlflowClient) -> str:
    run = client.create_run(client.get_experiment_by_name("eap").experiment_id)
    client.log_metric(run.info.run_id, "generated/lmd", 2.5)
    return run.info.run_id


def test_a_version_has_signature_digests_metrics_and_card(
    client: MlflowClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow.models import Model

    said: list[str] = []
    first, again = run_of(client), run_of(client)
    register(client, first, record(tmp_path, b"one"), said.append)
    register(client, again, record(tmp_path, b"one"), said.append)  # evaluated again: no second version
    register(client, again, record(tmp_path, b"two"), said.append)
    found = {version.version: version for version in client.search_model_versions("name = 'eap-base'")}
    assert len(found) == 2
    assert said == []
    version = found[min(found)]
    assert version.description == "# Card of one"
    assert (version.tags["data_digest"], version.tags["metrics_run"]) == ("abc", again)
    assert client.get_run(version.run_id).data.metrics == {"generated/lmd": 2.5}
    folder = Path(client.download_artifacts(first, "model", str(tmp_path)))
    packaged = Model.load(folder)
    assert [column.name for column in packaged.signature.inputs] == ["image", "audio", "out", "intensity"]
    assert [column.name for column in packaged.signature.outputs] == ["video", "n_frames"]
    files = {path.name for path in folder.rglob("*") if path.is_file()}
    assert {"model.safetensors", "card.md", "packaged_model.py"} <= files
    assert not {name for name in files if name.endswith(("pkl", "pickle"))}


def test_a_model_that_was_replaced_is_not_registered_for_the_old_one(client: MlflowClient, tmp_path: Path) -> None:
    said: list[str] = []
    told = record(tmp_path, b"old") | {"name": "eap-other"}
    record(tmp_path, b"new")
    register(client, run_of(client), told, said.append)
    assert "no longer the model that was evaluated" in said[0]
    assert client.search_registered_models("name = 'eap-other'") == []


def test_a_loaded_model_makes_videos(client: MlflowClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is loaded by name calls `eap synthesize`'s function with each row's values."""
    import mlflow.pyfunc
    import pandas as pd

    from eap.inference import synthesize as module
    from eap.stage import StageResult

    asked = []

    def stand_in(request: object, *_: object) -> StageResult:
        asked.append(request)
        return StageResult({"n_frames": 25.0})

    monkeypatch.setattr(module, "synthesize", stand_in)
    run_id = run_of(client)
    register(client, run_id, record(tmp_path, b"three"), print)
    folder = client.download_artifacts(run_id, "model", str(tmp_path))
    table = pd.DataFrame([{"image": "a.png", "audio": "a.wav", "out": "a.mp4", "intensity": 0.5}])
    made = mlflow.pyfunc.load_model(folder).predict(table)
    assert made.to_dict("records") == [{"video": "a.mp4", "n_frames": 25}]
    assert asked[0].checkpoint.read_bytes() == b"three"
    assert (asked[0].image, asked[0].intensity) == (Path("a.png"), 0.5)
