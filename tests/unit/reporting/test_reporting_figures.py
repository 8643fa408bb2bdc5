"""Charts show the values they were given."""

from __future__ import annotations

import numpy as np

from eap.reporting import figures


def points(line: figures.Line) -> list[tuple[float, ...]]:
    return [tuple(float(value) for value in pair.split(",")) for pair in line.points.split()]


def test_ticks_are_round_and_in_place() -> None:
    assert figures.ticks(0, 10, 4) == (("0", 0.0), ("5", 50.0), ("10", 100.0))
    assert [label for label, _ in figures.ticks(-0.1, 0.33, 4)] == ["0", "0.2"]


def test_line_keeps_short_series_and_drops_undefined_values() -> None:
    line = figures.line("a", "train", 0, [0, 1, 2, 3], [1.5, np.nan, np.inf, 2.5])
    assert points(line) == [(0, 1.5), (3, 2.5)]


def test_long_line_is_thinned_to_means() -> None:
    n = 10 * figures.MAX_POINTS
    found = points(figures.line("a", "train", 0, range(n), np.arange(n) * 2.0))
    assert len(found) == figures.MAX_POINTS
    assert found[0] == (4.5, 9.0)


def test_flat_and_single_point_lines_have_an_area() -> None:
    flat = figures.chart("t", "", "step", [figures.line("a", "train", None, [5], [2.0])])
    assert flat.x_range == (4.5, 5.5)
    assert flat.y_range[0] < 2.0 < flat.y_range[1]


def test_chart_without_points_is_left_out() -> None:
    assert figures.chart("t", "", "step", [figures.line("a", "train", None, [], [])]) is None
