"""Cards: curves in seconds beside the truth; clips of every emotion before a second one of any."""

from __future__ import annotations

import pandas as pd

from eap.reporting.cards import curve_charts, spread_clips
from eap.reporting.figures import Line


def points(line: Line) -> list[tuple[float, ...]]:
    return [tuple(float(value) for value in pair.split(",")) for pair in line.points.split()]


def test_curve_charts_are_in_seconds_against_the_truth() -> None:
    rows = [(0, "c", variant, judge, frame, frame / 10, 0.5) for variant in ("real", "generated")
            for judge in ("era", "audio") for frame in (1, 0)]  # fmt: skip
    columns = ["seed", "clip_id", "variant", "judge", "frame", "intensity", "true_intensity"]
    charts = curve_charts(pd.DataFrame(rows, columns=columns), "c", 25, "intensity")
    assert {variant: chart.title for variant, chart in charts.items()} == {
        "generated": "Generated",
        "real": "Real video",
    }
    truth, audio, era = charts["generated"].lines
    assert points(truth) == [(0, 0.5), (0.04, 0.5)]
    assert (audio.style, era.style) == ("judge-audio", "judge-era")
    assert points(era) == [(0, 0), (0.04, 0.1)]


def test_spread_takes_each_emotion_before_a_second_clip() -> None:
    rows = [("a1", "s", "happy"), ("a2", "s", "happy"), ("a3", "s", "happy"), ("b1", "s", "sad")]
    videos = pd.DataFrame(rows, columns=["clip_id", "speaker_id", "emotion"])
    assert spread_clips(videos, 2) == ["a1", "b1"]
    assert spread_clips(videos, 9) == ["a1", "a2", "a3", "b1"]
