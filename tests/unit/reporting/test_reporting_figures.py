"""Charts show the values they were given; media are embedded byte for byte."""

from __future__ import annotations

import base64
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from eap.reporting import figures
from eap.stage import StageError


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


def test_loss_charts_have_a_line_per_seed_and_part_and_total_first() -> None:
    rows = [(step, 0, part, term, 1.0 / (step + 1)) for step in range(3) for part in ("train", "validation")
            for term in ("lip", "total")]  # fmt: skip
    history = pd.DataFrame(rows, columns=["step", "epoch", "part", "term", "value"])
    charts = figures.loss_charts({0: history, 4: history})
    assert [chart.title for chart in charts] == ["total", "lip"]
    assert [line.name for line in charts[0].lines] == [
        "train, seed 0", "validation, seed 0", "train, seed 4", "validation, seed 4",
    ]  # fmt: skip
    assert points(charts[0].lines[0]) == [(0, 1), (1, 0.5), (2, 0.33333)]
    assert "train, seed 0: 1 at first, 0.333 at last" in charts[0].description


def test_curve_charts_are_in_seconds_against_the_truth() -> None:
    rows = [(0, "c", variant, judge, frame, frame / 10, 0.5) for variant in ("real", "generated")
            for judge in ("era", "audio") for frame in (1, 0)]  # fmt: skip
    columns = ["seed", "clip_id", "variant", "judge", "frame", "intensity", "true_intensity"]
    charts = figures.curve_charts(pd.DataFrame(rows, columns=columns), "c", 25, "intensity")
    assert [chart.title for chart in charts] == ["Generated", "Real video"]
    truth, audio, era = charts[0].lines
    assert points(truth) == [(0, 0.5), (0.04, 0.5)]
    assert (audio.style, era.style) == ("judge-audio", "judge-era")
    assert points(era) == [(0, 0), (0.04, 0.1)]


def test_spread_takes_each_emotion_before_a_second_clip() -> None:
    rows = [("a1", "s", "happy"), ("a2", "s", "happy"), ("a3", "s", "happy"), ("b1", "s", "sad")]
    videos = pd.DataFrame(rows, columns=["clip_id", "speaker_id", "emotion"])
    assert figures.spread_clips(videos, 2) == ["a1", "b1"]
    assert figures.spread_clips(videos, 9) == ["a1", "a2", "a3", "b1"]


def test_data_uri_holds_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"\x00\xffvideo")
    head, _, body = figures.data_uri(path).partition(",")
    assert head == "data:video/mp4;base64"
    assert base64.b64decode(body) == b"\x00\xffvideo"


@pytest.mark.parametrize(("name", "message"), [("a.avi", "embeds .mp4"), ("b.mp4", "missing")])
def test_data_uri_refuses(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(StageError, match=rf"{name}.*{message}"):
        figures.data_uri(tmp_path / name)
