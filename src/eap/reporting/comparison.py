"""All experiments and seeds side by side: means with intervals, parts, paired tests, probes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from eap.evaluation.flags import flag
from eap.evaluation.pairs import family, holm, pair, verdict
from eap.evaluation.probes import probe_rows
from eap.evaluation.samples import Samples, build_samples, parts_of
from eap.evaluation.statistics import summarise
from eap.reporting.metrics import describe
from eap.schemas import read_table, write_table
from eap.stage import StageError, StageResult

TABLES = ("experiments", "summary", "breakdown", "comparisons", "probes")
RIVALS = ("still", "shuffled", "neutral", "real")
"""Variants that the generated video is tested against within an experiment."""
MADE = ("data", "student", "sync", "ant", "controls")


def compare(config: Any, experiments: Mapping[str, Any], results: Path, out: Path) -> StageResult:
    """Write `TABLES`.

    Parameters
    ----------
    config
        Sections of stage ``compare``.
    experiments
        What `eap.experiments.Experiments.describe` says: per experiment, what it changes and whose files it uses.
    results
        Folder of all results.
    out
        Folder of the tables.

    Raises
    ------
    StageError
        If a seed of an experiment has not been scored.
    """
    sources = [path for name in experiments for path in scored(results, name, config.seeds, "scores")]
    samples: dict[str, Samples] = {}
    tables: dict[str, list[Any]] = {name: [] for name in TABLES}
    for name, about in experiments.items():
        scores, curves = (read_scored(results, name, about["controls"], config.seeds, t) for t in ("scores", "curves"))
        samples[name] = build_samples(scores, curves)
        tables["experiments"].append(
            {
                "experiment": name,
                "n_seeds": len(config.seeds),
                "changes": _changes(about),
                **{t: about[t] for t in MADE},
            }
        )
        tables["summary"] += [{"experiment": name, **row} for row in summary_rows(samples[name])]
        tables["breakdown"] += [{"experiment": name, **row} for row in breakdown_rows(samples[name], scores)]
        probes = (read_table(scored(results, name, config.seeds, table), table) for table in ("bias", "saturation"))
        tables["probes"] += [{"experiment": name, **row} for row in probe_rows(*probes)]
        tables["comparisons"] += rival_rows(name, samples[name])
        print(f"compare: {name} summarised", flush=True)
    for first, second in combinations(experiments, 2):
        tables["comparisons"] += experiment_rows(second, first, samples, experiments)
    for name in TABLES:
        made = {"sources": sources, "config": {"seeds": list(config.seeds), "experiments": experiments}}
        write_table(out / f"{name}.parquet", name, tables[name], **made)
    verdicts = pd.Series([row["verdict"] for row in tables["comparisons"]], dtype=object).value_counts()
    counts = {f"n_{name.replace(' ', '_')}": float(n) for name, n in verdicts.items()}
    return StageResult({"n_experiments": float(len(experiments)), **counts}, (out / "summary.parquet",))


def scored(results: Path, name: str, seeds: tuple[int, ...], table: str) -> list[Path]:
    """A table of every seed of an experiment."""
    paths = [results / "evaluation" / name / f"seed={seed}" / f"{table}.parquet" for seed in seeds]
    for path in paths:
        if not path.is_file():
            raise StageError(f"{path}: missing, and the comparison needs it; run the workflow to its end")
    return paths


def read_scored(results: Path, name: str, controls: str, seeds: tuple[int, ...], table: str) -> pd.DataFrame:
    """Table "scores" or "curves" of every seed, and of the controls (seed null)."""
    paths = [*scored(results, name, seeds, table), results / "controls" / controls / f"{table}.parquet"]
    return read_table(paths, table)


def summary_rows(samples: Samples) -> Iterator[dict[str, Any]]:
    """Rows of table "summary" of one experiment."""
    flags = {metric: flag(metric, describe(metric).better, samples) for metric in {metric for _, metric in samples}}
    for (variant, metric), sample in samples.items():
        yield {"variant": variant, "metric": metric, **summarise(sample), "flag": flags[metric]}


def breakdown_rows(samples: Samples, scores: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Rows of table "breakdown" of one experiment."""
    clips = scores.dropna(subset=["clip_id"]).drop_duplicates("clip_id").set_index("clip_id")
    columns = {"emotion": "emotion", "level": "level", "speaker": "speaker_id"}
    for (variant, metric), sample in samples.items():
        for part, column in columns.items():
            for value, own in parts_of(sample, clips[column]).items():
                row = {"variant": variant, "metric": metric, "part": part, "value": value, **summarise(own)}
                # Of a part, undefined rows cannot be told from clips that were not scored.
                yield {**row, "n_undefined": int((~own.counted).sum())}


