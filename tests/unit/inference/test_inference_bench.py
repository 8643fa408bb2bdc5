"""The benchmark measures what a user gets."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from tiny_data import tiny_config
from typer.testing import CliRunner

from eap import cli
from eap.inference.bench import count_gflops, measure, noise_face, write_noise


def test_random_weights_are_said_and_the_size_is_the_configured_one():
    result = measure(tiny_config({"model": {"image_size": 48}}), None, 0.5, 2, "cpu", 1)
    assert result["model"] == "clips, random weights"
    assert (result["size"], result["n_frames"], result["threads"]) == (48, 13, 1)
    assert result["frames_per_s"] > 0
    assert len(result["frames_per_s_runs"]) == 2
    assert min(result["frames_per_s_runs"]) <= result["frames_per_s"] <= max(result["frames_per_s_runs"])
    assert result["peak_rss_mb"] > 50


def test_operations_are_those_of_the_layers(model, monkeypatch):
    """With a generator that is one known convolution instead of the whole."""
    frame, video = count_gflops(model, noise_face(model))
    assert frame > 0
    assert video > 0
    side, generator = 32, model.face.ant.generator
    convolution = torch.nn.Conv2d(3, 3, 3, padding=1)
    monkeypatch.setattr(
        generator, "forward", lambda maps, style, *rest: convolution(torch.zeros(len(style), 3, side, side))
    )
    before = frame
    frame, _ = count_gflops(model, noise_face(model))
    assert frame < before
    monkeypatch.setattr(generator, "forward", lambda maps, style, *rest: torch.zeros(len(style), 3, side, side))
    without, _ = count_gflops(model, noise_face(model))
    assert frame - without == pytest.approx(2 * 9 * 3 * 3 * side * side / 1e9)


def test_noise_is_as_long_as_asked(tmp_path):
    import wave

    with wave.open(str(write_noise(tmp_path / "n.wav", 2.5, 16000))) as file:
        assert file.getnframes() == 40000
        samples = np.frombuffer(file.readframes(40000), "<i2")
    assert 500 < samples.std() < 5000


def test_the_command_line_wants_one_model_and_prints_one_line(era_file):
    runner = CliRunner()
    done = runner.invoke(
        cli.app, ["bench", "synthesize", "--checkpoint", str(era_file), "--seconds", "0.2", "--threads", "1"]
    )
    assert done.exit_code == 0, done.output
    (line,) = done.stdout.splitlines()
    assert json.loads(line)["model"] == str(era_file)
    for wrong in ([], ["--checkpoint", "m", "--generator", "demo"], ["--checkpoint", "m", "--size", "64"]):
        assert isinstance(runner.invoke(cli.app, ["bench", "synthesize", *wrong]).exception, cli.ConfigError)
