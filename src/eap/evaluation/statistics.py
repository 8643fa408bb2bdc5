"""Scores of several seeds and clips as mean, standard deviation and 95 % interval.

KNOWN (suppl. B.2): results are the average of 5 runs. CHOSEN: an interval that speaks about other people and other
runs. It resamples speakers with replacement, then as many clips of each drawn speaker as it has, then seeds, and takes
the 2.5th and 97.5th percentiles of the statistic. Clips of one person resemble each other, so clips alone would give
intervals far too narrow. The same draws serve every variant and metric: differences are paired.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

DRAWS = 2000
PERCENTILES = (2.5, 97.5)
MAX_UNDEFINED_DRAWS = 0.05
"""An interval is not given where the statistic does not exist in more of the draws."""

Statistic = Callable[[np.ndarray], np.ndarray]
"""Sums of moments ``[..., K]`` to values ``[...]``; NaN where it is not defined."""


@dataclass(frozen=True)
class Sample:
    """One score: of each seed and clip, moments whose sum over clips decides the value."""

    clip_ids: np.ndarray
    """``[C]``."""
    speakers: np.ndarray
    """``[C]``: whose clip it is."""
    moments: np.ndarray
    """``[R, C, K]``; R seeds, 1 for a control. A clip without a value has zeros."""
    statistic: Statistic
    seeded: bool
    """False: no training touches it, so there is no spread over seeds."""
    n_undefined: int = 0
    """Rows, of all seeds, without a value."""

    @property
    def per_seed(self) -> np.ndarray:
        """The value of each seed, ``[R]``."""
        return self.statistic(self.moments.sum(1))

    @property
    def counted(self) -> np.ndarray:
        """Clips that have a value in some seed, ``[C]`` bool."""
        return (self.moments != 0).any((0, 2))

    def where(self, keep_C: np.ndarray) -> Sample:
        """The same score over some of the clips."""
        part = self.clip_ids[keep_C], self.speakers[keep_C], self.moments[:, keep_C]
        return Sample(*part, self.statistic, self.seeded, self.n_undefined)


def mean_statistic(moments: np.ndarray) -> np.ndarray:
    """Of (sum, count): the mean."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return moments[..., 0] / np.where(moments[..., 1] > 0, moments[..., 1], np.nan)


def clip_weights(speakers: np.ndarray, draws: int = DRAWS, seed: int = 0) -> np.ndarray:
    """How often each clip is drawn: ``[draws, C]``, float. A pure function of its arguments, so that draws are shared.

    Parameters
    ----------
    speakers
        ``[C]``: speakers are drawn first, then clips within each (once per time that the speaker was drawn, as many
        clips as it has). With one speaker only clips are drawn.
    """
    rng = np.random.default_rng([seed, 0])
    names, owner = np.unique(speakers.astype(str), return_inverse=True)
    times = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=draws)
    weights = np.zeros((draws, len(speakers)))
    for number in range(len(names)):
        own = np.flatnonzero(owner == number)
        weights[:, own] = rng.multinomial(times[:, number] * len(own), np.full(len(own), 1 / len(own)))
    return weights


def seed_weights(n_seeds: int, draws: int = DRAWS, seed: int = 0) -> np.ndarray:
    """How often each seed is drawn: ``[draws, R]``. Other `seed`, other draws: for an experiment of its own."""
    rng = np.random.default_rng([seed, 1])
    return rng.multinomial(n_seeds, np.full(n_seeds, 1 / n_seeds), size=draws).astype(float)


def resample(sample: Sample, seed: int = 0) -> np.ndarray:
    """The statistic in each draw, ``[DRAWS]``; NaN where it is not defined.

    Parameters
    ----------
    seed
        Of the draws of seeds. Two samples of one experiment take the same, those of two experiments different ones.
    """
    weights = clip_weights(sample.speakers)
    sums = np.einsum("bc,rck->brk", weights, sample.moments, optimize=True)
    values = sample.statistic(sums)
    times = seed_weights(len(sample.moments), seed=seed) * np.isfinite(values)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(np.isfinite(values), values * times, 0).sum(1) / np.where(
            times.sum(1) > 0, times.sum(1), np.nan
        )


def interval(draws: np.ndarray) -> tuple[float, float]:
    """The 95 % interval of resampled values; NaN twice where too many of them are not defined."""
    known = draws[np.isfinite(draws)]
    if len(known) < (1 - MAX_UNDEFINED_DRAWS) * len(draws):
        return float("nan"), float("nan")
    low, high = np.percentile(known, PERCENTILES)
    return float(low), float(high)


def summarise(sample: Sample) -> dict[str, Any]:
    """Columns mean, std, low, high, n_seeds, n_speakers, n_clips, n_undefined of tables "summary" and "breakdown"."""
    counted = sample.counted
    values = sample.per_seed
    known = values[np.isfinite(values)]
    row: dict[str, Any] = {
        "mean": float(known.mean()) if len(known) else float("nan"),
        "std": float(known.std(ddof=1)) if len(known) > 1 and sample.seeded else float("nan"),
        "low": float("nan"),
        "high": float("nan"),
        "n_seeds": len(known) if sample.seeded else 0,
        "n_speakers": len(set(sample.speakers[counted])),
        "n_clips": int(counted.sum()),
        "n_undefined": sample.n_undefined,
    }
    if len(known) and row["n_clips"] > 1:
        row["low"], row["high"] = interval(resample(sample.where(counted)))
    return row


def clip_sample(rows: pd.DataFrame, value: str = "value", clip: str = "clip_id") -> Sample:
    """A score that is a mean over clips.

    Parameters
    ----------
    rows
        One row per seed and clip: columns ``seed`` (null: a control), `clip`, ``speaker_id``, `value`. Values that are
        null or infinite (PSNR of equal frames) are left out of the mean and counted.
    """
    seeds = rows["seed"].fillna(-1).astype(int)
    known = np.isfinite(rows[value].astype("float64"))
    clips = rows.drop_duplicates(clip).sort_values(clip)
    r, c = pd.factorize(seeds, sort=True)[0], pd.Index(clips[clip]).get_indexer(rows[clip])
    moments = np.zeros((seeds.nunique(), len(clips), 2))
    moments[r[known], c[known]] = np.stack([rows[value][known].astype(float), np.ones(int(known.sum()))], -1)
    speakers = clips["speaker_id"].fillna("?").to_numpy(object)
    seeded = bool(rows["seed"].notna().all())
    return Sample(clips[clip].to_numpy(object), speakers, moments, mean_statistic, seeded, int((~known).sum()))
