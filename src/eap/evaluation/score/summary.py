"""From clips to one value per metric, and the files that say so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from eap.evaluation.frechet import FEW_FRAMES, MIN_FRAMES, FrechetDistance
from eap.evaluation.score.clip import read_arrays
from eap.evaluation.score.emotion import agreement
from eap.evaluation.score.metrics import GROUPS, METRICS
from eap.evaluation.score.pair import Task
from eap.evaluation.score.settings import WEIGHTS, Settings

SCORED, PARTIAL, FAILED = "scored", "partial", "failed"


def clip_row(task: Task, record: Mapping[str, Any]) -> dict[str, Any]:
    """A clip's row of table ``score_clips``.

    Status: scored (everything that was wanted was measured; a value that is not defined counts as measured), partial
    (some group of metrics failed), failed (every group did).
    """
    groups = record["groups"]
    faults: dict[str, list[str]] = {}
    row: dict[str, Any] = {
        "clip_id": task.clip_id,
        "reference": str(task.reference),
        "generated": str(task.generated),
        "emotion": task.emotion,
        **record["facts"],
    }
    for name, group in groups.items():
        if "fault" in group:
            faults.setdefault(group["fault"], []).append(name)
        else:
            row |= {m: value for m, value in group["values"].items() if METRICS[m].per_clip} | group["facts"]
    n_faults = sum(map(len, faults.values()))
    row["status"] = FAILED if n_faults == len(groups) else PARTIAL if n_faults else SCORED
    said = [fault if len(names) == len(groups) else f"{', '.join(names)}: {fault}" for fault, names in faults.items()]
    said += [f"{m}: {why}" for group in groups.values() for m, why in group.get("reasons", {}).items()]
    return row | {"reason": "; ".join(said) or None}


def unpaired_row(clip_id: str, reason: str) -> dict[str, Any]:
    """The row of a video that has no partner."""
    return {"clip_id": clip_id, "status": FAILED, "reason": reason}


def summarise(
    rows: Sequence[Mapping[str, Any]], records: Sequence[Mapping[str, Any]], folder: Path, settings: Settings
) -> dict[str, Any]:
    """Every metric's value over all clips, what is absent and why, and what failed.

    Parameters
    ----------
    rows
        Of table ``score_clips``, unpaired videos among them.
    records, folder
        What `eap.evaluation.score.clip` kept of each pair, and where.

    Returns
    -------
    dict
        ``counts``; ``metrics``: value, std (over clips, ddof 1; None for one clip or a pooled value), n, n_undefined,
        aggregation, unit, better, note; ``absent`` and ``failed``: reasons.
    """
    absent = {
        metric.name: WEIGHTS[group.weights].absence
        for group in GROUPS.values()
        if group.weights and settings.weights(group.weights) is None
        for metric in group.metrics
    }
    pooled = _pooled(records, folder, settings)
    metrics = {
        name: {"unit": metric.unit, "better": metric.better, **(pooled[name] if metric.pooled else _mean(rows, name))}
        for name, metric in METRICS.items()
        if name not in absent
    }
    status = [row["status"] for row in rows]
    return {
        "counts": {"clips": len(rows), **{name: status.count(name) for name in (SCORED, PARTIAL, FAILED)}},
        "metrics": metrics,
        "absent": absent,
        "failed": {row["clip_id"]: row["reason"] for row in rows if row["status"] != SCORED},
    }


def _mean(rows: Sequence[Mapping[str, Any]], name: str) -> dict[str, Any]:
    values = np.array([row[name] for row in rows if row.get(name) is not None], np.float64)
    undefined = sum(name in row and row[name] is None for row in rows)
    note = None if len(values) else "not defined for any clip" if undefined else "no clip could be measured"
    return {
        "value": float(values.mean()) if len(values) else None,
        "std": float(values.std(ddof=1)) if len(values) > 1 else None,
        "n": len(values),
        "n_undefined": undefined,
        "aggregation": "mean over clips",
        "note": note,
    }


def _pooled(records: Sequence[Mapping[str, Any]], folder: Path, settings: Settings) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    if settings.emonet is not None:
        curves = list(_arrays(records, folder, "emotion"))
        sides = [np.concatenate([c[side] for c in curves]) for side in ("generated", "reference")] if curves else []
        for name, value in (agreement(*sides) if curves else {}).items():
            note = None if np.isfinite(value) else "a curve is constant"
            found[name] = _over_frames(value, len(sides[0]), note)
        for name, metric in METRICS.items():
            if metric.pooled and metric.per_clip:
                found.setdefault(name, _over_frames(float("nan"), 0, "no clip could be measured"))
    if settings.inception is not None:
        found["fid"] = _fid(records, folder)
    return found


def _fid(records: Sequence[Mapping[str, Any]], folder: Path) -> dict[str, Any]:
    distance = FrechetDistance()
    for features in _arrays(records, folder, "frechet"):
        distance.add(features["reference"], real=True)
        distance.add(features["generated"], real=False)
    n = min(distance.n)
    if n < MIN_FRAMES:
        return _over_frames(float("nan"), n, f"refused: {n} frames on each side, needed are {MIN_FRAMES}")
    note = f"biased: {n} frames, {FEW_FRAMES} are recommended" if n < FEW_FRAMES else None
    return _over_frames(distance.compute(), n, note)


def _arrays(records: Sequence[Mapping[str, Any]], folder: Path, group: str) -> Iterator[dict[str, np.ndarray]]:
    """What a group kept of each clip that it measured."""
    for record in records:
        if "values" in record["groups"].get(group, {}):
            yield read_arrays(folder, record["clip_id"], group)


def _over_frames(value: float, n: int, note: str | None) -> dict[str, Any]:
    defined = bool(np.isfinite(value))
    return {
        "value": value if defined else None,
        "std": None,
        "n": n,
        "n_undefined": int(not defined),
        "aggregation": "over all frames",
        "note": note,
    }
