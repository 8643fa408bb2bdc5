"""What was asked for beside what was measured: ``results.md`` and ``results.json``, from the tables of a comparison.

Nothing is computed here but differences: every figure is a row of table "summary" or "probes", which are made from the
tables of all seeds that `eap.reporting.measured` keeps.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import pandas as pd

from eap.experiments import BASE, Experiments
from eap.files import write_text
from eap.reporting.comparison import compare
from eap.schemas import read_table

COLUMNS = {"real": "real", "still": "still", "shuffled": "shuffled"}
TITLE = """# Results

Each section was written by the last of its commands, from tables; every figure also stands in `results.json`.
A section that names its seeds and source trees can be computed again from `measured/` (`eap results --kept`);
the others are of runs whose tables were not kept."""


@dataclass(frozen=True)
class Target:
    """A bound on a figure of `collect`; `times` and `plus`: the bound is relative to one of its controls.

    ``METRIC of SPEAKER`` is the figure over that speaker's test clips alone.
    """

    metric: str
    at_least: bool
    bound: float
    times: str | None = None
    plus: str | None = None

    def limit(self, row: dict[str, Any]) -> float | None:
        """The bound in numbers; None where its control has no value."""
        if self.times or self.plus:
            control = row[self.times or self.plus]
            return None if control is None else self.bound * control if self.times else self.bound + control
        return self.bound

    def text(self, limit: float) -> str:
        """The bound in words."""
        relative = f" ({self.bound:g} x {self.times})" if self.times else ""
        relative = relative or (f" ({self.bound:g} above {self.plus})" if self.plus else "")
        return f"{'>=' if self.at_least else '<='} {limit:.3g}{relative}"


ROLLED = "opening_correlation/rolled"
"""Of a video generated from the clip's own voice, rolled in time: lips that follow timing alone would not notice."""
REFERENCE = (
    Target("lmd", False, 0.4, times="still"),
    Target("opening_correlation", True, 0.8),
    Target("opening_correlation", True, 0.4, plus="shuffled"),
    Target("offset_expert", False, 1),
    Target("opening_amplitude", True, 0.75),
    Target("width_correlation", True, 0.5),
    Target("ccc_intensity/faces", True, 0.7),
    Target("pcc_intensity/faces", True, 0.75),
    Target("emotion_accuracy/faces", True, 0.8),
    Target("intensity_excess/faces", False, 0.08),
    Target("source_share valence g=1/faces", False, 0.05),
    Target("source_share arousal g=1/faces", False, 0.05),
    Target("levels_ordered/faces", True, 0.95),
    Target("gains_ordered/faces", True, 1),
)
GRID_CPU = (
    Target("opening_correlation of grid_s1", True, 0.75),
    Target("opening_correlation of grid_s1", True, 0.3, plus="shuffled"),
    Target(f"{ROLLED} of grid_s1", False, 0),
    Target("opening_amplitude of grid_s1", True, 0.75),
    Target("width_correlation of grid_s1", True, 0.5),
    Target("lmd_center of grid_s1", False, 1.2),
    Target("lmd of grid_s1", False, 0.6, times="still"),
)
"""The bounds are those of real clips of GRID's s1; the two other test clips are of CREMA-D's 1001."""
TARGETS = {"reference": REFERENCE, "grid_cpu": GRID_CPU}
"""Bounds by preset (CHOSEN: the project's own): on held-out people of the phantom corpus; on held-out real clips."""


def collect(comparison: Path, experiment: str = BASE) -> dict[str, dict[str, Any]]:
    """``{metric: {mean, std, n, real, still, shuffled}}`` of an experiment; null where there is no such value.

    Parameters
    ----------
    comparison
        Folder of the tables that `eap.reporting.comparison` wrote; n counts seeds.
    """
    summary = read_table(comparison / "summary.parquet", "summary")
    probes = read_table(comparison / "probes.parquet", "probes")
    breakdown = read_table(comparison / "breakdown.parquet", "breakdown")
    own = breakdown[breakdown["part"] == "speaker"]
    own = own.assign(metric=own["metric"] + " of " + own["value"])
    asked = {target.metric for targets in TARGETS.values() for target in targets}
    summary = pd.concat([summary, own[own["metric"].isin(asked)]], ignore_index=True)
    summary, probes = (table[table["experiment"] == experiment] for table in (summary, probes))
    means = {(row.variant, row.metric): row.mean for row in summary.itertuples()}
    found = {}
    for row in summary[summary["variant"] == "generated"].sort_values("metric").itertuples():
        found[row.metric] = _figure(row) | {c: _known(means.get((v, row.metric))) for c, v in COLUMNS.items()}
    for row in summary[summary["variant"] == "rolled"].itertuples():
        metric, *speaker = row.metric.partition(" of ")
        if metric == "opening_correlation":
            found["".join([ROLLED, *speaker])] = _figure(row) | dict.fromkeys(COLUMNS)
    for row in probes[probes["judge"].notna()].itertuples():  # a probe that no judge could read has a reason alone
        quantity = f" {row.quantity} g={row.gain:g}" if row.probe.endswith("_share") else ""
        found[f"{row.probe}{quantity}/{row.judge}"] = _figure(row) | dict.fromkeys(COLUMNS)
    for name, real in (("levels_ordered", "levels_ordered_real"), ("intensity_at_zero", "intensity_real_neutral")):
        for judge in {name.partition("/")[2] for name in found}:
            if {f"{name}/{judge}", f"{real}/{judge}"} <= set(found):
                found[f"{name}/{judge}"]["real"] = found[f"{real}/{judge}"]["mean"]
    return found


