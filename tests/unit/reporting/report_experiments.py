"""The small results with a second experiment, levels and a flag: every part of the page has something to show."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

from report_results import BASE_ONLY, LEVELS, make_results

from eap.reporting.comparison import compare
from eap.schemas import read_table, write_table

OTHER = "no_metric"
_SHARED = dict.fromkeys(("data", "student", "sync", "ant", "controls"), "base")
EXPERIMENTS = {**BASE_ONLY, OTHER: {"changes": {"loss.metric": 0}, "era": OTHER, **_SHARED}}
FLAG = "cannot tell real video from a copied still frame on this data"
VERDICTS = {"lmd": "better", "lmd_center": "worse", "blink_rate": "different"}
"""What the second experiment is said to be; two speakers could never show it."""


def make_compared(root: Path) -> Path:
    """Two experiments, seeds 0 and 1: LMD of the second is 0.5 px lower in every clip."""
    make_results(root)
    for part in ("evaluation", "era"):
        shutil.copytree(root / part / "base", root / part / OTHER)
    for path in root.glob("evaluation/*/*/scores.parquet"):
        rows = read_table(path, "scores")
        rows["level"] = rows["clip_id"].map(LEVELS)
        rows.loc[rows["metric"] == "lmd", "value"] -= 0.5 * (OTHER in path.parts)
        write_table(path, "scores", rows)
    compare(SimpleNamespace(seeds=(0, 1)), EXPERIMENTS, root, root / "comparison")
    path = root / "comparison" / "comparisons.parquet"
    rows = read_table(path, "comparisons")
    between = (rows["experiment"] == OTHER) & (rows["other"] == "base")
    for metric, verdict in VERDICTS.items():
        rows.loc[between & (rows["metric"] == metric), ["verdict", "reason"]] = (verdict, None)
    write_table(path, "comparisons", rows)
    path = root / "comparison" / "summary.parquet"
    rows = read_table(path, "summary")
    rows.loc[rows["metric"] == "opening_correlation", "flag"] = FLAG
    write_table(path, "summary", rows)
    return root
