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
from eap.stage import StageError, StageResult
from eap.tracking import flatten, initialise, log_summaries, parent_run, read_summaries, stage_run

PRESETS = Path(__file__).parents[2] / "workflow" / "presets"


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A new store; its folder does not exist before."""
    return f"sqlite:///{tmp_path_factory.mktemp('tracking')}/deep/mlflow.db"


@pytest.fixture(scope="module")
def sections() -> object:
    return load_stage("train-ant", stage_sections(load_config({}, PRESETS), "train-ant"))


def latest(uri: str) -> Run:
    """The last run that is nested in another."""
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("eap")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id], order_by=["attributes.start_time DESC"])
    return next(run for run in runs if "mlflow.parentRunId" in run.data.tags)


def test_initialise_is_done_once(uri: str) -> None:
    first = initialise(uri, "eap")
    assert initialise(uri, "eap") == first
    location = MlflowClient(uri).get_experiment(first).artifact_location
    assert location == (Path(uri.removeprefix("sqlite:///")).parent / "artifacts" / "eap").as_uri()


def test_a_finished_run_holds_metrics_params_tags_and_artifacts(uri: str, sections: object, tmp_path: Path) -> None:
    table, model = tmp_path / "splits.parquet", tmp_path / "model.txt"
    write_table(table, "splits", [])
    model.write_text("weights")
    with stage_run(uri, "eap", "base", "train-ant", sections, [table], 3) as run:
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
        with stage_run(uri, "eap", "base", "labels", sections, [], None) as run:
            run.log({"a": 1.0}, 0)
            raise ZeroDivisionError("broken")

    with pytest.raises(ZeroDivisionError, match="broken"):
        fail()
    found = latest(uri)
    assert (found.info.run_name, found.info.status, found.data.metrics) == ("labels", "FAILED", {"a": 1.0})
    assert (found.data.tags["seed"], found.data.tags["data_digest"]) == ("none", "none")


def test_an_interrupted_stage_is_marked_killed(uri: str, sections: object) -> None:
    def interrupt() -> None:
        with stage_run(uri, "eap", "base", "labels", sections, [], None):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupt()
    assert latest(uri).info.status == "KILLED"


def test_infinities_are_named(uri: str, sections: object, caplog: pytest.LogCaptureFixture) -> None:
    with stage_run(uri, "eap", "base", "labels", sections, [], None) as run:
        run.log({"fine": 1.0, "blown": float("inf")}, 7)
    assert "step 7: infinite" in caplog.text
    assert "blown" in caplog.text
    assert "fine" not in caplog.text
    assert latest(uri).data.metrics["blown"] == sys.float_info.max


def test_a_long_parameter_keeps_its_beginning_and_digest(uri: str) -> None:
    config = load_config({"report": {"title": "t" * 9000}}, PRESETS)
    with stage_run(uri, "eap", "base", "report", load_stage("report", stage_sections(config, "report")), [], None):
        pass
    title = latest(uri).data.params["report.title"]
    assert len(title) == 6000
    assert title.startswith("tttt")
    assert "9000 characters, digest" in title


def test_flatten_names_nested_keys() -> None:
    assert flatten({"a": {"b": 1, "c": {"d": None}}, "e": "x"}) == {"a.b": "1", "a.c.d": "null", "e": "x"}


def test_parallel_processes_share_an_initialised_store(uri: str, tmp_path: Path) -> None:
    parent_run(uri, initialise(uri, "parallel"), "base")
    script = (
        "import sys\nfrom eap.config import load_stage\nfrom eap.tracking import stage_run\n"
        "with stage_run(sys.argv[1], 'parallel', 'base', 'index', load_stage('index', sys.argv[2]), [], None) as run:\n"
        "    [run.log({'x': float(i)}, i) for i in range(1500)]\n"
    )
    sections = stage_sections(load_config({}, PRESETS), "index")
    jobs = [subprocess.Popen([sys.executable, "-c", script, uri, sections], cwd=tmp_path) for _ in range(2)]
    assert [job.wait(timeout=240) for job in jobs] == [0, 0]
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("parallel").experiment_id
    runs = client.search_runs([experiment], "tags.stage = 'index'")
    assert [run.info.status for run in runs] == ["FINISHED"] * 2
    assert [len(client.get_metric_history(run.info.run_id, "x")) for run in runs] == [1500] * 2


def test_runs_are_nested_in_their_experiments_run(uri: str, sections: object) -> None:
    experiment_id = initialise(uri, "nested")
    first, second = (parent_run(uri, experiment_id, name) for name in ("base", "no_metric"))
    assert first != second
    assert parent_run(uri, experiment_id, "base") == first
    for seed in (0, 1):
        with stage_run(uri, "nested", "no_metric", "train-ant", sections, [], seed) as run:
            run.finish(StageResult({"generated/lmd": 1.0 + seed}))
    client = MlflowClient(uri)
    children = client.search_runs([experiment_id], f"tags.`mlflow.parentRunId` = '{second}'")
    assert sorted(run.info.run_name for run in children) == ["train-ant seed=0", "train-ant seed=1"]
    assert client.get_run(second).info.run_name == "no_metric"


def test_a_parent_carries_means_and_intervals_under_the_names_of_its_seeds(uri: str, tmp_path: Path) -> None:
    rows = [
        {"experiment": "base", "metric": "lmd", "mean": 2.0, "std": 0.1, "low": 1.5, "high": 2.6},
        {"experiment": "base", "variant": "real", "metric": "ccc_valence/era", "mean": 0.5, "low": 0.4, "high": 0.6},
        {"experiment": "b", "metric": "lmd"},
    ]
    rows = [{"variant": "generated", **row} for row in rows]
    write_table(tmp_path / "summary.parquet", "summary", rows)
    log_summaries(uri, "summed", tmp_path / "summary.parquet")
    log_summaries(uri, "summed", tmp_path / "summary.parquet")  # a second run of the workflow makes no second parent
    client = MlflowClient(uri)
    experiment_id = client.get_experiment_by_name("summed").experiment_id
    parents = {run.info.run_name: run for run in client.search_runs([experiment_id])}
    assert sorted(parents) == ["b", "base"]
    assert {run.info.status for run in parents.values()} == {"FINISHED"}
    assert parents["base"].data.metrics == {
        "generated/lmd": 2.0, "generated/lmd/std": 0.1, "generated/lmd/low": 1.5, "generated/lmd/high": 2.6,
        "real/ccc_valence/era": 0.5, "real/ccc_valence/era/low": 0.4, "real/ccc_valence/era/high": 0.6,
    }  # fmt: skip
    found = read_summaries(uri, "summed").set_index(["experiment", "variant", "metric"])
    assert found.loc[("base", "generated", "lmd")].tolist() == [2.0, 0.1, 1.5, 2.6]
    assert math.isnan(found.loc[("base", "real", "ccc_valence/era"), "std"])


def test_a_store_without_a_summary_says_so(uri: str) -> None:
    with pytest.raises(StageError, match=r"no MLflow experiment 'nowhere'; name another with --experiment"):
        read_summaries(uri, "nowhere")
    initialise(uri, "empty")
    with pytest.raises(StageError, match="'empty' holds no summary yet"):
        read_summaries(uri, "empty")
