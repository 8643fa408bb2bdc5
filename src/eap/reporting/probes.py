"""Table "probes" as rows of the page: input bias and saturation in single numbers."""

from __future__ import annotations

from typing import Any

import pandas as pd

from eap.evaluation.probes import PROBES
from eap.reporting.metrics import judge_key
from eap.reporting.score_tables import NO_REASON, Score, score_of, text_of


def probe_rows(probes: pd.DataFrame) -> list[dict[str, Any]]:
    """One row per experiment, probe, judge, quantity and gain; unknown probes last, under their own name."""
    order = {name: position for position, name in enumerate(PROBES)}
    rows = sorted(
        probes.itertuples(),
        key=lambda r: (order.get(r.probe, len(order)), r.probe, judge_key(text_of(r.judge)), text_of(r.quantity)),
    )
    return [_row(row) for row in rows]


def _row(row: Any) -> dict[str, Any]:
    meaning, better = PROBES.get(row.probe, (row.probe, None))
    where = ", ".join([text_of(row.quantity), *([] if pd.isna(row.gain) else [f"g = {row.gain:g}"])])
    return {
        "experiment": row.experiment, "probe": row.probe, "meaning": meaning, "better": better,
        "judge": text_of(row.judge), "where": where.strip(", "), "score": _score(row),
        "chance": None if pd.isna(row.chance) else float(row.chance), "n": 0 if pd.isna(row.n) else int(row.n),
    }  # fmt: skip


def _score(row: Any) -> Score:
    return score_of(row, (text_of(row.reason) or NO_REASON) if pd.isna(row.mean) else "")
