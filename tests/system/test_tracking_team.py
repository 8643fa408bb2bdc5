"""A team's server: MLflow on a real PostgreSQL, with names and passwords; run by `make test-tracking`."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow_server import Server, running_postgresql, running_server

from eap.tracking.run_log import RunLog
from eap.tracking.store import create_user

pytestmark = [pytest.mark.postgresql, pytest.mark.timeout(1200)]

ADMIN = {"MLFLOW_TRACKING_USERNAME": "admin", "MLFLOW_TRACKING_PASSWORD": "a long pass phrase"}
HEADER = {"run": "f" * 32, "experiment": "eap", "parent": "base", "name": "train-ant seed=0", "start_ms": 1000,
          "tags": {"stage": "train-ant"}, "params": {"ant.epochs": "500"}}  # fmt: skip
STEPS = 4000
WRITER = """
import sys, time
from pathlib import Path
from eap.tracking.run_log import RunLog
run = RunLog(Path(sys.argv[1]), "train-ant", {**%r, "run": sys.argv[2] * 32, "name": sys.argv[2]})
print("started", flush=True)
for step in range(%d):
    run.log({"loss": step / 3, "nan": float("nan")}, step)
    time.sleep(0.005)
run.end("FINISHED")
""" % (HEADER, STEPS)  # noqa: UP031


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with tempfile.TemporaryDirectory(prefix="eap-postgresql-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        secret = {"MLFLOW_AUTH_ADMIN_PASSWORD": ADMIN["MLFLOW_TRACKING_PASSWORD"]}
        with (
            running_postgresql(folder / "database") as database,
            running_server(folder / "mlflow", "--tracking", database, "--auth", variables=secret) as running,
        ):
            yield running


def deliver(server: Server, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "eap", "--tracking", server.uri, "--log", str(folder), "track", "deliver"]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MLFLOW_TRACKING_")}
    return subprocess.run(command, env={**environment, **variables}, capture_output=True, text=True, check=False)


def client(server: Server, monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
    for key, value in ADMIN.items():
        monkeypatch.setenv(key, value)
    return MlflowClient(server.uri)


def test_without_a_password_nothing_gets_in_and_with_it_everything(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = RunLog(tmp_path, "train-ant", HEADER)
    log.log({"loss": 1.5}, 1)
    artifact = tmp_path / "card.md"
    artifact.write_text("a card")
    from eap.stage import StageResult

    log.finish(StageResult({"lmd": 2.5}, (artifact,)))
    log.end("FINISHED")
    refused = deliver(server, tmp_path)
    assert refused.returncode == 1
    assert "does not answer" in refused.stdout
    assert "1 runs wait" in refused.stdout
    wrong = deliver(server, tmp_path, MLFLOW_TRACKING_USERNAME="admin", MLFLOW_TRACKING_PASSWORD="wrong")
    assert wrong.returncode == 1
    right = deliver(server, tmp_path, **ADMIN)
    assert (right.returncode, right.stdout) == (0, f"tracking: all 1 runs are in {server.uri}\n")
    found = client(server, monkeypatch)
    (run,) = found.search_runs([found.get_experiment_by_name("eap").experiment_id], "tags.stage = 'train-ant'")
    assert (run.data.metrics, run.info.status) == ({"loss": 1.5, "lmd": 2.5}, "FINISHED")
    assert Path(found.download_artifacts(run.info.run_id, "card.md", str(tmp_path / ""))).read_text() == "a card"
    assert "a long pass phrase" not in (server.folder / "server.log").read_text()


def test_a_member_of_the_team_gets_a_name_of_their_own(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client(server, monkeypatch)
    create_user(server.uri, "ann", "another pass phrase")
    log = RunLog(tmp_path, "train-ant", {**HEADER, "experiment": "ann's"})
    log.end("FINISHED")
    ann = {"MLFLOW_TRACKING_USERNAME": "ann", "MLFLOW_TRACKING_PASSWORD": "another pass phrase"}
    assert deliver(server, tmp_path, **ann).returncode == 0


def test_a_server_killed_during_training_gets_every_metric_once(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two jobs log for 20 s; the server dies twice under the delivery, which goes on and on."""
    jobs = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), name], stdout=subprocess.PIPE)
        for name in ("a", "b")
    ]
    for job in jobs:
        assert job.stdout.readline() == b"started\n"
    command = [sys.executable, "-m", "eap", "--tracking", server.uri, "--log", str(tmp_path), "track", "deliver"]
    follow = ("--follow", str(jobs[0].pid), "--every", "0.2")
    follower = subprocess.Popen([*command, *follow], env={**os.environ, **ADMIN})
    import time

    for _ in range(2):
        time.sleep(4)
        server.kill()
        time.sleep(2)
        server.start()
    assert [job.wait() for job in jobs] == [0, 0]
    follower.wait()
    done = deliver(server, tmp_path, **ADMIN)
    assert done.returncode == 0, done.stdout + done.stderr
    found = client(server, monkeypatch)
    experiment = found.get_experiment_by_name("eap").experiment_id
    for name in ("a", "b"):
        (run,) = found.search_runs([experiment], f"tags.`eap.log` = '{name * 32}'")
        for metric in ("loss", "nan"):
            history = found.get_metric_history(run.info.run_id, metric)
            assert sorted(entry.step for entry in history) == [*range(STEPS)]
        assert run.info.status == "FINISHED"
