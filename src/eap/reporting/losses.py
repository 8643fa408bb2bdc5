"""Section "Training": every logged term over steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from eap.reporting.figures import Chart, chart, line
from eap.reporting.results import Histories

TITLES = {
    "ant": "ANT, the neutral face",
    "era": "ERA, emotion from the voice",
    "student": "Landmark student",
    "sync": "Sync expert",
    "judge": 'Judge "faces"',
}
PARTS = ("train", "validation")
"""Not "alarm": that is told among the cautions."""


def loss_panels(histories: Histories) -> list[dict[str, Any]]:
    """One panel per experiment: its stages, each with a chart per term; an experiment that trained nothing has none."""
    panels = []
    for experiment, own in histories.items():
        stages = [
            {"title": title, "charts": loss_charts(own[stage]), "seeds": [s for s in own[stage] if s is not None]}
            for stage, title in TITLES.items()
            if stage in own
        ]
        if stages:
            panels.append({"experiment": experiment, "stages": stages})
    return panels


def loss_charts(histories: Mapping[int | None, pd.DataFrame]) -> list[Chart]:
    """One chart per logged term; the key of `histories` is the seed, None for a stage that runs once."""
    logged = [history["term"][history["part"].isin(PARTS)] for history in histories.values()]
    terms = dict.fromkeys(term for column in logged for term in column)
    charts = []
    for term in sorted(terms, key=lambda term: (term != "total", list(terms).index(term))):
        lines, told = [], []
        for seed, history in histories.items():
            for part in PARTS:
                rows = history[(history["term"] == term) & (history["part"] == part)].sort_values("step")
                name = part if seed is None else f"{part}, seed {seed}"
                lines.append(line(name, part, seed, rows["step"], rows["value"]))
                values = rows["value"].dropna()
                if len(values):
                    told.append(f"{name}: {values.iloc[0]:.3g} at first, {values.iloc[-1]:.3g} at last")
        charts.append(chart(term, "; ".join(told), "step", lines))
    return [drawn for drawn in charts if drawn is not None]