def figures(measured: Path, experiments: Experiments, seeds: Sequence[int]) -> dict[str, dict[str, dict[str, Any]]]:
    """What `collect` finds of every experiment, `BASE` first, in the tables that `eap.reporting.measured` keeps."""
    with TemporaryDirectory() as folder:
        described = json.loads(experiments.describe())
        compare(SimpleNamespace(seeds=tuple(seeds)), described, measured, Path(folder))
        return {name: collect(Path(folder), name) for name in experiments.configs}


def write_results(
    preset: str, found: dict[str, dict[str, dict[str, Any]]], made_by: str, command: str, out: Path
) -> None:
    """Write ``results.md`` and ``results.json``; what existing files of these names say of other presets is kept.

    Parameters
    ----------
    preset
        Its bounds are in `TARGETS`, if it has any. A file ``results-PRESET.txt`` in `out` is put above its tables.
    found
        What `figures` says of each experiment.
    made_by
        Which seeds they are of, and what trained them.
    command
        What regenerates it.
    """
    path = out / "results.json"
    presets = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    presets = {name: own for name, own in presets.items() if name.partition("/")[0] != preset}
    for name, own in found.items():
        presets[preset if name == BASE else f"{preset}/{name}"] = own
    write_text(path, json.dumps(presets, indent=2, sort_keys=True, allow_nan=False) + "\n")
    note = out / f"results-{preset}.txt"
    notes = [made_by, "", *([note.read_text(encoding="utf-8").strip(), ""] if note.is_file() else [])]
    page = out / "results.md"
    sections = _sections(page.read_text(encoding="utf-8")) if page.is_file() else {}
    sections[preset] = "\n".join([*_section(preset, found[BASE], command, notes), *_experiments(found)])
    write_text(page, "\n\n".join([TITLE, *(sections[name] for name in sorted(sections))]) + "\n")


def _sections(page: str) -> dict[str, str]:
    """The page's text by preset."""
    _, *parts = re.split(r"^(?=## Preset `)", page, flags=re.MULTILINE)
    return {part.split("`")[1]: part.rstrip() for part in parts}


def _section(preset: str, found: dict[str, dict[str, Any]], command: str, notes: list[str]) -> list[str]:
    seeds = max((row["n"] for row in found.values()), default=0)
    lines = [f"## Preset `{preset}`, n = {seeds} {'seed' if seeds == 1 else 'seeds'}", ""]
    lines += ["```", command, "```", "", *notes]
    if preset in TARGETS:
        lines += ["| figure | asked | measured | missed by | real | still | shuffled |", "| --- |" + " --- |" * 6]
    for target in TARGETS.get(preset, ()):
        row = found.get(target.metric)
        limit = None if row is None else target.limit(row)
        if row is None or limit is None or row["mean"] is None:
            lines.append(f"| {target.metric} | {target.bound:g} | not measured | | | | |")
            continue
        short = limit - row["mean"] if target.at_least else row["mean"] - limit
        cells = [target.metric, target.text(limit), _text(row["mean"]), _text(short) if short > 0 else "met"]
        lines.append("| " + " | ".join([*cells, *(_text(row[c]) for c in COLUMNS)]) + " |")
    lines += ["", "All figures:", "", "| figure | mean | std | n | real | still | shuffled |", "| --- |" + " --- |" * 6]
    for name, row in found.items():
        cells = [name, _text(row["mean"]), _text(row["std"]), str(row["n"]), *(_text(row[c]) for c in COLUMNS)]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def _experiments(found: dict[str, dict[str, dict[str, Any]]]) -> list[str]:
    """Every experiment's means and deviations over seeds, of the figures that are bounded somewhere."""
    if len(found) == 1:
        return []
    bounded = dict.fromkeys(target.metric for targets in TARGETS.values() for target in targets)
    metrics = [metric for metric in bounded if any(metric in figures for figures in found.values())]
    lines = ["", "Experiments, mean and standard deviation over seeds:", ""]
    lines += ["| figure | " + " | ".join(found) + " |", "| --- |" + " --- |" * len(found)]
    for metric in metrics:
        rows = [figures.get(metric, {"mean": None, "std": None}) for figures in found.values()]
        spread = ["" if row["std"] is None else f" ({row['std']:.3f})" for row in rows]
        cells = [_text(row["mean"]) + more for row, more in zip(rows, spread, strict=True)]
        lines.append("| " + " | ".join([metric, *cells]) + " |")
    return lines


def _figure(row: Any) -> dict[str, Any]:
    return {"mean": _known(row.mean), "std": _known(row.std), "n": int(row.n_seeds)}


def _known(value: float | None) -> float | None:
    return None if value is None or pd.isna(value) or math.isinf(value) else float(value)


def _text(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
