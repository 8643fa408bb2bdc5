"""Dots stand where their values are."""

from __future__ import annotations

import math

import pytest

from eap.reporting.dots import Line, Value, dot_plot


def test_places_are_percent_of_an_axis_with_round_ends() -> None:
    plot = dot_plot("t", "d", [Line("a", "", (Value("ours", "a: 0.25", 0.25, 0.1, 0.5, 0.75),), "0.25")], (0, 1))
    dot = plot.rows[0].dots[0]
    assert (dot.at, dot.low, dot.high, dot.luck) == (25, 10, 50, 75)
    assert plot.zero == 0
    assert plot.ticks[0] == ("0", 0.0)
    assert plot.ticks[-1] == ("1", 100.0)


def test_undefined_values_have_no_dot_and_no_interval() -> None:
    lines = [Line("a", "", (Value("ours", "", math.nan), Value("real", "", 2.0)), ""), Line("b", "", (), "undefined")]
    plot = dot_plot("t", "d", lines)
    assert [[dot.style for dot in row.dots] for row in plot.rows] == [["real"], []]
    assert plot.rows[0].dots[0].low is None
    assert plot.zero is None


def test_nothing_known_no_plot() -> None:
    assert dot_plot("t", "d", [Line("a", "", (Value("ours", "", math.nan),), "")], (0, 1)) is None


@pytest.mark.parametrize("value", [0.0, 3.0])
def test_equal_values_have_an_axis(value: float) -> None:
    assert dot_plot("t", "d", [Line("a", "", (Value("ours", "", value),), "")]).rows[0].dots[0].at == 50
