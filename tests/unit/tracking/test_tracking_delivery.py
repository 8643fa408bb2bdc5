"""Delivery into a real sqlite store: everything once, whatever fails in between."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import pytest
import requests
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from eap.config import load_config, load_stage, stage_sections
from eap.schemas import write_table
from eap.stage import StageError, StageResult
from eap.tracking import delivery as module
from eap.tracking.delivery import Delivery, follow, read_lines, shorten
from eap.tracking.pending import Cursor, cursor_path, only_one, read_cursor, refused, unsent, wait
from eap.tracking.run_log import log_summaries, stage_log
from eap.tracking.store import initialise, read_summaries

PRESETS = Path(__file__).parents[3] / "workflow" / "presets"
HEADER = {"run": "f" * 32, "parent": "base", "name": "train-ant seed=0", "start_ms": 1000,
          "tags": {"stage": "train-ant"}, "params": {"ant.epochs": "500", "long": "t" * 9000}}  # fmt: skip


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A new store; its folder does not exist before."""
    return f"sqlite:///{tmp_path_factory.mktemp('tracking')}/deep/mlflow.db"


@pytest.fixture
def experiment(request: pytest.FixtureRequest) -> str:
    """An experiment for each test, all in one store."""
    return request.node.name


def deliver(folder: Path, uri: str, said: list[str] | None = None) -> None:
    Delivery(folder, uri, uri, (said if said is not None else []).append).send_all()


def runs(uri: str, experiment: str) -> dict[str, Run]:
    client = MlflowClient(uri)
    found = client.search_runs([client.get_experiment_by_name(experiment).experiment_id])
    assert len({run.info.run_name for run in found}) == len(found)
    return {run.info.run_name: run for run in found}


def write(folder: Path, *records: object, name: str = "1-x-f.jsonl") -> Path:
    folder.mkdir(exist_ok=True)
    log = folder / name
    log.write_text("".join(json.dumps(record) + "\n" for record in records))
    return log


def metric(step: int, **values: float) -> dict[str, object]:
    return {"m": values, "s": step, "t": 2000 + step}


def test_a_finished_run_arrives_whole(tmp_path: Path, uri: str, experiment: str) -> None:
    model = tmp_path / "model.txt"
    model.write_text("weights")
    sections = load_stage("train-ant", stage_sections(load_config({}, PRESETS), "train-ant"))
    with stage_log(tmp_path / "logs", experiment, "base", "train-ant", sections, [], 3) as run:
        for step in range(1200):
            run.log({"train/lip": float(step), "train/per": math.nan}, step)
        run.log({"blown": math.inf}, 0)
        run.finish(StageResult({"lip": 0.5}, (model,)))
    deliver(tmp_path / "logs", uri)
    found = runs(uri, experiment)
    assert set(found) == {"base", "train-ant seed=3"}
    run, client = found["train-ant seed=3"], MlflowClient(uri)
    assert run.info.status == "FINISHED"
    assert run.data.tags["mlflow.parentRunId"] == found["base"].info.run_id
    history = client.get_metric_history(run.info.run_id, "train/lip")
    assert [entry.value for entry in sorted(history, key=lambda entry: entry.step)] == [*range(1200)]
    assert math.isnan(run.data.metrics["train/per"])
    assert (run.data.metrics["lip"], run.data.metrics["blown"]) == (0.5, sys.float_info.max)
    assert run.data.params["ant.epochs"] == "500"
    assert (run.data.tags["seed"], run.data.tags["data_digest"]) == ("3", "none")
    assert [artifact.path for artifact in client.list_artifacts(run.info.run_id)] == ["model.txt"]
    assert unsent(tmp_path / "logs", uri) == []


