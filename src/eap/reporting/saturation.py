"""Section "Saturation": does intensity rise with the gain g, and with the level that was acted?"""

from __future__ import annotations

from dataclasses import dataclass, replace

import pandas as pd

from eap.evaluation.levels import level_key
from eap.reporting.figures import Chart, chart, line
from eap.reporting.metrics import judge_key


@dataclass(frozen=True)
class Saturation:
    """What one judge reads: intensity over g, and over levels (None where the data has none)."""

    judge: str
    over_gain: Chart | None
    over_level: Chart | None


def saturations(saturation: pd.DataFrame) -> list[Saturation]:
    """One per judge."""
    judges = sorted(saturation["judge"].unique(), key=judge_key)
    return [Saturation(judge, *_charts(saturation[saturation["judge"] == judge], judge)) for judge in judges]


def _charts(rows: pd.DataFrame, judge: str) -> tuple[Chart | None, Chart | None]:
    made = rows[(rows["variant"] == "generated") & rows["gain"].notna()]
    return gain_chart(made, judge) if made["gain"].nunique() > 1 else None, level_chart(rows, judge)


def gain_chart(made: pd.DataFrame, judge: str) -> Chart | None:
    """A thin line per clip, mean over seeds, and their mean."""
    clips = made.groupby(["clip_id", "gain"])["intensity"].mean().reset_index()
    lines = [line(clip_id, "one", None, own["gain"], own["intensity"]) for clip_id, own in clips.groupby("clip_id")]
    mean = clips.groupby("gain")["intensity"].mean()
    lines.append(line("mean", "mean", None, mean.index, mean))
    told = ", ".join(f"{value:.3f} at g = {gain:g}" for gain, value in mean.items())
    drawn = chart("Over the gain g", f"Mean intensity, judge {judge}: {told}", "g", lines, floor=0.0)
    return None if drawn is None else named_ticks(drawn, {gain: f"{gain:g}" for gain in mean.index})


def level_chart(rows: pd.DataFrame, judge: str) -> Chart | None:
    """Mean over groups that have at least two levels: generated at g = 1, the recordings, the labels."""
    sizes = rows.groupby("group_id")["level"].nunique()
    rows = rows[rows["group_id"].isin(sizes.index[sizes > 1])]
    levels = sorted(rows["level"].dropna().unique(), key=level_key)
    if len(levels) < 2:
        return None
    rows = rows.assign(rank=rows["level"].map({level: rank for rank, level in enumerate(levels)}))
    generated = rows[(rows["variant"] == "generated") & (rows["gain"] == 1)]
    curves = {
        "labels": ("truth", rows.groupby("rank")["true_intensity"].mean()),
        "recordings": ("real", rows[rows["variant"] == "real"].groupby("rank")["intensity"].mean()),
        "generated": ("mean", generated.groupby("rank")["intensity"].mean()),
    }
    groups = generated.groupby(["group_id", "rank"])["intensity"].mean().reset_index()
    lines = [line(name, "one", None, own["rank"], own["intensity"]) for name, own in groups.groupby("group_id")]
    lines += [line(name, style, None, values.index, values) for name, (style, values) in curves.items()]
    told = "; ".join(
        f"{name}: " + ", ".join(f"{value:.3f} at {levels[int(rank)]}" for rank, value in values.items())
        for name, (_, values) in curves.items() if values.notna().any()
    )  # fmt: skip
    drawn = chart("Over the acted level", f"Mean intensity, judge {judge}: {told}", "level", lines, floor=0.0)
    return None if drawn is None else named_ticks(drawn, dict(enumerate(levels)))


def named_ticks(drawn: Chart, names: dict[float, str]) -> Chart:
    """The chart with ticks of its own along x."""
    low, high = drawn.x_range
    ticks = tuple((name, round(100 * (x - low) / (high - low), 3)) for x, name in names.items())
    return replace(drawn, x_ticks=ticks, zoomable=False)
