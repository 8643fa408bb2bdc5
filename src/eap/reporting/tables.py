"""Tables of the page."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from eap.reporting.metrics import VARIANTS, Metric, describe, group_title, sort_key, variant_key
from eap.stage import StageError

SPLITS = ("train", "validation", "test")
NO_REASON = "no reason was recorded"
_NUMBER = re.compile(r"\d+(\.\d+)?")


@dataclass(frozen=True)
class Score:
    """One cell; `mean` None: undefined in every seed. `note`: why the score, or part of what it averages, is."""

    mean: float | None
    std: float | None
    note: str


@dataclass(frozen=True)
class ScoreTable:
    """One group of metrics; a missing cell (None) was never measured."""

    title: str
    note: str
    metrics: tuple[Metric, ...]
    rows: tuple[tuple[str, str, str, tuple[Score | None, ...]], ...]  # variant, label, role, cells


@dataclass(frozen=True)
class Count:
    """One cell of the table of clips: how many train, validate and test."""

    splits: tuple[int, ...]

    @property
    def total(self) -> int:
        """Clips of all splits."""
        return sum(self.splits)


def score_text(value: float, decimals: int = 3) -> str:
    """A score as the page prints it, with a true minus sign and without a negative zero."""
    return f"{round(value, decimals) + 0.0:.{decimals}f}".replace("-", "−")


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
        tables.append(ScoreTable(*group_title(group), tuple(metrics), tuple(rows)))
    return tables


def score_cells(summary: pd.DataFrame, scores: pd.DataFrame) -> dict[tuple[str, str], Score]:
    """Each (variant, metric) of the summary; what was left out of a mean is told in its note."""
    undefined = undefined_rows(scores).groupby(["variant", "metric"])["reason"].unique()
    counts = scores.groupby(["variant", "metric"]).size()
    cells = {}
    for row in summary.itertuples():
        key = (row.variant, row.metric)
        mean, std = (None if pd.isna(value) else float(value) for value in (row.mean, row.std))
        note = "; ".join(sorted(undefined[key])) if row.n_undefined else ""
        if row.n_undefined and mean is not None:
            note = f"without {row.n_undefined} of {counts[key]} scores: {note}"
        cells[key] = Score(mean, std, note)
    return cells


def undefined_clips(scores: pd.DataFrame) -> list[tuple[str, str, str, int]]:
    """Clip scores that are undefined: (variant, metric, reason, clips), commonest reasons of a metric first."""
    missing = undefined_rows(scores[scores["scope"] == "clip"])
    counts = missing.groupby(["variant", "metric", "reason"])["clip_id"].nunique().items()
    rows = [(*key, int(n)) for key, n in counts]
    return sorted(rows, key=lambda row: (variant_key(row[0]), sort_key(row[1]), -row[3]))


def emotion_order(emotions: pd.Series) -> list[str]:
    """Each emotion once, neutral first."""
    return sorted(emotions.unique(), key=lambda emotion: (emotion != "neutral", emotion))


def clip_matrix(splits: pd.DataFrame) -> tuple[list[str], list[tuple[str, list[Count]]]]:
    """Used clips: emotions (columns) and, per speaker, one `Count` for each emotion; last column and row are sums."""
    emotions = emotion_order(splits["emotion"])
    groups = [*((speaker, rows) for speaker, rows in splits.groupby("speaker_id")), ("all speakers", splits)]
    matrix = []
    for speaker, rows in groups:
        parts = [*(rows[rows["emotion"] == emotion] for emotion in emotions), rows]
        matrix.append((speaker, [Count(tuple(int((part["split"] == s).sum()) for s in SPLITS)) for part in parts]))
    return emotions, matrix


def split_statement(by: Literal["speaker", "clip"], splits: pd.DataFrame) -> str:
    """What kind of split this is; checked against the table, never only quoted from the config."""
    if by == "clip":
        return "by clip: no claim about unseen people"
    shared = splits.groupby("speaker_id")["split"].nunique()
    leaking: Sequence[str] = sorted(shared[shared > 1].index)
    if leaking:
        raise StageError(
            f"split.by is 'speaker', but {', '.join(leaking[:5])} stand(s) in more than one split; run `split` again"
        )
    return "speaker-disjoint: no test speaker was seen in training"


def stage_counts(clips: pd.DataFrame) -> list[tuple[str, str, int]]:
    """Clips set aside: (stage, reason, clips), most frequent first; reasons that differ in numbers only are one."""
    aside = clips[clips["status"] == "set_aside"].fillna({"stage": "?", "reason": NO_REASON})
    kinds = aside["reason"].str.replace(_NUMBER, "…", regex=True)
    rows = []
    for (stage, kind), reasons in aside["reason"].groupby([aside["stage"], kinds]):
        rows.append((stage, reasons.iloc[0] if reasons.nunique() == 1 else kind, len(reasons)))
    return sorted(rows, key=lambda row: (-row[2], row[:2]))