def test_a_delivery_that_dies_anywhere_repeats_nothing(
    tmp_path: Path, uri: str, experiment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each call reaches the store, but its answer or the cursor behind it is lost, once per place."""
    monkeypatch.setattr(module, "MAX_METRICS_PER_BATCH", 50)
    artifact = tmp_path / "a.txt"
    artifact.write_text("a")
    state = {"size": 1, "mtime_ns": artifact.stat().st_mtime_ns}
    write(
        tmp_path / "logs", {**HEADER, "experiment": experiment}, *[metric(step, a=step / 3) for step in range(170)],
        {"artifact": str(artifact), **state}, {"end": "FINISHED", "t": 5000},
    )  # fmt: skip
    deaths = 0
    for name in ("create_run", "log_batch", "log_artifact", "set_terminated", "write_cursor"):
        place = module if name == "write_cursor" else MlflowClient
        for after in range(8):
            calls = 0
            real = getattr(place, name)

            def dies(
                *arguments: object, real: object = real, name: str = name, after: int = after, **named: object
            ) -> object:
                nonlocal calls
                calls += 1
                if name == "write_cursor" and calls > after:
                    raise OSError("the machine is gone")
                done = real(*arguments, **named)
                if calls > after:
                    raise requests.ConnectionError("no answer")
                return done

            if not unsent(tmp_path / "logs", uri):
                cursor_path(tmp_path / "logs/1-x-f.jsonl", uri).unlink()  # once more, all from the beginning
            with monkeypatch.context() as patch:
                patch.setattr(place, name, dies)
                try:
                    deliver(tmp_path / "logs", uri)
                except (requests.ConnectionError, OSError):
                    deaths += 1
    deliver(tmp_path / "logs", uri)
    run = runs(uri, experiment)["train-ant seed=0"]
    history = MlflowClient(uri).get_metric_history(run.info.run_id, "a")
    assert sorted((entry.step, entry.value) for entry in history) == [(step, step / 3) for step in range(170)]
    assert (run.info.status, run.info.end_time) == ("FINISHED", 5000)
    assert deaths >= 12


def test_a_run_that_goes_on_arrives_in_parts_and_a_killed_one_ends(
    tmp_path: Path, uri: str, experiment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = write(tmp_path, {**HEADER, "experiment": experiment}, metric(1, a=1.0))
    with open(log, "a") as file:
        file.write('{"m": {"a": 2.0}, "s": 2, ')  # a line that is being written
    with monkeypatch.context() as patch:
        patch.setattr(module, "writer_is_gone", lambda *_: False)  # the job lives
        deliver(tmp_path, uri)
    assert runs(uri, experiment)["train-ant seed=0"].info.status == "RUNNING"
    with open(log, "a") as file:
        file.write('"t": 2002}\n')
    deliver(tmp_path, uri)  # nobody holds the log: the job is dead
    run = runs(uri, experiment)["train-ant seed=0"]
    assert (run.info.status, run.info.end_time, run.data.metrics["a"]) == ("KILLED", 2002, 2.0)


def test_a_damaged_line_is_named_and_the_others_arrive(tmp_path: Path, uri: str, experiment: str) -> None:
    log = write(tmp_path, {**HEADER, "experiment": experiment}, metric(1, a=1.0))
    with open(log, "ab") as file:
        file.write(b'{"m": {"a"\n\n\0\0\0\n' + json.dumps(metric(3, a=3.0)).encode() + b"\n")
    said: list[str] = []
    deliver(tmp_path, uri, said)
    history = MlflowClient(uri).get_metric_history(runs(uri, experiment)["train-ant seed=0"].info.run_id, "a")
    assert sorted(entry.step for entry in history) == [1, 3]
    assert sum("is damaged and left out" in text for text in said) >= 2


def test_what_the_store_will_never_take_is_named_and_holds_up_no_other_run(
    tmp_path: Path, uri: str, experiment: str
) -> None:
    write(tmp_path, {**HEADER, "experiment": experiment}, {"m": {"no\nname": 1.0}, "s": 0, "t": 1}, name="1-x-a.jsonl")
    other = {**HEADER, "experiment": experiment, "run": "e" * 32, "name": "other"}
    write(tmp_path, other, {"end": "FINISHED", "t": 5}, name="2-x-b.jsonl")
    said: list[str] = []
    deliver(tmp_path, uri, said)
    assert runs(uri, experiment)["other"].info.status == "FINISHED"
    assert "1-x-a.jsonl: refused by the store" in said[0]
    assert list(refused(tmp_path, uri)) == [tmp_path / "1-x-a.jsonl"]
    assert "refused by the store" in wait(tmp_path, uri, 0)


def test_a_server_without_access_or_answer_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is marked as refused; `follow` says what is wrong, once, and goes on."""
    log = write(tmp_path, {**HEADER, "experiment": "x"}, metric(1, a=1.0))

    def refuse(*_: object) -> None:
        raise MlflowException("who are you?", error_code=16)  # unauthenticated

    monkeypatch.setattr("eap.tracking.store.initialise", refuse)
    said: list[str] = []
    told: list[str | None] = []
    delivery = Delivery(tmp_path, "http://127.0.0.1:9", "server", said.append)
    rounds = iter([True, True, True, False, False, False, False])
    assert not follow(delivery, lambda: next(rounds), 0.01, told.append)
    assert len(said) == len(told) == 1
    assert "does not answer" in said[0]
    assert read_cursor(cursor_path(log, "server")) == Cursor()
    assert "1 runs wait" in wait(tmp_path, "server", 0)


def test_a_changed_artifact_is_not_sent_for_the_old_one(tmp_path: Path, uri: str, experiment: str) -> None:
    changed = tmp_path / "a.txt"
    changed.write_text("new")
    write(
        tmp_path / "logs", {**HEADER, "experiment": experiment}, {"artifact": str(changed), "size": 1, "mtime_ns": 1}
    )  # fmt: skip
    said: list[str] = []
    deliver(tmp_path / "logs", uri, said)
    assert "is no longer what the run made" in said[0]


def test_another_store_gets_everything_too(tmp_path: Path, uri: str, experiment: str) -> None:
    write(tmp_path, {**HEADER, "experiment": experiment}, {"end": "FINISHED", "t": 5})
    deliver(tmp_path, uri)
    assert unsent(tmp_path, uri) == []
    assert len(unsent(tmp_path, "sqlite:///another.db")) == 1


def test_one_delivery_at_a_time(tmp_path: Path) -> None:
    import subprocess

    script = (
        "import sys\nfrom pathlib import Path\nfrom eap.tracking.pending import only_one\n"
        "with only_one(Path(sys.argv[1]), 'uri') as lock:\n    print(lock is None)\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    with only_one(tmp_path, "uri") as lock:
        assert lock is not None
        assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "True\n"
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "False\n"


def test_summaries_reach_their_parents_and_are_read_back(tmp_path: Path, uri: str, experiment: str) -> None:
    rows = [
        {"experiment": "base", "variant": "generated", "metric": "lmd", "mean": 2.0, "std": 0.1, "low": 1.5, "high": 3},
        {"experiment": "b", "variant": "real", "metric": "ccc_valence/era", "mean": 0.5, "low": 0.4, "high": 0.6},
    ]
    write_table(tmp_path / "summary.parquet", "summary", rows)
    for _ in range(2):  # a second run of the workflow makes no second parent
        log_summaries(tmp_path, experiment, tmp_path / "summary.parquet")
        deliver(tmp_path, uri)
    assert {run.info.status for run in runs(uri, experiment).values()} == {"FINISHED"}
    found = read_summaries(uri, experiment).set_index(["experiment", "variant", "metric"])
    assert found.loc[("base", "generated", "lmd")].tolist() == [2.0, 0.1, 1.5, 3.0]
    assert math.isnan(found.loc[("b", "real", "ccc_valence/era"), "std"])


def test_a_store_without_a_summary_says_so(uri: str) -> None:
    with pytest.raises(StageError, match=r"no MLflow experiment 'nowhere'; name another with --experiment"):
        read_summaries(uri, "nowhere")
    initialise(uri, "empty")
    with pytest.raises(StageError, match="'empty' holds no summary yet"):
        read_summaries(uri, "empty")


def test_artifacts_of_sqlite_lie_beside_it(uri: str) -> None:
    location = MlflowClient(uri).get_experiment(initialise(uri, "place")).artifact_location
    assert location == (Path(uri.removeprefix("sqlite:///")).parent / "artifacts" / "place").as_uri()


def test_a_long_parameter_keeps_its_beginning_and_digest() -> None:
    short = shorten("t" * 9000)
    assert len(short) == 6000
    assert short.startswith("tttt")
    assert "9000 characters, digest" in short


def test_lines_know_where_they_end(tmp_path: Path) -> None:
    log = write(tmp_path, {"a": 1}, {"b": "ü"})
    first, second = read_lines(log, 0, print)
    assert [line.record for line in read_lines(log, first.end, print)] == [{"b": "ü"}]
    assert second.end == log.stat().st_size


def test_a_log_that_is_held_is_not_taken_for_a_killed_jobs(tmp_path: Path) -> None:
    import subprocess

    from eap.tracking.pending import writer_is_gone

    script = (
        "import sys\nfrom pathlib import Path\nfrom eap.tracking.run_log import RunLog\n"
        "run = RunLog(Path(sys.argv[1]), 'x', {'run': '0' * 32})\nprint('open', flush=True)\nsys.stdin.read()\n"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], text=True, stdin=-1, stdout=-1) as job:
        assert job.stdout.readline() == "open\n"
        (log,) = tmp_path.glob("*.jsonl")
        assert not writer_is_gone(log, log.stat().st_size)
        job.stdin.close()
    assert writer_is_gone(log, log.stat().st_size)
    assert not writer_is_gone(log, log.stat().st_size - 1)  # it wrote more since
