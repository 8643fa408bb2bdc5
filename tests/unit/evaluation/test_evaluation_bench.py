"""The benchmark compares equal work and prints what it promises."""

from __future__ import annotations

import json

import pytest
from torch import nn

from eap.evaluation import bench


def test_it_times_every_metric_and_both_scorers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "EmoNet", nn.Identity)
    monkeypatch.setattr(bench, "read_emotion", lambda network, frames: None)  # half a second a frame
    found = bench.measure(8, 1, 1)
    assert json.loads(json.dumps(found)) == found
    assert set(found["frames_per_s"]) == {
        *("landmarks", "lmd", "psnr", "ssim", "identity", "lpips", "fid", "emotion", "syncnet"),
    }
    assert min(found["frames_per_s"].values()) > 0
    assert found["syncnet_speedup"] > 0
    assert found["syncnet_max_diff"] < 1e-3
    assert found["same_offset"]
    assert (found["n_frames"], found["threads"], found["rounds"]) == (8, 1, 1)
