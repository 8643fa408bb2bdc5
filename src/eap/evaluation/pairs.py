"""Is one score different from another on the same clips, or could it be chance? (paired, clustered by speaker)

Two things must agree before a difference is claimed (CHOSEN, docs/adr/0017):

- a sign-flip permutation test over *speakers* (`scipy.stats.permutation_test`, paired samples): under the null
  hypothesis it does not matter which of the two made a speaker's clips. Clips of one speaker are flipped together,
  since they resemble each other. With S speakers no p is smaller than 2 / 2^S;
- the 95 % interval of the difference over speakers, their clips, and seeds (`eap.evaluation.statistics`) excludes 0:
  the test alone would call a difference between two lucky trainings real.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy.stats import permutation_test

from eap.evaluation.statistics import Sample, interval, resample

ALPHA = 0.05
PRIMARY = ("lmd", "opening_correlation", "lse_d_expert", "ccc_intensity/points")
"""What is asked first (CHOSEN, docs/adr/0038, before any result): place of the mouth, its movement, its timing, and the
strength of the emotion, by judges that took no part in training. Holm's correction goes over these alone, and over all
other metrics alone: with S speakers the smallest corrected p is ``4 x 2 / 2^S``, which passes from eight on."""
PERMUTATIONS = 9999
Direction = Literal["lower", "higher"]


@dataclass(frozen=True)
class Pair:
    """Two scores on the clips that both have."""

    mean: float
    other_mean: float
    low: float
    high: float
    p: float
    n_seeds: int
    n_speakers: int
    n_clips: int
    least_p: float
    """The smallest p that so many speakers can give."""
    seeds_matter: bool
    """Whether training is among what differs."""

    @property
    def difference(self) -> float:
        """First less other."""
        return self.mean - self.other_mean


def pair(sample: Sample, other: Sample, same_models: bool) -> Pair | None:
    """Compare two scores of one metric; None if they share no clip, or a mean is not defined.

    Parameters
    ----------
    same_models
        True: two variants of one experiment, seed by seed made by the same models. False: two experiments, whose
        seeds are drawn independently.
    """
    common = np.intersect1d(sample.clip_ids[sample.counted], other.clip_ids[other.counted])
    if not len(common):
        return None
    first, second = (part.where(np.isin(part.clip_ids, common)) for part in (sample, other))
    means = [_mean(part.per_seed) for part in (first, second)]
    if not np.isfinite(means).all():
        return None
    low, high = float("nan"), float("nan")
    if len(common) > 1:
        low, high = interval(resample(first) - resample(second, seed=0 if same_models else 1))
    n_speakers = len(set(first.speakers))
    seeded = [len(part.moments) for part in (first, second) if part.seeded]
    return Pair(
        *means, low, high, sign_flip(first, second), min(seeded, default=0), n_speakers, len(common),
        2 / 2**n_speakers, bool(seeded),
    )  # fmt: skip


def sign_flip(first: Sample, second: Sample) -> float:
    """Two-sided p of the difference under swapping whole speakers; NaN with one speaker.

    The same clips in the same order are expected; the statistic is the difference of the means over seeds.
    """
    names = np.unique(first.speakers.astype(str))
    if len(names) < 2:
        return float("nan")
    seeds = max(len(first.moments), len(second.moments))
    sums = np.concatenate([_speaker_sums(part, names, seeds) for part in (first, second)])

    def difference(x: np.ndarray, y: np.ndarray, axis: int) -> np.ndarray:
        """x, y: for each speaker the row of `sums` that counts for the first and the second score."""
        values = [_mean(first.statistic(sums[np.moveaxis(rows, axis, -1)].sum(-3))) for rows in (x, y)]
        return values[0] - values[1]

    rows = np.arange(len(names))
    result = permutation_test(
        (rows, rows + len(names)), difference, permutation_type="samples", n_resamples=PERMUTATIONS, batch=500,
        alternative="two-sided", rng=np.random.default_rng(0), vectorized=True,
    )  # fmt: skip
    return float(min(result.pvalue, 1.0))


def holm(p_values: np.ndarray) -> np.ndarray:
    """Holm's step-down correction; NaN stays NaN and counts for nothing.

    ``p_(k) -> max_{j <= k} min(1, (m - j + 1) p_(j))`` over the m values that are known.
    """
    corrected = np.full(len(p_values), np.nan)
    known = np.flatnonzero(np.isfinite(p_values))
    order = known[np.argsort(p_values[known], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    corrected[order] = np.maximum.accumulate(np.minimum(p_values[order] * factors, 1.0))
    return corrected


def family(metric: str) -> str:
    """The tests that a metric's p value is corrected with: "primary" or "secondary"."""
    return "primary" if metric in PRIMARY else "secondary"


def verdict(found: Pair, p_holm: float, tests: int, better: Direction | None) -> dict[str, Any]:
    """Columns verdict and reason of table "comparisons".

    Parameters
    ----------
    tests
        Over how many p values Holm's correction went.
    better
        Where better lies; None: unknown.
    """
    reasons = []
    if found.seeds_matter and found.n_seeds < 2:
        reasons.append("one seed: another training could differ as much")
    if found.n_speakers < 2:
        reasons.append("one speaker: nothing is known about other people")
    elif not p_holm < ALPHA:
        least = min(found.least_p * tests, 1.0)
        few = f"; {found.n_speakers} speakers and {tests} tests cannot give less than {least:.2g}"
        reasons.append(f"p = {p_holm:.2g} after Holm's correction{few if least >= ALPHA else ''}")
    if not (found.low > 0 or found.high < 0):
        reasons.append("the interval of the difference includes 0" if np.isfinite(found.low) else "no interval")
    if reasons:
        return {"verdict": "not distinguishable", "reason": "; ".join(reasons)}
    if better is None:
        return {"verdict": "different", "reason": None}
    lower = found.difference < 0
    return {"verdict": "better" if lower == (better == "lower") else "worse", "reason": None}


def tells_apart(real: Sample, control: Sample, better: Direction | None) -> bool | None:
    """Whether a metric ranks real video above a control on this data: the interval of their difference excludes 0.

    None where one of them has no value: an undefined score ranks nothing, and says so itself.
    """
    found = pair(real, control, same_models=True)
    if found is None:
        return None
    if better == "lower":
        return found.high < 0
    if better == "higher":
        return found.low > 0
    return found.low > 0 or found.high < 0


def _mean(values: np.ndarray) -> Any:
    """Mean over seeds (the last axis) that have a value."""
    known = np.isfinite(values)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(known, values, 0).sum(-1) / np.where(known.any(-1), known.sum(-1), np.nan)


def _speaker_sums(sample: Sample, names: np.ndarray, seeds: int) -> np.ndarray:
    """``[S, R, K]``; a control's single row serves every seed."""
    owner = sample.speakers.astype(str)
    sums = np.stack([sample.moments[:, owner == name].sum(1) for name in names])
    return np.broadcast_to(sums, (len(names), seeds, sums.shape[-1])) if sums.shape[1] == 1 else sums
