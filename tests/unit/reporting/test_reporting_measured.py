"""Tables of seeds that were measured one after the other make one section of figures."""

from __future__ import annotations

import json
import shutil

import pytest
from report_results import PRESETS, SCORES, make_results

from eap.config import stage_sections
from eap.digest import file_sha256
from eap.evaluation.scores import MODEL
from eap.experiments import load_experiments
from eap.files import write_text
from eap.reporting import measured as measuring
from eap.reporting.measured import keep, kept
from eap.reporting.targets import figures
from eap.schemas import TableError, read_table, write_table
from eap.stage import StageError
from eap.training.checkpoint import save_model

MEASURED = PRESETS.parents[1] / "docs" / "measured"
DEMO = load_experiments({"preset": "demo"}, PRESETS)


def a_run(root, seeds, judge=b"one judge", start=None):
    """What a run of preset demo leaves, as far as it is kept."""
    make_results(root, seeds)
    (root / "judge/base/model.safetensors").write_bytes(judge)
    record = {"stage": "train-era", "config": json.loads(stage_sections(DEMO.base, "train-era")), "code": "c"}
    for seed in seeds:
        model = root / f"era/base/seed={seed}/model.safetensors"
        save_model(model, {}, record | {"seed": seed} | ({"start": start} if start else {}))
        for name in measuring.PER_SEED:
            table = root / f"evaluation/base/seed={seed}/{name}.parquet"
            write_table(table, name, read_table(table, name), metadata={MODEL: file_sha256(model)})
    return root


def content(folder):
    """Every file below a folder."""
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


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


@pytest.mark.parametrize("table", ["evaluation/base/seed=0/saturation", "controls/base/curves"])
def test_a_run_that_lost_or_tore_a_table_leaves_what_was_kept(tmp_path, table):
    measured = tmp_path / "measured"
    keep(a_run(tmp_path / "first", (0,)), DEMO, measured)
    before = content(measured)
    run = a_run(tmp_path / "second", (0, 1), b"another")
    write_text(run / f"{table}.parquet", "torn")
    with pytest.raises(TableError, match="damaged"):
        keep(run, DEMO, measured)
    (run / f"{table}.parquet").unlink()
    with pytest.raises(StageError, match=rf"{table}\.parquet is missing; run the workflow to its end first"):
        keep(run, DEMO, measured)
    assert content(measured) == before


@pytest.mark.parametrize(("torn", "left"), [("evaluation/base/seed=1", [0]), ("controls/base", [])])
def test_a_seed_that_was_copied_in_part_does_not_count(tmp_path, monkeypatch, torn, left):
    measured = tmp_path / "measured"
    run = a_run(tmp_path / "run", (0, 1))
    keep(run, DEMO, measured)
    original = measuring._copy

    def cut(source, target, names):
        here = target == measured / torn
        original(source, target, names[:1] if here else names)
        if here:
            raise KeyboardInterrupt

    monkeypatch.setattr(measuring, "_copy", cut)
    with pytest.raises(KeyboardInterrupt):
        keep(run, DEMO, measured)
    assert measuring._seeds(measured, DEMO, measuring.RECORD) == left


def test_scores_of_a_model_that_was_trained_anew_are_refused(tmp_path):
    run = a_run(tmp_path / "run", (0,))
    record = {"stage": "train-era", "config": json.loads(stage_sections(DEMO.base, "train-era")), "code": "other"}
    save_model(run / "era/base/seed=0/model.safetensors", {}, record | {"seed": 0})
    with pytest.raises(StageError, match=r"its scores are of the model with SHA-256 \w+, not of the one with"):
        keep(run, DEMO, tmp_path / "measured")
    assert not (tmp_path / "measured").exists()


def test_seeds_that_began_at_another_start_are_told(tmp_path):
    measured = tmp_path / "measured"
    keep(a_run(tmp_path / "first", (0,), start="1" * 64), DEMO, measured)
    assert "start" not in kept(measured, DEMO).text((0,))
    keep(a_run(tmp_path / "second", (1,), start="2" * 64), DEMO, measured)
    assert kept(measured, DEMO).text((0, 1)).endswith(", begun at 2 trainings of the start.")


def test_experiments_that_share_their_starts_do_not_multiply_them():
    shared = {(name, start) for name in ("base", "no_metric") for start in ("one", "two")}
    assert measuring._most_of_one(shared) == 2
    assert measuring._most_of_one({("base", "one"), ("wider", "two")}) == 1


@pytest.mark.parametrize("preset", sorted(path.name for path in MEASURED.iterdir()))
def test_the_committed_tables_are_of_todays_presets(preset):
    experiments = load_experiments({"preset": preset}, PRESETS)
    assert kept(MEASURED / preset, experiments).seeds
