"""`eap doctor`: what is amiss is found before a run, with its remedy."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from eap.cli import app
from eap.config import load_config
from eap.doctor import Finding, examine

ROOT = Path(__file__).parents[2]
PRESETS = ROOT / "workflow" / "presets"


def findings(folder: Path, **values: Any) -> dict[str, Finding]:
    return {found.what: found for found in examine(load_config({"preset": "demo", **values}, PRESETS), folder)}


def test_the_demo_lacks_nothing_that_is_fatal(tmp_path: Path) -> None:
    found = findings(tmp_path)
    assert not [what for what, finding in found.items() if finding.fatal and finding.remedy]
    assert found["data"].found.startswith("the phantom corpus")
    assert found["packages"].found.startswith("not compared")
    assert "VGG19's weights" not in found


def test_packages_are_compared_with_the_lock(tmp_path: Path) -> None:
    (tmp_path / "envs").mkdir()
    lock = (ROOT / "envs" / "requirements.txt").read_text(encoding="utf-8")
    (tmp_path / "envs" / "requirements.txt").write_text(lock + "numpy==0.1 \\\nno-such-package==1 \\\n")
    found = findings(tmp_path)["packages"]
    assert "instead of 0.1" in found.found
    assert "no-such-package absent instead of 1" in found.found
    assert "make setup" in found.remedy


def test_what_a_gpu_run_lacks_is_said_with_the_remedy(tmp_path: Path) -> None:
    values = {
        "data": {"dataset": "folder", "root": "nowhere"},
        "labels": {"source": "emonet", "points": "landmarks", "emonet": {"path": "e.pth"}},
        "perceptual": {"network": "vgg19", "weights": "imagenet", "path": "vgg.pth"},
        "ant": {"batch_size": 96, "warmup_batch_size": 96}, "era": {"batch_size": 96, "warmup_batch_size": 96},
        "compute": {"device": "cuda", "gpus": 96, "threads": 4096}, "evaluation": {"weights": {"lpips": "alex.pth"}},
    }  # fmt: skip
    found = findings(tmp_path, **values)
    assert "compute.gpus: 96" in found["GPUs"].remedy
    assert "compute.threads: 4096" in found["cores"].remedy
    assert found["data"] == Finding("data", "nowhere is not a folder", "set data.root, or make demo CLIPS=folder", True)
    assert "perceptual.path is not a file; download https://" in found["VGG19's weights"].remedy
    assert "labels.emonet.path is not a file; download https://" in found["EmoNet's weights"].remedy
    lpips = found["torchvision's AlexNet, LPIPS's backbone's weights for scores"]
    assert lpips.fatal
    assert "evaluation.weights.lpips is not a file; download https://" in lpips.remedy
    assert len([what for what in found if what.endswith("weights for scores")]) == 1
    (tmp_path / "alex.pth").touch()
    (tmp_path / "e.pth").touch()
    (tmp_path / "nowhere").mkdir()
    found = findings(tmp_path, **values)
    assert found["EmoNet's weights"].remedy is None
    assert found["data"].remedy is None
    assert found["torchvision's AlexNet, LPIPS's backbone's weights for scores"].remedy is None


@pytest.fixture
def server() -> Iterator[str]:
    """Answers like a healthy MLflow server."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/health" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Silent."""

    with HTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


def test_a_tracking_server_is_asked(tmp_path: Path, server: str) -> None:
    assert findings(tmp_path, tracking={"uri": server})["MLflow"] == Finding("MLflow", f"{server} answers")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free = probe.getsockname()[1]
    found = findings(tmp_path, tracking={"uri": f"http://127.0.0.1:{free}"})["MLflow"]
    assert not found.fatal  # tracking never stops a run
    assert "does not answer" in found.found
    assert "tracking.uri" in found.remedy
    assert "track deliver" in found.remedy


def test_the_command_fails_where_the_run_would(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(
        "{preset: demo, data: {dataset: folder}, labels: {source: landmarks, points: landmarks}}"
    )
    arguments = ["doctor", "--config", str(tmp_path / "config.yaml"), "--presets", str(PRESETS)]
    done = CliRunner().invoke(app, [*arguments, "--override", f"data.root={tmp_path / 'absent'}"])
    assert done.exit_code == 1
    assert "FAIL data: " in done.output
    assert "-> set data.root" in done.output
    assert CliRunner().invoke(app, [*arguments, "--override", f"data.root={tmp_path}"]).exit_code == 0
