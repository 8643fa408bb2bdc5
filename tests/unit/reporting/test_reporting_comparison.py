"""The comparison of experiments, from tables to tables."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
from report_results import BASE_ONLY, SCORES, make_results

from eap.evaluation.statistics import clip_sample
from eap.reporting.comparison import TABLES, compare, incomparable, rival_rows
from eap.schemas import read_table, write_table
from eap.stage import StageError

WORSE = {"changes": {"loss.metric": 0.0}, **dict.fromkeys(("data", "student", "sync", "ant", "controls"), "base")}
BOTH = {**BASE_ONLY, "worse": {**WORSE, "era": "worse"}}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two experiments; LMD of the second is 1 px larger in every clip."""
    root = make_results(tmp_path_factory.mktemp("results"))
    shutil.copytree(root / "evaluation" / "base", root / "evaluation" / "worse")
    for path in (root / "evaluation" / "worse").glob("*/scores.parquet"):
        rows = read_table(path, "scores")
        rows.loc[rows.metric == "lmd", "value"] += 1
        write_table(path, "scores", rows)
    compare(SimpleNamespace(seeds=(0, 1)), BOTH, root, root / "comparison")
    return root


def table(results: Path, name: str) -> pd.DataFrame:
    return read_table(results / "comparison" / f"{name}.parquet", name)


def test_all_tables_are_written(results: Path) -> None:
    for name in TABLES:
        assert (results / "comparison" / f"{name}.parquet").is_file()
    about = table(results, "experiments").set_index("experiment")
    assert json.loads(about.changes["worse"]) == {"loss.metric": 0}
    assert about.loc["worse", ["data", "ant", "controls"]].tolist() == ["base"] * 3
    assert about.n_seeds.tolist() == [2, 2]


def test_summary_has_every_score_of_every_experiment(results: Path) -> None:
    summary = table(results, "summary")
    assert len(summary) == 2 * sum(len(values) for values in SCORES.values())
    lmd = summary[(summary.metric == "lmd") & (summary.variant == "generated")].set_index("experiment")
    assert lmd["mean"].to_dict() == pytest.approx({"base": 1.904, "worse": 2.904})
    assert (lmd.low < lmd["mean"]).all()
    assert (lmd["mean"] < lmd.high).all()
    controls = summary[(summary.metric == "lmd") & summary.variant.isin(["real", "still"])]
    assert set(controls.n_seeds) == {0}
    assert controls["std"].isna().all()


def test_breakdown_covers_emotions_and_speakers(results: Path) -> None:
    rows = table(results, "breakdown")
    lmd = rows[(rows.experiment == "base") & (rows.variant == "generated") & (rows.metric == "lmd")]
    assert sorted(zip(lmd.part, lmd.value, strict=True)) == [
        ("emotion", "happy"), ("emotion", "neutral"), ("speaker", "1001"), ("speaker", "s1"),
    ]  # fmt: skip
    # Two test clips lie 0.005 to each side of the mean.
    assert sorted(lmd["mean"]) == pytest.approx([1.899, 1.899, 1.909, 1.909])
    assert set(lmd.n_clips) == {1}


def test_a_pair_is_tested_on_the_same_clips_and_two_speakers_are_too_few(results: Path) -> None:
    rows = table(results, "comparisons")
    row = rows[(rows.experiment == "worse") & (rows.other == "base") & (rows.metric == "lmd")].iloc[0]
    assert (row.difference, row.low) == pytest.approx((1, 1), abs=0.05)
    assert row.p == pytest.approx(0.5)
    assert (row.n_speakers, row.n_clips, row.n_seeds) == (2, 2, 2)
    assert row.verdict == "not distinguishable"
    assert "2 speakers and" in row.reason


def test_what_is_asked_first_is_corrected_alone() -> None:
    """Eight speakers who agree: p = 2 / 256 = 0.0078. Of three primary metrics 3 x that passes, of forty others not."""

    def scored(metric: str, shift: float) -> dict:
        rows = [{"seed": seed, "clip_id": f"{who}/1", "speaker_id": who, "value": i + shift}
                for seed in (0, 1) for i, who in enumerate("abcdefgh")]  # fmt: skip
        return {("generated" if shift else "still", metric): clip_sample(pd.DataFrame(rows))}

    names = ["lmd", "opening_correlation", "lse_d_expert", *(f"other{i}" for i in range(40))]
    samples = {key: one for name in names for shift in (0.0, -0.5) for key, one in scored(name, shift).items()}
    rows = pd.DataFrame(rival_rows("base", samples)).set_index("metric")
    assert rows.p.unique() == pytest.approx([2 / 256])
    assert rows.p_holm["lmd"] == pytest.approx(3 * 2 / 256)
    assert rows.p_holm["other3"] == pytest.approx(40 * 2 / 256)
    assert (rows.verdict["lmd"], rows.family["lmd"]) == ("better", "primary")
    assert (rows.verdict["other3"], rows.family["other3"]) == ("not distinguishable", "secondary")
    assert "8 speakers and 40 tests cannot give less than 0.31" in rows.reason["other3"]


def test_generated_is_tested_against_its_rivals(results: Path) -> None:
    rows = table(results, "comparisons")
    own = rows[(rows.experiment == "base") & (rows.other == "base") & (rows.metric == "lmd")]
    assert own.other_variant.tolist() == ["still", "neutral", "real"]
    assert own.difference.tolist() == pytest.approx([1.904 - 3.041, 1.904 - 1.977, 1.904 - 0.478])


def test_an_experiments_own_judge_is_not_compared(results: Path) -> None:
    rows = table(results, "comparisons")
    era = rows[(rows.experiment == "worse") & rows.metric.str.endswith(("/era", "/audio"))]
    between = era[era.other == "base"]
    assert set(between.verdict) == {"not comparable"}
    assert set(between.reason) == {"each experiment is judged by its own regressor"}


@pytest.mark.parametrize(
    ("metric", "changes", "sync", "reason"),
    [
        ("lmd", {"loss.metric": 0}, "base", None),
        ("lmd", {"audio.content_context": 4}, "b", None),
        ("lmd", {"video.crop_scale": 2}, "b", "the clips were prepared differently (video)"),
        ("lse_d_expert", {"audio.content_context": 4}, "b", "another sync expert judges"),
        ("lse_d_expert", {"loss.metric": 0}, "base", None),
        ("ccc_valence/points", {"loss.metric": 0}, "base", None),
        ("ccc_valence/points", {"labels.source": "landmarks"}, "b", "the labels differ"),
        ("ccc_valence/era", {"loss.metric": 0}, "base", "each experiment is judged by its own regressor"),
        ("psnr", {"labels.source": "landmarks"}, "b", None),
    ],
)
def test_what_can_be_compared(metric: str, changes: dict, sync: str, reason: str | None) -> None:
    first, second = {"changes": {}, "sync": "base"}, {"changes": changes, "sync": sync}
    assert incomparable(metric, first, second) == incomparable(metric, second, first) == reason


def test_a_seed_that_was_not_scored_is_named(results: Path) -> None:
    with pytest.raises(StageError, match=r"evaluation/base/seed=7/scores\.parquet: missing"):
        compare(SimpleNamespace(seeds=(0, 7)), BASE_ONLY, results, results / "comparison")
