"""Scores of several seeds as mean and standard deviation (KNOWN, suppl. B.2: the average of 5 runs)."""

from __future__ import annotations

import numpy as np
import pandas as pd

from eap.schemas import TableError

SCOPES = ("clip", "pooled")


def summarise_seeds(scores: pd.DataFrame) -> pd.DataFrame:
    """Mean and standard deviation over seeds of each variant's metrics.

    First one value per seed: a pooled score as it is, clip scores as their unweighted mean. Then the mean over seeds,
    and the sample standard deviation (ddof 1), which one seed does not have.

    Parameters
    ----------
    scores
        Table "scores" of all seeds (`eap.schemas`).

    Returns
    -------
    pd.DataFrame
        Table "summary", in the order of first appearance. `n_seeds` counts the seeds that have a value; `n_undefined`
        counts the rows, of all seeds, whose value is null or infinite (PSNR of equal frames): they are left out of the
        means. `mean` and `std` are NaN where nothing is left.

    Raises
    ------
    TableError
        If a scope is unknown, or a metric would be counted twice: in two scopes, or by two rows for one clip or seed.
    """
    unknown = sorted(set(scores["scope"]) - set(SCOPES))
    if unknown:
        raise TableError(f"scores: scope {unknown} is unknown; allowed: {', '.join(SCOPES)}")
    groups = scores.groupby(["variant", "metric"], sort=False)
    rows = [_summarise(variant, metric, group) for (variant, metric), group in groups]
    columns = ["variant", "metric", "mean", "std", "n_seeds", "n_undefined"]
    return pd.DataFrame(rows, columns=columns).astype({"n_seeds": "int32", "n_undefined": "int32"})


def _summarise(variant: str, metric: str, group: pd.DataFrame) -> dict[str, object]:
    if group["scope"].nunique() > 1:
        raise TableError(
            f"scores: {metric!r} of {variant!r} has both clip and pooled rows; give one of them another name"
        )
    repeated = group[group.duplicated(["seed", "clip_id"])]
    if len(repeated):
        first = repeated.iloc[0]
        raise TableError(
            f"scores: {metric!r} of {variant!r} stands twice for seed {first['seed']}, clip {first['clip_id']}"
        )
    values = group["value"].astype("float64").where(lambda value: np.isfinite(value))
    per_seed = values.groupby(group["seed"]).mean().dropna()
    return {
        "variant": variant,
        "metric": metric,
        "mean": per_seed.mean(),
        "std": per_seed.std(ddof=1),
        "n_seeds": len(per_seed),
        "n_undefined": int(values.isna().sum()),
    }
