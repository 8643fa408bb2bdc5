"""The command line as its users meet it. Each stage's own work is tested where it lives, and as a whole in workflow."""

from __future__ import annotations

import ast
import inspect
import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
import torch
import typer.main
from typer.testing import CliRunner

from eap import cli
from eap.config import STAGES, load_config, stage_sections

PRESETS = Path(__file__).parents[2] / "workflow" / "presets"
COMMANDS = set(typer.main.get_command(cli.app).commands)
CALLS = {
    node.name: (module.module, module.names[0].name)
    for node in ast.parse(inspect.getsource(cli)).body
    if isinstance(node, ast.FunctionDef)
    for module in ast.walk(node)
    if isinstance(module, ast.ImportFrom) and module.module.startswith("eap.") and "layout" not in module.module
}


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`python -m eap` as a user starts it."""
    command = [sys.executable, "-m", "eap", *arguments]
    return subprocess.run(command, cwd=folder, text=True, capture_output=True, check=False)


def test_every_stage_is_a_command() -> None:
    assert COMMANDS - {
        "track",
        "verify",
        "config-schema",
        "bench",
        "phantom",
        "check",
        "results",
        "runs",
        "score",
        "synthesize",
        "provenance",
        "card",
        "doctor",
        "clean",
    } == set(STAGES)


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_has_help(command: str) -> None:
    result = CliRunner().invoke(cli.app, [command, "--help"])
    assert result.exit_code == 0
    assert "Usage" in result.output


@pytest.mark.parametrize("name", [name for name in CALLS if name.replace("_", "-") in STAGES])
def test_every_command_calls_a_stage_with_the_arguments_that_it_takes(name: str) -> None:
    """Arguments are handed over by position: the numbers must agree (what has a default is for other callers)."""
    module, function = CALLS[name]
    parameters = inspect.signature(getattr(import_module(module), function)).parameters.values()
    takes = [parameter for parameter in parameters if parameter.default is parameter.empty]
    source = ast.parse(inspect.getsource(getattr(cli, name)))
    calls = [n for n in ast.walk(source) if isinstance(n, ast.Call) and getattr(n.func, "id", "") == function]
    assert [len(call.args) for call in calls] == [len(takes)]


def test_a_fault_of_the_data_is_one_message_and_exit_code_1(tmp_path: Path) -> None:
    config = stage_sections(load_config({"data": {"root": "nowhere"}}, PRESETS), "download")
    done = run(tmp_path, "download", "--config", config, "--inventory", "i.parquet")
    assert done.returncode == 1
    assert done.stderr.startswith("error: data.root: 'nowhere' is not a folder")
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_fault_of_the_configuration_is_one_message_and_exit_code_1(tmp_path: Path) -> None:
    values = json.loads(stage_sections(load_config({}, PRESETS), "download"))
    values["data"]["shards"] = 0
    done = run(tmp_path, "download", "--config", json.dumps(values), "--inventory", "i.parquet")
    assert done.returncode == 1
    assert "data.shards: 0 is not allowed" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_secret_of_a_url_is_masked_and_a_store_that_does_not_answer_waits(tmp_path: Path) -> None:
    config = stage_sections(load_config({"data": {"root": "nowhere"}}, PRESETS), "download")
    arguments = ("download", "--config", config, "--inventory", "i.parquet")
    done = run(tmp_path, "--tracking", "no-such-store://ann:s3cret@host/db", *arguments)
    assert done.returncode == 1
    assert done.stderr.startswith("error: data.root")
    assert "1 runs wait in results/tracking (the store does not answer" in done.stdout
    assert "eap --tracking no-such-store://***@host/db track deliver" in done.stdout
    assert "s3cret" not in done.stdout + done.stderr


def test_a_table_of_another_kind_is_one_message_and_exit_code_1(tmp_path: Path) -> None:
    from eap.schemas import write_table

    write_table(tmp_path / "splits.parquet", "splits", [])
    config = stage_sections(load_config({}, PRESETS), "mel")
    done = run(tmp_path, "mel", "--config", config, "--audio", "splits.parquet", "--mel", "mel.parquet")
    assert done.returncode == 1
    assert "expected table 'audio'" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "mel.parquet").exists()


def test_a_stage_writes_its_output_and_prints_its_summary(tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "a.mp4").write_bytes(b"abc")
    config = stage_sections(load_config({"data": {"root": "clips", "manifest": None}}, PRESETS), "download")
    done = run(tmp_path, "download", "--config", config, "--inventory", "out/i.parquet")
    assert done.returncode == 0, done.stderr
    assert "download: n_files = 1" in done.stdout
    assert (tmp_path / "out" / "i.parquet").is_file()


def test_a_tracked_stage_leaves_a_run(tmp_path: Path) -> None:
    from mlflow import MlflowClient

    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "a.mp4").write_bytes(b"abc")
    config = stage_sections(load_config({"data": {"root": "clips", "manifest": None}}, PRESETS), "download")
    tracking = ("--tracking", "sqlite:///mlflow/mlflow.db", "--experiment", "tried")
    done = run(tmp_path, *tracking, "download", "--config", config, "--inventory", "i.parquet")
    assert done.returncode == 0, done.stderr
    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow/mlflow.db")
    found = client.search_runs([client.get_experiment_by_name("tried").experiment_id])
    assert {one.info.run_name: one.data.metrics.get("n_files") for one in found} == {"download": 1.0, "base": None}


def test_a_logged_stage_waits_for_its_delivery(tmp_path: Path) -> None:
    """With --log alone nothing is sent; `eap track deliver` sends it."""
    from mlflow import MlflowClient

    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "a.mp4").write_bytes(b"abc")
    config = stage_sections(load_config({"data": {"root": "clips", "manifest": None}}, PRESETS), "download")
    done = run(tmp_path, "--log", "logs", "download", "--config", config, "--inventory", "i.parquet")
    assert done.returncode == 0, done.stderr
    assert "mlflow" not in {path.name for path in tmp_path.iterdir()}
    store = ("--tracking", "sqlite:///mlflow/mlflow.db", "--log", "logs", "track")
    assert "1 runs wait in logs (no delivery is at work)" in run(tmp_path, *store, "wait", "--patience", "0").stdout
    done = run(tmp_path, *store, "deliver")
    assert (done.returncode, done.stdout) == (0, "tracking: all 1 runs are in sqlite:///mlflow/mlflow.db\n")
    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow/mlflow.db")
    found = client.search_runs([client.get_experiment_by_name("eap").experiment_id])
    assert {one.info.run_name: one.info.status for one in found} == {"download": "FINISHED", "base": "RUNNING"}


def test_tracking_needs_a_store() -> None:
    done = run(Path.cwd(), "track", "deliver")
    assert done.returncode == 1
    assert "--tracking URI" in done.stderr


def test_config_schema_prints_json() -> None:
    result = CliRunner().invoke(cli.app, ["config-schema"])
    assert json.loads(result.output)["$schema"].startswith("https://json-schema.org/")


def test_synthesize_says_what_is_wrong_and_how_fast_it_was(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        "synthesize",
        "--checkpoint",
        "m.safetensors",
        "--image",
        "i.png",
        "--audio",
        "a.wav",
        "--out",
        "o.avi",
    )
    assert done.returncode == 1
    assert done.stderr == "error: --out: o.avi must end in .mp4 (H.264 and AAC)\n"


def test_the_installed_program_reports_faults_as_the_module_does(tmp_path: Path) -> None:
    """`eap` and `python -m eap` start the same function."""
    program = Path(sys.executable).with_name("eap")
    done = subprocess.run([program, "provenance", __file__], cwd=tmp_path, text=True, capture_output=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert "carries no provenance record of eap" in done.stderr


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is there")
@pytest.mark.parametrize("name", ["train", "tracking"])
def test_a_benchmark_names_the_missing_gpu_before_it_prepares_clips(tmp_path: Path, name: str) -> None:
    device = ("--presets", str(PRESETS), "--override", "compute.device=cuda")
    done = run(tmp_path, "bench", name, *device)
    assert done.returncode == 1
    assert "compute.device: 'cuda', but torch sees no GPU" in done.stderr
    assert list(tmp_path.iterdir()) == []
