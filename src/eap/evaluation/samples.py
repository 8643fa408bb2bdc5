"""From tables "scores" and "curves" of one experiment to one `Sample` for each variant and metric."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from eap.evaluation.scores import AGREEMENT, QUANTITIES
from eap.evaluation.statistics import Sample, Statistic, clip_sample
from eap.schemas import TableError

SCOPES = ("clip", "pooled")
TINY = 1e-12
"""A variance below it is rounding of a constant (`eap.evaluation.intensity` looks at the series itself)."""
_AGREEMENT = re.compile(rf"({'|'.join(AGREEMENT)})_({'|'.join(QUANTITIES)})/(.+)")

Samples = dict[tuple[str, str], Sample]
"""(variant, metric) -> its sample."""


def build_samples(scores: pd.DataFrame, curves: pd.DataFrame) -> Samples:
    """Samples of every variant and metric, in the order of first appearance.

    Parameters
    ----------
    scores, curves
        Tables of all seeds of one experiment, those of its controls (seed null) among them.

    Raises
    ------
    TableError
        If a scope is unknown, or a score would be counted twice: in two scopes, or by two rows for one clip and seed.
    """
    unknown = sorted(set(scores["scope"]) - set(SCOPES))
    if unknown:
        raise TableError(f"scores: scope {unknown} is unknown; allowed: {', '.join(SCOPES)}")
    people = scores.dropna(subset=["clip_id"]).drop_duplicates("clip_id").set_index("clip_id")["speaker_id"]
    frame_moments = {key: part for key, part in _frame_moments(curves).groupby(["variant", "judge"])}
    found: Samples = {}
    for (variant, metric), rows in scores.groupby(["variant", "metric"], sort=False):
        _check(variant, metric, rows)
        agreement = _AGREEMENT.fullmatch(metric)
        if rows["scope"].iloc[0] == "clip":
            found[variant, metric] = clip_sample(rows)
        elif agreement and (variant, agreement[3]) in frame_moments:
            part = frame_moments[variant, agreement[3]]
            found[variant, metric] = _agreement_sample(agreement[1], agreement[2], part, people)
        else:
            found[variant, metric] = _whole_sample(rows)
    return found


def parts_of(sample: Sample, part: pd.Series) -> dict[str, Sample]:
    """A score for each emotion, level or speaker.

    Parameters
    ----------
    part
        Of each clip id, the part that it belongs to; null: to none.
    """
    names = pd.Series(sample.clip_ids).map(part)
    return {str(name): sample.where((names == name).to_numpy()) for name in sorted(names.dropna().unique())}


def agreement_statistic(metric: str) -> Statistic:
    """RMSE, PCC or CCC of (n, sum p, sum t, sum p^2, sum t^2, sum p t); formulas as in `eap.evaluation.intensity`."""

    def statistic(moments: np.ndarray) -> np.ndarray:
        n = np.where(moments[..., 0] > 0, moments[..., 0], np.nan)
        p, t, pp, tt, pt = (moments[..., i] / n for i in range(1, 6))
        if metric == "rmse":
            return np.sqrt(np.maximum(pp + tt - 2 * pt, 0))
        var_p, var_t, covariance = pp - p**2, tt - t**2, pt - p * t
        constant = (var_p < TINY) | (var_t < TINY)
        scale = np.sqrt(var_p * var_t) if metric == "pcc" else (var_p + var_t + (p - t) ** 2) / 2
        return np.where(constant, np.nan, covariance / np.where(constant, np.nan, scale))

    def quiet(moments: np.ndarray) -> np.ndarray:
        with np.errstate(invalid="ignore", divide="ignore"):
            return statistic(moments)

    return quiet


def _check(variant: str, metric: str, rows: pd.DataFrame) -> None:
    if rows["scope"].nunique() > 1:
        raise TableError(
            f"scores: {metric!r} of {variant!r} has both clip and pooled rows; give one of them another name"
        )
    repeated = rows[rows.duplicated(["seed", "clip_id"])]
    if len(repeated):
        first = repeated.iloc[0]
        raise TableError(
            f"scores: {metric!r} of {variant!r} stands twice for seed {first['seed']}, clip {first['clip_id']}"
        )


def _frame_moments(curves: pd.DataFrame) -> pd.DataFrame:
    """Sums over the frames of each seed, clip, variant, judge and quantity, in which prediction and truth are known."""
    keys = ["seed", "clip_id", "variant", "judge"]
    parts = []
    for quantity in QUANTITIES:
        p, t = (curves[name].astype("float64") for name in (quantity, f"true_{quantity}"))
        known = p.notna() & t.notna()
        columns = {"n": known.astype(float), "p": p, "t": t, "pp": p * p, "tt": t * t, "pt": p * t}
        sums = pd.DataFrame({name: column.where(known, 0.0) for name, column in columns.items()})
        sums[keys] = curves[keys].assign(seed=curves["seed"].fillna(-1).astype(int))
        parts.append(sums.groupby(keys, sort=True).sum().reset_index().assign(quantity=quantity))
    return pd.concat(parts, ignore_index=True)


def _agreement_sample(metric: str, quantity: str, moments: pd.DataFrame, people: pd.Series) -> Sample:
    rows = moments[moments["quantity"] == quantity]
    clips = np.sort(rows["clip_id"].unique())
    r, seeds = pd.factorize(rows["seed"], sort=True)
    values = np.zeros((len(seeds), len(clips), 6))
    values[r, pd.Index(clips).get_indexer(rows["clip_id"])] = rows[["n", "p", "t", "pp", "tt", "pt"]].to_numpy()
    speakers = people.reindex(clips).fillna("?").to_numpy(object)
    seeded = bool((seeds >= 0).all())
    statistic = agreement_statistic(metric)
    undefined = int((~np.isfinite(statistic(values.sum(1)))).sum())
    return Sample(clips.astype(object), speakers, values, statistic, seeded, undefined)


def _whole_sample(rows: pd.DataFrame) -> Sample:
    """A score of all clips together that cannot be taken apart: it has no interval over speakers."""
    return clip_sample(rows.assign(clip_id="all test clips", speaker_id="all test speakers"))
