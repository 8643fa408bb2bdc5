"""Runs in a real sqlite store."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from eap.config import load_config, load_stage, stage_sections
from eap.digest import value_digest
from eap.schemas import source_digest, write_table
from eap.stage import StageResult
from eap.tracking import flatten, initialise, stage_run

PRESETS = Path(__file__).parents[2] / "workflow" / "presets"


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A new store; its folder does not exist before."""
    return f"sqlite:///{tmp_path_factory.mktemp('tracking')}/deep/mlflow.db"


@pytest.fixture(scope="module")
def sections() -> object:
    return load_stage("train-ant", stage_sections(load_config({}, PRESETS), "train-ant"))


def latest(uri: str) -> Run:
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("eap")
    assert experiment is not None
    return client.search_runs([experiment.experiment_id], order_by=["attributes.start_time DESC"], max_results=1)[0]


def test_initialise_is_done_once(uri: str) -> None:
    first = initialise(uri, "eap")
    assert initialise(uri, "eap") == first
    location = MlflowClient(uri).get_experiment(first).artifact_location
    assert location == (Path(uri.removeprefix("sqlite:///")).parent / "artifacts" / "eap").as_uri()


def test_a_finished_run_holds_metrics_params_tags_and_artifacts(uri: str, sections: object, tmp_path: Path) -> None:
    table, model = tmp_path / "splits.parquet", tmp_path / "model.txt"
    write_table(table, "splits", [])
    model.write_text("weights")
    with stage_run(uri, "eap", "train-ant", sections, [table], 3) as run:
        for step in range(700):
            run.log({"train/lip": float(step), "train/per": float("nan")}, step)
        run.finish(StageResult({"lip": 0.5}, (model,)))
    found = latest(uri)
    client = MlflowClient(uri)
    assert (found.info.run_name, found.info.status) == ("train-ant seed=3", "FINISHED")
    history = client.get_metric_history(found.info.run_id, "train/lip")
    assert [metric.value for metric in sorted(history, key=lambda metric: metric.step)] == [*range(700)]
    assert math.isnan(found.data.metrics["train/per"])
    assert found.data.metrics["lip"] == 0.5
    assert found.data.params["ant.epochs"] == "500"
    assert found.data.params["optimizer.betas"] == "[0.5, 0.999]"
    assert found.data.params["perceptual.network"] == "vgg19"
    assert found.data.tags["stage"] == "train-ant"
    assert found.data.tags["seed"] == "3"
    assert found.data.tags["config_digest"] == value_digest(sections.model_dump(mode="json"))
    assert found.data.tags["data_digest"] == value_digest([source_digest(table)])
    assert len(found.data.tags["git_sha"]) >= 7
    assert [artifact.path for artifact in client.list_artifacts(found.info.run_id)] == ["model.txt"]


def test_a_failing_stage_marks_the_run_keeps_its_metrics_and_raises(uri: str, sections: object) -> None:
    def fail() -> None:
        with stage_run(uri, "eap", "labels", sections, [], None) as run:
            run.log({"a": 1.0}, 0)
            raise ZeroDivisionError("broken")

    with pytest.raises(ZeroDivisionError, match="broken"):
        fail()
    found = latest(uri)
    assert (found.info.run_name, found.info.status, found.data.metrics) == ("labels", "FAILED", {"a": 1.0})
    assert (found.data.tags["seed"], found.data.tags["data_digest"]) == ("none", "none")


def test_an_interrupted_stage_is_marked_killed(uri: str, sections: object) -> None:
    def interrupt() -> None:
        with stage_run(uri, "eap", "labels", sections, [], None):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupt()
    assert latest(uri).info.status == "KILLED"


def test_infinities_are_named(uri: str, sections: object, caplog: pytest.LogCaptureFixture) -> None:
    with stage_run(uri, "eap", "labels", sections, [], None) as run:
        run.log({"fine": 1.0, "blown": float("inf")}, 7)
    assert "step 7: infinite" in caplog.text
    assert "blown" in caplog.text
    assert "fine" not in caplog.text
    assert latest(uri).data.metrics["blown"] == sys.float_info.max


def test_a_long_parameter_keeps_its_beginning_and_digest(uri: str) -> None:
    config = load_config({"report": {"title": "t" * 9000}}, PRESETS)
    with stage_run(uri, "eap", "report", load_stage("report", stage_sections(config, "report")), [], None):
        pass
    title = latest(uri).data.params["report.title"]
    assert len(title) == 6000
    assert title.startswith("tttt")
    assert "9000 characters, digest" in title


def test_flatten_names_nested_keys() -> None:
    assert flatten({"a": {"b": 1, "c": {"d": None}}, "e": "x"}) == {"a.b": "1", "a.c.d": "null", "e": "x"}


def test_parallel_processes_share_an_initialised_store(uri: str, tmp_path: Path) -> None:
    initialise(uri, "parallel")
    script = (
        "import sys\nfrom eap.config import load_stage\nfrom eap.tracking import stage_run\n"
        "with stage_run(sys.argv[1], 'parallel', 'index', load_stage('index', sys.argv[2]), [], None) as run:\n"
        "    [run.log({'x': float(i)}, i) for i in range(1500)]\n"
    )
    sections = stage_sections(load_config({}, PRESETS), "index")
    jobs = [subprocess.Popen([sys.executable, "-c", script, uri, sections], cwd=tmp_path) for _ in range(2)]
    assert [job.wait(timeout=240) for job in jobs] == [0, 0]
    client = MlflowClient(uri)
    runs = client.search_runs([client.get_experiment_by_name("parallel").experiment_id])
    assert [run.info.status for run in runs] == ["FINISHED"] * 2
    assert [len(client.get_metric_history(run.info.run_id, "x")) for run in runs] == [1500] * 2
