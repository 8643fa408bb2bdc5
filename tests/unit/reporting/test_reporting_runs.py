"""The tables of `eap runs`."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console
from typer.testing import CliRunner

from eap.cli import app
from eap.reporting.runs import HEADLINE, print_runs, read_comparison
from eap.schemas import write_table
from eap.stage import StageError

LATE = "cannot tell real video from its own pictures 5 frames late on this data"
SUMMARY = [
    {"experiment": "base", "variant": "real", "metric": "lmd", "mean": 0.74, "low": 0.5, "high": 0.9},
    {"experiment": "base", "variant": "generated", "metric": "lmd", "mean": 2.0, "std": 0.25, "low": 1.5, "high": 2.6},
    {"experiment": "no_metric", "variant": "generated", "metric": "lmd", "mean": 2.5, "std": 0.1, "low": 2, "high": 3},
    {"experiment": "base", "variant": "still", "metric": "opening_correlation", "mean": None},
    {"experiment": "base", "variant": "generated", "metric": "lse_d_expert", "mean": 8, "flag": LATE},
    {"experiment": "base", "variant": "generated", "metric": "blink_rate", "mean": 7},
]
COMPARISONS = [
    {"experiment": "no_metric", "variant": "generated", "other": "base", "other_variant": "generated", "metric": "lmd",
     "difference": 0.5, "p_holm": 0.01, "verdict": "worse"},
    {"experiment": "base", "variant": "generated", "other": "base", "other_variant": "still", "metric": "lmd",
     "difference": -1.0, "p_holm": 0.4, "verdict": "not distinguishable", "reason": "p = 0.4 after correction"},
    {"experiment": "base", "variant": "generated", "other": "base", "other_variant": "still", "metric": "blink_rate",
     "verdict": "not comparable", "reason": "no clip"},
]  # fmt: skip


@pytest.fixture
def results(tmp_path: Path) -> Path:
    write_table(tmp_path / "comparison" / "summary.parquet", "summary", SUMMARY)
    write_table(tmp_path / "comparison" / "comparisons.parquet", "comparisons", COMPARISONS)
    return tmp_path


def printed(results: Path, *metrics: str, every: bool = False) -> str:
    console = Console(width=140, markup=False, highlight=False)
    with console.capture() as capture:
        print_runs(*read_comparison(results), console, metrics, every)
    return capture.get()


def test_headline_metrics_with_intervals_flags_and_verdicts(results: Path) -> None:
    text = printed(results)
    row = next(line for line in text.splitlines() if "base" in line and "generated" in line)
    assert [cell.strip() for cell in row.strip("│").split("│")] == [
        "base", "generated", "2.000", "0.250", "1.500 .. 2.600",
    ]  # fmt: skip
    assert text.index("generated") < text.index("real")  # variants in their usual order
    assert "undefined" in text
    assert f"! LSE-D: {LATE}" in text
    assert "worse" in text
    assert "not distinguishable: p = 0.4 after correction" in text
    assert "blink_rate" not in text
    assert "lmd" in HEADLINE


def test_metrics_that_are_asked_for(results: Path) -> None:
    assert "LMD" not in printed(results, "blink_rate")
    assert "blink_rate" in printed(results, every=True)
    with pytest.raises(StageError, match=r"--metric fid: was not measured; measured: lmd, "):
        printed(results, "fid")


def test_the_command_reads_files(results: Path) -> None:
    done = CliRunner().invoke(app, ["runs", "--results", str(results)])
    assert done.exit_code == 0, done.output
    assert "no_metric" in done.output


def test_the_command_reads_mlflow(results: Path, tmp_path: Path) -> None:
    from eap.tracking.delivery import Delivery
    from eap.tracking.run_log import log_summaries

    store = f"sqlite:///{tmp_path}/mlflow.db"
    log_summaries(tmp_path, "eap", results / "comparison" / "summary.parquet")
    Delivery(tmp_path, store, store, print).send_all()
    done = CliRunner().invoke(app, ["runs", "--store", store])
    assert done.exit_code == 0, done.output
    assert "2.000" in done.output
    assert "Paired tests" not in done.output


def test_a_run_that_is_not_finished_says_so(tmp_path: Path) -> None:
    with pytest.raises(StageError, match=r"comparison/summary\.parquet: missing; run the workflow to its end"):
        read_comparison(tmp_path)


def test_summaries_without_flags_are_printed(results: Path) -> None:
    console = Console(width=120)
    with console.capture() as capture:
        print_runs(pd.DataFrame(SUMMARY).drop(columns="flag"), None, console, ["lmd"], False)
    assert "LMD" in capture.get()
