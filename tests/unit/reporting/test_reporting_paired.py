"""Verdicts stand in their cells with their numbers and reasons."""

from __future__ import annotations

import pandas as pd
import pytest

from eap.reporting.paired import call_rows, control_calls, experiment_calls, experiment_rows
from eap.schemas import to_table

STILL = {"experiment": "base", "variant": "generated", "other": "base", "other_variant": "still"}
BETWEEN = {"experiment": "no_metric", "variant": "generated", "other": "base", "other_variant": "generated"}
NUMBERS = {"mean": 1.5, "other_mean": 2.0, "difference": -0.5, "low": -0.75, "high": -0.25, "p": 0.01, "p_holm": 0.02,
           "n_seeds": 2, "n_speakers": 8, "n_clips": 40}  # fmt: skip


@pytest.fixture(scope="module")
def comparisons() -> pd.DataFrame:
    few = "p = 1 after Holm's correction"
    rows = [
        {**STILL, **NUMBERS, "metric": "lmd", "verdict": "better"},
        {
            **STILL,
            "metric": "opening_correlation",
            "verdict": "not comparable",
            "reason": "no clip has a value in both",
        },
        {**STILL, **NUMBERS, "other_variant": "real", "metric": "lmd", "verdict": "worse"},
        {**STILL, **NUMBERS, "metric": "blink_rate", "verdict": "different"},
        {**BETWEEN, **NUMBERS, "difference": 0.25, "metric": "lmd", "verdict": "not distinguishable", "reason": few},
    ]
    return to_table("comparisons", rows).to_pandas()


def test_controls_are_rows_and_headline_metrics_columns(comparisons: pd.DataFrame) -> None:
    table = control_calls(comparisons)
    assert [metric.name for metric in table.metrics] == ["lmd", "opening_correlation"]
    assert [label for label, _, _ in table.rows] == ["against real video", "against still frame"]
    lmd, correlation = table.rows[1][2]
    assert (lmd.verdict, lmd.sign, lmd.difference) == ("better", "▲", "−0.500")
    assert lmd.why == "1.500 against 2.000, 95 % interval of the difference −0.750 to −0.250"
    assert (correlation.difference, correlation.why) == ("", "no clip has a value in both")
    assert table.rows[0][2][1] is None


def test_experiments_are_compared_with_each_other(comparisons: pd.DataFrame) -> None:
    table = experiment_calls(comparisons)
    ((label, _, (call,)),) = table.rows
    assert label == "no_metric against base"
    assert (call.sign, call.difference) == ("≈", "+0.250")
    assert call.why.endswith("; p = 1 after Holm's correction")


def test_the_long_table_has_every_test_known_metrics_first(comparisons: pd.DataFrame) -> None:
    rows = call_rows(comparisons)
    assert [row["metric"].name for row in rows] == ["lmd", "lmd", "lmd", "opening_correlation", "blink_rate"]
    assert (rows[0]["first"], rows[0]["second"], rows[0]["n"]) == ("base: generated", "still", "40 / 8 / 2")
    assert (rows[2]["first"], rows[2]["second"]) == ("no_metric", "base")
    assert rows[3]["n"] == "– / – / –"
    assert [text for _, text in rows[3]["numbers"]] == [""] * 6


def test_experiments_tell_changes_and_whose_files_they_use() -> None:
    own = dict.fromkeys(("data", "student", "sync", "ant", "controls"), "base")
    rows = [{"experiment": "base", **own, "changes": "{}"},
            {"experiment": "wide", **own, "ant": "wide", "changes": '{"model.d_emotion": 64}'}]  # fmt: skip
    base, wide = experiment_rows(to_table("experiments", rows).to_pandas())
    assert (base["changes"], base["shared"]) == ([], "")
    assert wide["changes"] == [("model.d_emotion", "64")]
    assert wide["shared"] == "data, student, sync, controls of base"
