"""What a reader must know before quoting a number: what was set aside, left undefined, flagged, or not comparable."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from eap.evaluation.pairs import ALPHA, PRIMARY
from eap.evaluation.weights import absent, unpublished
from eap.experiments import BASE
from eap.reporting.metrics import Metric, describe, group_title, sort_key
from eap.reporting.offsets import offset_view
from eap.reporting.results import Histories, Results
from eap.reporting.score_tables import flags_of, undefined_rows
from eap.reporting.tables import stage_counts
from eap.training.alarms import raised_at_end, unjudged_at_end


@dataclass(frozen=True)
class Caution:
    """A heading, what it is about in words, and where on the page it is told in full."""

    title: str
    text: str
    anchor: str
    serious: bool


def cautions(found: Results, seeds: tuple[int, ...], weights: Any) -> list[Caution]:
    """All of them; one that found nothing says so.

    Parameters
    ----------
    weights
        Section ``evaluation.weights``.
    """
    n = len(found.experiments)
    ran = f"{len(seeds)} seed{_s(len(seeds))} of {n} experiment{_s(n)} trained and scored"
    return [
        Caution("Failed", f"Nothing: {ran}; a missing table would have stopped this page.", "files", False),
        _alarms(found.histories),
        _aside(found.clips),
        _undefined(found.scores),
        _offsets(found.offsets),
        _absent(weights),
        _unpublished(found.weights),
        _flagged(found.own_summary),
        _untold(found.comparisons),
        _spread(found.splits, found.scores, seeds),
    ]  # fmt: skip


def _alarms(histories: Histories) -> Caution:
    """Trainings that ran without error and perhaps taught nothing."""
    raised, unjudged = [], []
    for experiment, stages in histories.items():
        for stage, seeds in stages.items():
            for seed, history in seeds.items():
                of = "" if experiment == BASE else f" of {experiment}"
                name = f"{stage}{of}{'' if seed is None else f', seed {seed}'}"
                raised += [f"{name}: {said}" for said in raised_at_end(history)]
                rule = unjudged_at_end(stage, history)
                unjudged += [f"{name} ({rule})"] if rule else []
    told = f"{_first(raised, 'alarm')}." if raised else "No training ended with an alarm."
    if unjudged:
        told += f" Without held-out clips no rule could judge {_first(unjudged, 'training')}."
    return Caution("Nothing learnt?", told, "training", bool(raised))


def _first(told: list[str], what: str) -> str:
    """At most three of them, and how many more there are."""
    more = len(told) - 3
    return "; ".join(told[:3]) + (f"; and {more} more {what}{_s(more)}" if more > 0 else "")


def _aside(clips: pd.DataFrame) -> Caution:
    counts = stage_counts(clips)
    n, used = sum(n for *_, n in counts), int((clips["status"] == "used").sum())
    if not n:
        return Caution("Set aside", f"No clip: all {used:,} were used.", "aside", False)
    reasons = "; ".join(f"{reason} ({n})" for _, reason, n in counts[:3])
    more = "" if len(counts) <= 3 else f"; and {len(counts) - 3} more reason{_s(len(counts) - 3)}"
    return Caution("Set aside", f"{n:,} of {n + used:,} clips: {reasons}{more}.", "aside", True)


def _undefined(scores: pd.DataFrame) -> Caution:
    rows = undefined_rows(scores)
    if rows.empty:
        return Caution("Undefined", "No score.", "scores", False)
    top = rows["reason"].value_counts()
    reasons = "; ".join(
        f"{reason} ({n})" for reason, n in sorted(top.items(), key=lambda item: (-item[1], item[0]))[:2]
    )
    more = "" if len(top) <= 2 else f"; and {len(top) - 2} more reason{_s(len(top) - 2)}"
    return Caution("Undefined", f"{len(rows):,} of {len(scores):,} scores: {reasons}{more}.", "scores", False)


def _offsets(offsets: pd.DataFrame) -> Caution:
    view = offset_view(offsets)
    return Caution("Sync expert", view.text, "offsets", not view.good)


def _absent(weights: Any) -> Caution:
    missing = absent(weights)
    if not missing:
        return Caution("Absent", "No score: the weights of every published network were given.", "scores", False)
    told = "; ".join(f"{measured} ({key})" for key, measured in missing.items())
    text = f"Not measured, and not replaced, for want of weights (the keys take their paths): {told}."
    return Caution("Absent", text, "scores", False)


def _unpublished(digests: dict[str, str]) -> Caution:
    others = unpublished(digests)
    if not others:
        return Caution("Unpublished", "No network scored with other weights than the published ones.", "scores", False)
    told = "; ".join(f"{name} ({key})" for key, name in others.items())
    text = f"By its SHA-256 the file is not the published one, and its scores are not comparable: {told}."
    return Caution("Unpublished", text, "scores", True)


def _flagged(summary: pd.DataFrame) -> Caution:
    metrics = [describe(name) for name in sorted(summary["metric"].unique(), key=sort_key)]
    flags = flags_of(summary, metrics)
    if not flags:
        return Caution("Flagged", "No metric: each tells real video from its controls.", "scores", False)
    told = "; ".join(_flagged_group(own, flags) for own in _by_group(metrics).values() if flags.keys() & own.keys())
    return Caution("Flagged", f"{len(flags)} of {len(metrics)} metrics prove nothing here. {told}.", "scores", True)


def _by_group(metrics: list[Metric]) -> dict[str, dict[str, Metric]]:
    groups: dict[str, dict[str, Metric]] = {}
    for metric in metrics:
        groups.setdefault(metric.group, {})[metric.name] = metric
    return groups


def _flagged_group(own: dict[str, Metric], flags: dict[str, str]) -> str:
    """The flagged metrics of one group, those that fail in the same way together."""
    title = group_title(next(iter(own.values())).group)[0]
    by_text: dict[str, list[str]] = {}
    for name, metric in own.items():
        if name in flags:
            by_text.setdefault(flags[name], []).append(metric.label)
    if len(by_text) == 1 and len(flags.keys() & own.keys()) == len(own) > 1:
        return f"{title}: all {len(own)} {next(iter(by_text))}"
    return f"{title}: " + ", and ".join(f"{', '.join(names)} {text}" for text, names in by_text.items())


def _untold(comparisons: pd.DataFrame) -> Caution:
    within = comparisons[comparisons["experiment"] == comparisons["other"]]
    between = comparisons[comparisons["experiment"] != comparisons["other"]]
    counts = comparisons["verdict"].value_counts()
    n = int(counts.get("not distinguishable", 0))
    text = (
        f"{n} of {len(comparisons)} paired tests ({len(within)} against controls, {len(between)} between experiments)"
    )
    refused = int(counts.get("not comparable", 0))
    more = f"; {refused} more compare what cannot be compared" if refused else ""
    return Caution("Not distinguishable", f"{text}{more}.", "comparison", n > 0)


def _spread(splits: pd.DataFrame, scores: pd.DataFrame, seeds: tuple[int, ...]) -> Caution:
    test = splits[splits["split"] == "test"]
    scored = test[test["clip_id"].isin(scores["clip_id"])]
    n = scored["speaker_id"].nunique()
    smallest = min(len(PRIMARY) * 2 / 2**n, 1)
    least = f"; {len(PRIMARY)} primary tests over {n} speaker{_s(n)} give a corrected p of {smallest:.2g} at least"
    clips = f"{len(scored)} of {len(test)} test clip{_s(len(test))} scored"
    text = f"{len(seeds)} seed{_s(len(seeds))}, {clips}, {n} test speaker{_s(n)}{least}."
    return Caution("Small numbers", text, "protocol", smallest >= ALPHA or len(seeds) < 3)


def _s(n: int) -> str:
    return "" if n == 1 else "s"
