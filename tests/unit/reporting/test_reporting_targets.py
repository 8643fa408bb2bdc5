"""What was asked for beside what was measured."""

from __future__ import annotations

import json

import pytest

from eap.reporting.targets import Target, collect, write_results
from eap.schemas import write_table


@pytest.fixture
def root(tmp_path):
    def row(variant, metric, mean, std=None):
        return {"experiment": "base", "variant": variant, "metric": metric, "mean": mean, "std": std, "n_seeds": 1}

    summary = [
        row("generated", "lmd", 2.5), row("real", "lmd", 1.0), row("still", "lmd", 5.0), row("shuffled", "lmd", 3.0),
        row("generated", "opening_correlation", 0.9), row("still", "opening_correlation", None),
        row("shuffled", "opening_correlation", 0.1), row("rolled", "opening_correlation", 0.2),
        {**row("generated", "lmd", 9.0), "experiment": "other"},
    ]  # fmt: skip
    common = {"experiment": "base", "judge": "faces", "quantity": "intensity", "std": None, "n_seeds": 1}
    probes = [
        {**common, "probe": "levels_ordered", "gain": 1.0, "mean": 0.5},
        {**common, "probe": "levels_ordered_real", "gain": None, "mean": 0.9},
        {**common, "probe": "source_share", "quantity": "valence", "gain": 1.0, "mean": 0.04},
    ]
    write_table(tmp_path / "comparison/summary.parquet", "summary", summary)
    experiments = [{"experiment": name, "n_seeds": 1} for name in ("base", "other")]
    write_table(tmp_path / "comparison/experiments.parquet", "experiments", experiments)
    write_table(tmp_path / "comparison/probes.parquet", "probes", probes)
    speakers = {"grid_s1": 2.0, "1001": 8.0}
    parts = [
        {**row(variant, metric, mean + more), "part": "speaker", "value": who}
        for variant, more in (("generated", 0), ("still", 1)) for who, mean in speakers.items()
        for metric in ("lmd", "psnr")
    ]  # fmt: skip
    parts.append({**row("rolled", "opening_correlation", -0.4), "part": "speaker", "value": "grid_s1"})
    parts.append({**row("generated", "lmd", 7.0), "part": "emotion", "value": "grid_s1"})
    write_table(tmp_path / "comparison/breakdown.parquet", "breakdown", parts)
    return tmp_path


def found_in(root):
    return {name: collect(root / "comparison", name) for name in ("base", "other")}


def test_figures_stand_beside_their_controls_and_what_is_missed(root, tmp_path):
    out = tmp_path / "docs"
    out.mkdir()
    (out / "results.json").write_text('{"other": {}}')
    (out / "results-reference.txt").write_text("One seed.")
    write_results("reference", found_in(root), "Seeds 0 and 1.", "run it", out)
    found = json.loads((out / "results.json").read_text())
    assert set(found) == {"other", "reference", "reference/other"}
    assert found["reference/other"]["lmd"]["mean"] == 9.0
    assert found["reference"]["lmd"] == {"mean": 2.5, "std": None, "n": 1, "real": 1.0, "still": 5.0, "shuffled": 3.0}
    assert found["reference"]["opening_correlation"]["still"] is None
    assert found["reference"]["levels_ordered/faces"]["real"] == 0.9
    page = (out / "results.md").read_text()
    assert "n = 1 seed\n" in page
    assert "One seed." in page
    assert "Seeds 0 and 1." in page
    assert "| lmd | <= 2 (0.4 x still) | 2.500 | 0.500 | 1.000 | 5.000 | 3.000 |" in page
    assert "| opening_correlation | >= 0.5 (0.4 above shuffled) | 0.900 | met |" in page
    assert "| source_share valence g=1/faces | <= 0.05 | 0.040 | met |" in page
    assert "| width_correlation | 0.5 | not measured |" in page
    assert "| figure | base | other |" in page
    assert "| lmd | 2.500 | 9.000 |" in page


def test_each_preset_has_its_own_bounds_and_its_own_section(root, tmp_path):
    write_results("reference", found_in(root), "", "run it", tmp_path)
    write_results("grid_cpu", found_in(root), "", "run that", tmp_path)
    write_results("demo", found_in(root), "", "run both", tmp_path)
    write_results("reference", found_in(root), "", "run it again", tmp_path)
    presets = ("reference", "grid_cpu", "demo")
    names = {*presets, *(f"{preset}/other" for preset in presets)}
    assert set(json.loads((tmp_path / "results.json").read_text())) == names
    head, demo, grid, reference = (tmp_path / "results.md").read_text().split("\n## Preset ")
    assert head.startswith("# Results\n")
    assert "asked" not in demo
    assert "run that" in grid
    assert "| lmd of grid_s1 | <= 1.8 (0.6 x still) | 2.000 | 0.200 |" in grid
    assert "| opening_correlation/rolled of grid_s1 | <= 0 | -0.400 | met |" in grid
    assert "| opening_correlation/rolled | 0.200 |" in grid
    assert "psnr" not in grid
    assert "of 1001" not in grid
    assert "run it again" in reference
    assert "| lmd | <= 2 (0.4 x still) |" in reference


def test_a_bound_on_a_control_without_value_is_none():
    assert Target("x", True, 0.4, plus="shuffled").limit({"shuffled": None}) is None