def rival_rows(name: str, samples: Samples) -> list[dict[str, Any]]:
    """Rows of table "comparisons" within an experiment: the generated video against each of `RIVALS`."""
    rows = []
    for rival in RIVALS:
        metrics = [metric for variant, metric in samples if variant == "generated"]
        shared = [metric for metric in metrics if (rival, metric) in samples]
        pairs = [
            (metric, pair(samples["generated", metric], samples[rival, metric], same_models=True)) for metric in shared
        ]
        rows += _judged({"experiment": name, "variant": "generated", "other": name, "other_variant": rival}, pairs)
    return rows


def experiment_rows(
    name: str, other: str, samples: Mapping[str, Samples], experiments: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Rows of table "comparisons" of two experiments' generated videos."""
    keys = {"experiment": name, "variant": "generated", "other": other, "other_variant": "generated"}
    pairs, refused = [], []
    for (variant, metric), sample in samples[name].items():
        twin = samples[other].get((variant, metric))
        if variant != "generated" or twin is None:
            continue
        reason = incomparable(metric, experiments[name], experiments[other])
        if reason is None:
            pairs.append((metric, pair(sample, twin, same_models=False)))
        else:
            row = {**keys, "metric": metric, "family": family(metric)}
            refused.append({**row, "verdict": "not comparable", "reason": reason})
    return _judged(keys, pairs) + refused


def incomparable(metric: str, first: Mapping[str, Any], second: Mapping[str, Any]) -> str | None:
    """Why two experiments' values of a metric cannot be compared, or None."""
    one, two = first["changes"], second["changes"]
    differs = {key.partition(".")[0] for key in one.keys() | two.keys() if one.get(key) != two.get(key)}
    judge = metric.partition("/")[2]
    if judge in ("era", "audio"):
        return "each experiment is judged by its own regressor"
    if differs & {"video", "landmarks", "emotions"}:
        return (
            f"the clips were prepared differently ({', '.join(sorted(differs & {'video', 'landmarks', 'emotions'}))})"
        )
    if judge and "labels" in differs:
        return "the labels differ"
    if metric.endswith("_expert") and first["sync"] != second["sync"]:
        return "another sync expert judges"
    if judge == "faces" and first["controls"] != second["controls"]:
        return "another judge of faces"
    return None


def _judged(keys: dict[str, Any], pairs: list[tuple[str, Any]]) -> list[dict[str, Any]]:
    """Rows of all pairs, Holm-corrected within their family."""
    p_values = np.array([np.nan if found is None else found.p for _, found in pairs])
    families = np.array([family(metric) for metric, _ in pairs])
    corrected, tests = np.full(len(pairs), np.nan), dict.fromkeys(families.tolist(), 0)
    for name in tests:
        own = families == name
        corrected[own] = holm(p_values[own])
        tests[name] = int(np.isfinite(corrected[own]).sum())
    rows = []
    for (metric, found), p_holm in zip(pairs, corrected, strict=True):
        row = {**keys, "metric": metric, "family": family(metric)}
        if found is None:
            reason = "no clip has a value in both"
            rows.append({**row, "verdict": "not comparable", "reason": reason, "n_clips": 0, "n_speakers": 0})
            continue
        measured = ("mean", "other_mean", "difference", "low", "high", "p", "n_seeds", "n_speakers", "n_clips")
        row |= {column: getattr(found, column) for column in measured} | {"p_holm": p_holm}
        rows.append(row | verdict(found, p_holm, tests[row["family"]], describe(metric).better))
    return rows


def _changes(about: Mapping[str, Any]) -> str:
    return json.dumps(about["changes"], sort_keys=True)
