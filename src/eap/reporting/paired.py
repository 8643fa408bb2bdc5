"""Section "Comparison": what the paired tests say, as matrices of verdicts and as one long table."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pandas as pd

from eap.experiments import BASE
from eap.reporting.metrics import VARIANTS, Metric, describe, sort_key, variant_key
from eap.reporting.score_tables import HEADLINE, score_text, text_of

SIGNS = {
    "better": "▲",
    "worse": "▼",
    "different": "≠",
    "not distinguishable": "≈",
    "not comparable": "×",
}
"""A mark beside the word, so that colour is never all there is."""


@dataclass(frozen=True)
class Call:
    """One paired test in few words; `why`: the reason and the numbers."""

    verdict: str
    sign: str
    difference: str
    why: str


@dataclass(frozen=True)
class CallTable:
    """Rows are what the row's label names, columns metrics; None: not tested."""

    metrics: tuple[Metric, ...]
    rows: tuple[tuple[str, str, tuple[Call | None, ...]], ...]


def control_calls(comparisons: pd.DataFrame, experiment: str = BASE) -> CallTable:
    """One experiment's generated video against each of its controls."""
    own = comparisons[(comparisons["experiment"] == experiment) & (comparisons["other"] == experiment)]
    rivals = sorted(own["other_variant"].unique(), key=variant_key)
    rows = [(rival, *VARIANTS.get(rival, (rival, "")), own[own["other_variant"] == rival]) for rival in rivals]
    return _table([(f"against {label[0].lower()}{label[1:]}", role, part) for _, label, role, part in rows])


def experiment_calls(comparisons: pd.DataFrame) -> CallTable:
    """Every pair of experiments, generated video against generated video."""
    pairs = comparisons[comparisons["experiment"] != comparisons["other"]]
    groups = pairs.groupby(["other", "experiment"], sort=False)
    return _table([(f"{name} against {other}", "", part) for (other, name), part in groups])


def experiment_rows(experiments: pd.DataFrame) -> list[dict[str, Any]]:
    """What each experiment is: its changes, and whose files it shares."""
    rows = []
    for row in experiments.itertuples():
        changes = json.loads(text_of(row.changes) or "{}")
        owners: dict[str, list[str]] = {}
        for name in ("data", "student", "sync", "ant", "controls"):
            if getattr(row, name) != row.experiment:
                owners.setdefault(getattr(row, name), []).append(name)
        shared = "; ".join(f"{', '.join(names)} of {owner}" for owner, names in owners.items())
        rows.append({"name": row.experiment, "changes": [(k, json.dumps(v)) for k, v in changes.items()],
                     "shared": shared, "n_seeds": row.n_seeds})  # fmt: skip
    return rows


def call_rows(comparisons: pd.DataFrame) -> list[dict[str, Any]]:
    """Every paired test as a row of the long table."""
    rows = []
    for row in comparisons.sort_values("metric", key=lambda names: names.map(sort_key), kind="stable").itertuples():
        decimals = describe(row.metric).decimals
        same = row.experiment == row.other
        rows.append({
            "first": row.experiment if not same else f"{row.experiment}: {row.variant}",
            "second": row.other if not same else row.other_variant,
            "metric": describe(row.metric), "family": text_of(row.family), "verdict": row.verdict,
            "sign": SIGNS.get(row.verdict, ""), "reason": text_of(row.reason),
            "n": " / ".join(map(_count, (row.n_clips, row.n_speakers, row.n_seeds))),
            "numbers": [(value, _text(value, d)) for value, d in (
                (row.mean, decimals), (row.other_mean, decimals), (row.difference, decimals), (row.low, decimals),
                (row.high, decimals), (row.p_holm, 4))],
        })  # fmt: skip
    return rows


def _table(groups: list[tuple[str, str, pd.DataFrame]]) -> CallTable:
    measured = {metric for _, _, part in groups for metric in part["metric"]}
    metrics = tuple(describe(name) for name in HEADLINE if name in measured)
    rows = []
    for label, role, part in groups:
        calls = {row.metric: _call(row) for row in part.itertuples()}
        rows.append((label, role, tuple(calls.get(metric.name) for metric in metrics)))
    return CallTable(metrics, tuple(rows))


def _call(row: Any) -> Call:
    decimals = describe(row.metric).decimals
    if pd.isna(row.difference):
        return Call(row.verdict, SIGNS.get(row.verdict, ""), "", text_of(row.reason))
    sign = "+" if row.difference > 0 else ""
    why = f"{_text(row.mean, decimals)} against {_text(row.other_mean, decimals)}"
    if not pd.isna(row.low):
        why += f", 95 % interval of the difference {_text(row.low, decimals)} to {_text(row.high, decimals)}"
    why += f"; {row.reason}" if text_of(row.reason) else ""
    return Call(row.verdict, SIGNS.get(row.verdict, ""), sign + _text(row.difference, decimals), why)


def _text(value: float, decimals: int) -> str:
    return "" if pd.isna(value) else score_text(value, decimals)


def _count(value: float) -> str:
    return "–" if pd.isna(value) else str(int(value))
