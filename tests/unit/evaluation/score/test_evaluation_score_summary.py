"""From clips to one value per metric: FID's refusal, and what stands in the terminal."""

from __future__ import annotations

from functools import partial
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from safetensors.numpy import save_file

from eap.evaluation.frechet import MIN_FRAMES, FrechetDistance
from eap.evaluation.score import summary as module
from eap.evaluation.score.settings import Given
from eap.evaluation.score.summary import summarise
from eap.evaluation.score.table import one_line, print_summary

INCEPTION = Given(Path("inception.pth"), "0" * 64, False)


def kept(folder: Path, clip_id: str, reference: np.ndarray, generated: np.ndarray) -> dict:
    """What a measured clip leaves: its record, and its features in a file."""
    features = {"reference": reference.astype(np.float32), "generated": generated.astype(np.float32)}
    save_file(features, folder / f"{clip_id}.frechet.safetensors")
    return {"clip_id": clip_id, "facts": {}, "groups": {"frechet": {"key": "", "values": {}, "reasons": {}}}}


def fid(folder: Path, records: list[dict], settings) -> dict:
    return summarise([], records, folder, settings(inception=INCEPTION))["metrics"]["fid"]


def test_fid_of_too_few_frames_is_refused(tmp_path: Path, settings) -> None:
    features = np.random.default_rng(0).normal(size=(MIN_FRAMES - 1, 2048))
    half = len(features) // 2
    records = [kept(tmp_path, "a", features[:half], features[:half])]
    records.append(kept(tmp_path, "b", features[half:], features[half:]))
    found = fid(tmp_path, records, settings)
    assert (found["value"], found["n"], found["n_undefined"]) == (None, 2047, 1)
    assert found["note"] == "refused: 2047 frames on each side, needed are 2048"


def test_fid_of_enough_frames_is_given_over_all_clips_and_flagged(
    tmp_path: Path, settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MIN_FRAMES", 40)
    monkeypatch.setattr(module, "FrechetDistance", partial(FrechetDistance, 3))
    features = np.random.default_rng(0).normal(size=(40, 3))
    records = [kept(tmp_path, "a", features[:15], features[:15] + np.array([0, 3, 4]))]
    records.append(kept(tmp_path, "b", features[15:], features[15:] + np.array([0, 3, 4])))
    records.append({"clip_id": "bad", "facts": {}, "groups": {"frechet": {"key": "", "fault": "no video"}}})
    found = fid(tmp_path, records, settings)
    assert found["value"] == pytest.approx(25, abs=1e-3)  # equal covariances: |(0, 3, 4)|^2
    assert found["note"] == "biased: 40 frames, 10000 are recommended"
    assert fid(tmp_path, records[:1], settings)["note"] == "refused: 15 frames on each side, needed are 40"


def test_names_are_one_line_and_addresses_can_be_copied(settings) -> None:
    assert one_line("a\nb\x1b[31m ü 日") == "a\\nb\\x1b[31m ü 日"
    summary = summarise([{"clip_id": "a\nb", "status": "failed", "reason": "text"}], [], Path(), settings())
    summary["protocol"] = {"picture": "whole", "sync": {"protocol": "whole"}, "aggregation": "mean", "weights": {}}
    text = StringIO()
    print_summary(summary, Console(file=text, width=60))
    lines = text.getvalue().splitlines()
    assert "not scored in full: a\\nb: text" in lines
    assert any("weights-inception-2015-12-05-6726825d.pth" in line and "absent: fid" in line for line in lines)
    assert any(line.startswith("│ opening_correlation ") for line in lines)
