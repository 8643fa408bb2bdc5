"""Tables of scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from eap.reporting.metrics import VARIANTS, Metric, describe, group_title, sort_key, variant_key

HEADLINE = (
    "lmd", "lmd_center", "opening_correlation", "lse_d_expert", "lse_c_expert", "ccc_intensity/points",
    "ccc_intensity/era",
)  # fmt: skip
"""Metrics that are shown first; those that were not measured are left out."""


NO_REASON = "no reason was recorded"


@dataclass(frozen=True)
class Score:
    """One cell; `mean` None: undefined in every seed. `note`: why the score, or part of what it averages, is.

    `low`, `high`: 95 % interval, None where there is none."""

    mean: float | None
    std: float | None
    note: str
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class ScoreTable:
    """One group of metrics; a missing cell (None) was never measured. `flags`: by metric, why it proves nothing."""

    title: str
    note: str
    metrics: tuple[Metric, ...]
    rows: tuple[tuple[str, str, str, tuple[Score | None, ...]], ...]  # variant, label, role, cells
    flags: dict[str, str]

    def flag_notes(self, judges: bool) -> list[str]:
        """A sentence for each kind of flag, naming its metrics; `judges`: and the judges."""
        labels: dict[str, list[str]] = {}
        for metric in self.metrics:
            if metric.name in self.flags:
                labels.setdefault(self.flags[metric.name], []).append(metric.full_label if judges else metric.label)
        n = len(self.metrics)
        return [
            f"{f'All {n} scores' if len(names) == n > 1 else ', '.join(names)} {text}."
            for text, names in labels.items()
        ]


def score_text(value: float, decimals: int = 3) -> str:
    """A score as the page prints it, with a true minus sign and without a negative zero."""
    return f"{round(value, decimals) + 0.0:.{decimals}f}".replace("-", "−")


def text_of(value: str | float | None) -> str:
    """A text that may be null in its table (None, or NaN as pandas has it); null is empty."""
    return "" if pd.isna(value) else str(value)


def undefined_rows(scores: pd.DataFrame) -> pd.DataFrame:
    """The scores that have no finite value, each with a reason in words."""
    rows = scores[~np.isfinite(scores["value"].astype("float64"))]
    return rows.assign(reason=rows["reason"].fillna(NO_REASON))


def score_tables(summary: pd.DataFrame, scores: pd.DataFrame) -> list[ScoreTable]:
    """The summary as one table per group of metrics, variants as rows."""
    cells = score_cells(summary, scores)
    variants = sorted(summary["variant"].unique(), key=variant_key)
    groups: dict[str, list[Metric]] = {}
    for name in sorted(summary["metric"].unique(), key=sort_key):
        groups.setdefault(describe(name).group, []).append(describe(name))
    tables = []
    for group, metrics in groups.items():
        rows = []
        for variant in variants:
            row = tuple(cells.get((variant, metric.name)) for metric in metrics)
            if any(row):
                rows.append((variant, *VARIANTS.get(variant, (variant, "")), row))
        tables.append(ScoreTable(*group_title(group), tuple(metrics), tuple(rows), flags_of(summary, metrics)))
    return tables


def headline_table(summary: pd.DataFrame, own: str, scores: pd.DataFrame) -> ScoreTable:
    """The metrics of `HEADLINE`: every variant of experiment `own`, then the generated videos of all others."""
    measured = set(summary["metric"])
    metrics = [describe(name) for name in HEADLINE if name in measured]
    cells = score_cells(summary[summary["experiment"] == own], scores)
    rows = [
        (variant, *VARIANTS.get(variant, (variant, "")), tuple(cells.get((variant, m.name)) for m in metrics))
        for variant in sorted({variant for variant, _ in cells}, key=variant_key)
    ]
    for name in dict.fromkeys(summary.loc[summary["experiment"] != own, "experiment"]):
        other = summary[(summary["experiment"] == name) & (summary["variant"] == "generated")]
        found = {row.metric: score_of(row, _left_out(row)) for row in other.itertuples()}
        rows.append(
            ("generated", f"Generated, {name}", "another experiment", tuple(found.get(m.name) for m in metrics))
        )
    own_flags = flags_of(summary[summary["experiment"] == own], metrics)
    return ScoreTable("The main scores", "", tuple(metrics), tuple(row for row in rows if any(row[3])), own_flags)


def flags_of(summary: pd.DataFrame, metrics: Sequence[Metric]) -> dict[str, str]:
    """Why each flagged metric proves nothing on this data; the others have no entry."""
    flags = summary.dropna(subset=["flag"]).drop_duplicates("metric").set_index("metric")["flag"]
    return {metric.name: flags[metric.name] for metric in metrics if metric.name in flags}


def score_of(row: object, note: str) -> Score:
    """A row of table "summary" or "breakdown" as a cell."""
    mean, std, low, high = (None if pd.isna(v) else float(v) for v in (row.mean, row.std, row.low, row.high))
    return Score(mean, std, note or ("" if mean is not None else NO_REASON), low, high)


def _left_out(row: object) -> str:
    if pd.isna(row.mean):
        return "of every clip and seed"
    return f"without {row.n_undefined} undefined scores" if row.n_undefined else ""


def score_cells(summary: pd.DataFrame, scores: pd.DataFrame) -> dict[tuple[str, str], Score]:
    """Each (variant, metric) of the summary; what was left out of a mean is told in its note."""
    undefined = undefined_rows(scores).groupby(["variant", "metric"])["reason"].unique()
    counts = scores.groupby(["variant", "metric"]).size()
    cells = {}
    for row in summary.itertuples():
        key = (row.variant, row.metric)
        note = "; ".join(sorted(undefined[key])) if row.n_undefined and key in undefined else ""
        if note and not pd.isna(row.mean):
            note = f"without {row.n_undefined} of {counts[key]} scores: {note}"
        cells[key] = score_of(row, note)
    return cells


def undefined_clips(scores: pd.DataFrame) -> list[tuple[str, str, str, int]]:
    """Clip scores that are undefined: (variant, metric, reason, clips), commonest reasons of a metric first."""
    missing = undefined_rows(scores[scores["scope"] == "clip"])
    counts = missing.groupby(["variant", "metric", "reason"])["clip_id"].nunique().items()
    rows = [(*key, int(n)) for key, n in counts]
    return sorted(rows, key=lambda row: (variant_key(row[0]), sort_key(row[1]), -row[3]))
