"""Scores by part: every row in its place, weak levels before strong ones."""

from __future__ import annotations

import pandas as pd

from eap.reporting.breakdown import breakdown_panels
from eap.schemas import to_table

COMMON = {"experiment": "base", "metric": "lmd", "n_seeds": 2, "n_speakers": 1, "n_clips": 3}


def rows() -> pd.DataFrame:
    found = [
        {**COMMON, "variant": "generated", "part": "level", "value": "high", "mean": 3.0, "low": 2.0, "high": 4.0},
        {**COMMON, "variant": "generated", "part": "level", "value": "low", "mean": 1.0},
        {**COMMON, "variant": "still", "part": "level", "value": "low", "mean": None, "n_clips": 1},
        {**COMMON, "variant": "real", "part": "emotion", "value": "sad", "mean": 0.5},
        {**COMMON, "variant": "real", "part": "emotion", "value": "neutral", "mean": 0.25},
    ]
    return to_table("breakdown", found).to_pandas()


def test_panels_and_rows_are_in_order() -> None:
    emotion, level = breakdown_panels(rows())
    assert (emotion.part, level.part, level.metric.label) == ("emotion", "level", "LMD")
    assert [(value, n) for value, n, _ in emotion.rows] == [("neutral", 3), ("sad", 3)]
    assert [variant for variant, _ in level.variants] == ["generated", "still"]
    (low, _, low_cells), (high, _, high_cells) = level.rows
    assert (low, high) == ("low", "high")
    assert (high_cells[0].mean, high_cells[0].low, high_cells[0].high) == (3.0, 2.0, 4.0)
    assert high_cells[1] is None
    assert (low_cells[1].mean, low_cells[1].note) == (None, "no clip has a value")


def test_the_plot_shows_what_has_a_value_and_says_what_is_undefined() -> None:
    emotion, level = breakdown_panels(rows())
    assert [[dot.style for dot in row.dots] for row in level.plot.rows] == [["ours"], ["ours"]]
    assert [row.text for row in level.plot.rows] == ["1.000", "3.000"]
    assert [row.text for row in emotion.plot.rows] == ["undefined", "undefined"]  # of the generated video
