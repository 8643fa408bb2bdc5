"""Tables of seeds that were measured one after the other make one section of figures."""

from __future__ import annotations

import json
import shutil

import pytest
from report_results import PRESETS, SCORES, make_results

from eap.config import stage_sections
from eap.experiments import load_experiments
from eap.files import write_text
from eap.reporting.measured import keep, kept
from eap.reporting.targets import figures
from eap.stage import StageError
from eap.training.checkpoint import save_model

DEMO = load_experiments({"preset": "demo"}, PRESETS)


def a_run(root, seeds, judge=b"one judge"):
    """What a run of preset demo leaves, as far as it is kept."""
    make_results(root, seeds)
    (root / "judge/base/model.safetensors").write_bytes(judge)
    record = {"stage": "train-era", "config": json.loads(stage_sections(DEMO.base, "train-era")), "code": "c"}
    for seed in seeds:
        save_model(root / f"era/base/seed={seed}/model.safetensors", {}, record | {"seed": seed})
    return root


def test_seeds_of_two_runs_are_figures_together_without_the_runs(tmp_path):
    measured = tmp_path / "measured"
    assert keep(a_run(tmp_path / "first", (0,)), DEMO, measured) == [0]
    assert keep(a_run(tmp_path / "second", (1, 2)), DEMO, measured) == [1, 2]
    shutil.rmtree(tmp_path / "first")
    shutil.rmtree(tmp_path / "second")
    there = kept(measured, DEMO)
    assert (there.seeds, there.n_judges, len(there.trees)) == ([0, 1, 2], 1, 1)
    found = figures(measured, DEMO, there.seeds)["base"]
    assert found["lmd"]["n"] == 3
    assert found["lmd"]["mean"] == pytest.approx(SCORES["lmd"]["generated"], abs=0.02)
    assert found["lmd"]["real"] == pytest.approx(SCORES["lmd"]["real"])


def test_what_is_missing_and_what_made_them_is_said(tmp_path):
    measured = tmp_path / "measured"
    keep(a_run(tmp_path / "first", (0,)), DEMO, measured)
    told = kept(measured, DEMO).text((0, 1))
    assert told.startswith("Seeds 0 (the preset also asks for 1: not measured), trained by source tree `")
    keep(a_run(tmp_path / "second", (1,), b"another"), DEMO, measured)
    assert kept(measured, DEMO).text((0, 1)).endswith(", read by 2 trainings of the judge.")


def test_seeds_of_other_values_stay_apart(tmp_path):
    measured = tmp_path / "measured"
    changed = load_experiments({"preset": "demo", "phantom": {"identities": 30}}, PRESETS)
    keep(a_run(tmp_path / "run", (0,)), DEMO, measured)
    with pytest.raises(StageError, match=r"seed=0: measured with other values than the preset has now"):
        kept(measured, changed)
    with pytest.raises(StageError, match="seed=0: measured with other values"):
        keep(a_run(tmp_path / "second", (1,)), changed, measured)
    assert not (measured / "evaluation/base/seed=1").exists()
    trained_otherwise = load_experiments({"preset": "demo", "era": {"epochs": 2}}, PRESETS)
    with pytest.raises(StageError, match="the model was trained with other values than the preset's"):
        keep(tmp_path / "run", trained_otherwise, measured)


def test_a_run_that_did_not_end_and_an_empty_folder_are_refused(tmp_path):
    with pytest.raises(StageError, match="no seed is scored"):
        keep(tmp_path, DEMO, tmp_path / "measured")
    with pytest.raises(StageError, match="no seed is kept there"):
        kept(tmp_path / "measured", DEMO)


def test_seeds_that_not_every_experiment_has_scored_are_not_kept(tmp_path):
    both = load_experiments({"preset": "demo", "experiments": {"plain": {"loss": {"metric": 0}}}}, PRESETS)
    with pytest.raises(StageError, match="no seed is scored"):
        keep(a_run(tmp_path / "run", (0,)), both, tmp_path / "measured")


def test_a_kept_table_is_whole_or_absent(tmp_path):
    run = a_run(tmp_path / "run", (0,))
    write_text(run / "evaluation/base/seed=0/curves.parquet", "torn")
    with pytest.raises(Exception, match="damaged"):
        keep(run, DEMO, tmp_path / "measured")
    assert not (tmp_path / "measured/evaluation/base/seed=0/curves.parquet").exists()
