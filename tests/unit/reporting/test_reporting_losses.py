"""Losses: a chart per term, a line per seed and part, a panel per experiment that trained something."""

from __future__ import annotations

import pandas as pd

from eap.reporting.figures import Line
from eap.reporting.losses import loss_charts, loss_panels


def points(line: Line) -> list[tuple[float, ...]]:
    return [tuple(float(value) for value in pair.split(",")) for pair in line.points.split()]


def test_loss_charts_have_a_line_per_seed_and_part_and_total_first() -> None:
    rows = [(step, 0, part, term, 1.0 / (step + 1)) for step in range(3) for part in ("train", "validation")
            for term in ("lip", "total")]  # fmt: skip
    rows.append((2, 0, "alarm", "frames_constant", 1.0))  # no loss: told among the cautions
    history = pd.DataFrame(rows, columns=["step", "epoch", "part", "term", "value"])
    charts = loss_charts({0: history, 4: history})
    assert [chart.title for chart in charts] == ["total", "lip"]
    assert [line.name for line in charts[0].lines] == [
        "train, seed 0", "validation, seed 0", "train, seed 4", "validation, seed 4",
    ]  # fmt: skip
    assert points(charts[0].lines[0]) == [(0, 1), (1, 0.5), (2, 0.33333)]
    assert "train, seed 0: 1 at first, 0.333 at last" in charts[0].description


def test_an_experiment_has_what_it_trained_itself_in_the_order_of_the_phases() -> None:
    history = pd.DataFrame({"step": [0], "epoch": 0, "part": "train", "term": "total", "value": [1.0]})
    base = {"student": {None: history}, "era": {0: history, 1: history}, "ant": {0: history}}
    panels = loss_panels({"base": base, "no_metric": {"era": {0: history}}, "idle": {}})
    assert [panel["experiment"] for panel in panels] == ["base", "no_metric"]
    assert [(stage["title"].split()[0], stage["seeds"]) for stage in panels[0]["stages"]] == [
        ("ANT,", [0]), ("ERA,", [0, 1]), ("Landmark", []),
    ]  # fmt: skip
