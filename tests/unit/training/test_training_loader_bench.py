"""`eap bench loader`: windows and steps are measured on the tiny data."""

from __future__ import annotations

import pytest
from tiny_data import tiny_config

from eap.training import loader_bench


def test_windows_steps_and_memory_are_measured(tiny_data, monkeypatch):
    monkeypatch.setattr(loader_bench, "EPOCHS", 2)
    monkeypatch.setattr(loader_bench, "TURNS", 1)
    monkeypatch.setattr(loader_bench, "STEPS", 1)
    found = loader_bench.measure(tiny_config(), tiny_data.root, 1)
    assert (found["n_clips"], found["epochs"], found["frames_per_window"]) == (10, 2, 4)
    assert found["step_windows_per_s"] == max(found["ant_step_windows_per_s"], found["era_step_windows_per_s"]) > 0
    assert found["ratio"] == pytest.approx(found["windows_per_s"] / found["step_windows_per_s"])
    assert found["rss_mb"] > 50
