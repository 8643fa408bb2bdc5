"""The comparison of experiments as tables in a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.table import Table

from eap.reporting.metrics import describe, sort_key, variant_key
from eap.reporting.score_tables import HEADLINE, score_text
from eap.schemas import read_table
from eap.stage import StageError


def read_comparison(results: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Tables "summary" and "comparisons" of a finished run.

    Raises
    ------
    StageError
        If the run has not come that far.
    """
    folder = results / "comparison"
    for name in ("summary", "comparisons"):
        if not (folder / f"{name}.parquet").is_file():
            raise StageError(f"{folder / name}.parquet: missing; run the workflow to its end, or name --results")
    summary, comparisons = (read_table(folder / f"{name}.parquet", name) for name in ("summary", "comparisons"))
    return summary, comparisons


def print_runs(
    summary: pd.DataFrame, comparisons: pd.DataFrame | None, console: Console, metrics: Sequence[str], every: bool
) -> None:
    """Print one table per metric: experiments and variants as rows, mean, deviation and interval as columns.

    Parameters
    ----------
    comparisons
        None: not known (they are not kept in MLflow).
    metrics
        Names to show; none: `HEADLINE`.
    every
        Show all.

    Raises
    ------
    StageError
        If a named metric was not measured.
    """
    measured = sorted(summary["metric"].unique(), key=sort_key)
    unknown = [name for name in metrics if name not in measured]
    if unknown:
        raise StageError(f"--metric {unknown[0]}: was not measured; measured: {', '.join(measured)}")
    shown = measured if every else list(metrics) or [name for name in HEADLINE if name in measured]
    for name in shown:
        console.print(_metric_table(name, summary[summary["metric"] == name]))
        flags = summary.loc[summary["metric"] == name, "flag"].dropna().unique() if "flag" in summary else []
        for text in flags:
            console.print(f"! {describe(name).label}: {text}")
    if comparisons is not None:
        console.print(_verdict_table(comparisons[comparisons["metric"].isin(shown)]))


def _metric_table(name: str, rows: pd.DataFrame) -> Table:
    metric = describe(name)
    arrow = {"lower": " (lower is better)", "higher": " (higher is better)", None: ""}[metric.better]
    title = f"{metric.label} [{name}]{f', {metric.unit}' if metric.unit else ''}{arrow}"
    table = Table(title=title, title_justify="left")
    for column in ("experiment", "video"):
        table.add_column(column)
    for column in ("mean", "std over seeds", "95 % interval"):
        table.add_column(column, justify="right")
    order = {experiment: i for i, experiment in enumerate(rows["experiment"].unique())}
    for row in sorted(rows.to_dict("records"), key=lambda r: (order[r["experiment"]], variant_key(r["variant"]))):
        low, high = (_text(row[part], metric.decimals) for part in ("low", "high"))
        span = f"{low} .. {high}" if low else ""
        mean = _text(row["mean"], metric.decimals) or "undefined"
        table.add_row(row["experiment"], row["variant"], mean, _text(row["std"], metric.decimals), span)
    return table


def _verdict_table(rows: pd.DataFrame) -> Table:
    table = Table(title="Paired tests (speakers flipped, Holm-corrected)", title_justify="left")
    for column in ("experiment", "against", "metric", "difference", "p", "verdict"):
        table.add_column(column, justify="right" if column in ("difference", "p") else "left", overflow="fold")
    for row in rows.to_dict("records"):
        against = row["other"] if row["other"] != row["experiment"] else row["other_variant"]
        verdict = row["verdict"] + (f": {row['reason']}" if row["reason"] else "")
        cells = _text(row["difference"], describe(row["metric"]).decimals), _text(row["p_holm"], 3)
        table.add_row(row["experiment"], against, describe(row["metric"]).label, *cells, verdict)
    return table


def _text(value: float, decimals: int) -> str:
    return "" if pd.isna(value) else score_text(value, decimals)
