"""Saturation: means over gains and levels, in the order of strength."""

from __future__ import annotations

import pandas as pd
import pytest
from report_probes import saturation_rows

from eap.reporting.figures import Chart
from eap.reporting.saturation import level_chart, saturations


def line(chart: Chart, name: str) -> list[float]:
    points = next(line.points for line in chart.lines if line.name == name)
    return [float(pair.split(",")[1]) for pair in points.split()]


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return pd.DataFrame([*saturation_rows(0), *saturation_rows(1)])


def test_each_judge_known_ones_first_and_the_voice_has_no_gain(table: pd.DataFrame) -> None:
    found = saturations(table)
    assert [one.judge for one in found] == ["era", "points", "audio"]
    assert found[-1].over_gain is None
    assert found[-1].over_level is not None


def test_mean_over_the_gain(table: pd.DataFrame) -> None:
    chart = saturations(table)[0].over_gain
    mean_true = (0.3 + 0.5 + 0.8) / 3
    assert line(chart, "mean") == pytest.approx([0.21 + g * mean_true / 2 for g in (0, 0.5, 1, 1.5)], abs=1e-4)
    assert [label for label, _ in chart.x_ticks] == ["0", "0.5", "1", "1.5"]
    assert not chart.zoomable
    assert len(chart.lines) == 6 + 1


def test_levels_are_in_order_beside_recordings_and_labels(table: pd.DataFrame) -> None:
    chart = saturations(table)[1].over_level
    assert [label for label, _ in chart.x_ticks] == ["low", "medium", "high"]
    assert line(chart, "labels") == pytest.approx([0.3, 0.5, 0.8])
    assert line(chart, "recordings") == pytest.approx([0.35, 0.55, 0.85])
    assert line(chart, "generated") == pytest.approx([0.36, 0.46, 0.61])
    assert "labels: 0.300 at low, 0.500 at medium, 0.800 at high" in chart.description


def test_clips_without_levels_have_no_chart_of_levels(table: pd.DataFrame) -> None:
    alone = table[table.level == "low"]
    assert level_chart(alone, "era") is None
    assert level_chart(alone.assign(level=None), "era") is None
