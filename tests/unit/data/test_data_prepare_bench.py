"""`eap bench prepare`: the three are measured, and what they measured is the same material."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from media_files import CLIPS, GRID
from real_clips import CHECKOUT

from eap.config import load_config
from eap.data.prepare_bench import measure
from eap.stage import StageError


def _config():
    return load_config({"preset": "paper"}, CHECKOUT / "workflow" / "presets")


def test_one_clip_is_measured(tmp_path: Path) -> None:
    shutil.copy(CLIPS / GRID, tmp_path)
    found = measure(_config(), tmp_path, 1, 1)
    assert (found["n_clips"], found["n_frames"], found["rounds"]) == (1, 75, 1)
    assert found["frames_per_s"] > found["per_frame_detection_frames_per_s"] > 0
    assert found["decode_resize_frames_per_s"] > found["frames_per_s"]
    assert found["speedup"] == pytest.approx(found["frames_per_s"] / found["per_frame_detection_frames_per_s"])
    assert found["landmark_diff_px"] < 0.75


def test_a_folder_without_usable_clips_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"no video")
    with pytest.raises(StageError, match="none of its 1 clips can be used"):
        measure(_config(), tmp_path, 1, 1)
