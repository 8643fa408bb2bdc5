"""Input bias and saturation in single numbers, from tables "bias" and "saturation" of one experiment."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from eap.evaluation.grid import GAINS
from eap.evaluation.levels import level_key
from eap.evaluation.statistics import Sample, clip_sample, summarise

PROBES: dict[str, tuple[str, str | None]] = {
    "source_share": ("share of the output's variance that the source face's emotion explains (eta squared)", "lower"),
    "voice_share": ("share of the output's variance that the voice explains (eta squared)", "higher"),
    "intensity_at_zero": ("mean intensity of generated videos at g = 0", "lower"),
    "intensity_real_neutral": ("mean intensity of real neutral clips of the same people", None),
    "intensity_excess": ("intensity at g = 0 less that of real neutral clips: 0 is neutral", None),
    "gains_ordered": ("share of clips whose intensity rises strictly along g = 0, 0.5, 1, 1.5", "higher"),
    "levels_ordered": ("share of groups whose intensity rises strictly with the acted level, generated", "higher"),
    "levels_ordered_real": ("the same, as the judge reads the recordings: it can do no better than this", "higher"),
    "levels_ordered_truth": ("the same of the labels themselves (judge labels)", "higher"),
    "level_pairs_ordered": ("share of pairs of levels in the right order, generated", "higher"),
}
"""What each probe is, and where better lies (None: nowhere, or at 0)."""

Row = tuple[dict[str, Any], Sample | None]
"""Columns that name the number, and its sample; None: it could not be measured, see column reason."""


def probe_rows(bias: pd.DataFrame, saturation: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of table "probes", without the experiment; both tables hold all seeds."""
    rows = []
    for names, sample in [*bias_samples(bias), *saturation_samples(saturation)]:
        if sample is None:
            rows.append({**names, "n_seeds": 0, "n_speakers": 0, "n": 0})
            continue
        found = summarise(sample)
        kept = ("mean", "std", "low", "high", "n_seeds", "n_speakers")
        rows.append({**names, **{column: found[column] for column in kept}, "n": found["n_clips"]})
        if not np.isfinite(rows[-1]["mean"]):
            rows[-1]["reason"] = "the judge's values do not vary, or no face was found"
    return rows


def bias_samples(bias: pd.DataFrame) -> Iterator[Row]:
    """Shares of variance at g = 1 and g = 0, and intensity at g = 0 beside real neutral clips; of each judge."""
    made, real = (bias[bias["variant"] == variant] for variant in ("generated", "real"))
    for (judge, gain), rows in made.groupby(["judge", "gain"], sort=True):
        for quantity in ("valence", "arousal", "intensity"):
            names = {"judge": judge, "quantity": quantity, "gain": gain}
            if rows[quantity].isna().all():  # this judge does not read it, or saw no face
                continue
            known = balanced(rows.dropna(subset=[quantity]))
            if min(known["source_emotion"].nunique(), known["clip_id"].nunique()) < 2:
                reason = "no two voices were spoken from sources of the same two emotions"
                yield {"probe": "source_share", "reason": reason, **names}, None
                yield {"probe": "voice_share", "reason": reason, **names}, None
                continue
            columns = {"source_share": "source_emotion", "voice_share": "clip_id"}
            shares = {probe: _share_sample(known, quantity, column) for probe, column in columns.items()}
            for probe, other in (("source_share", "voice_share"), ("voice_share", "source_share")):
                luck = _crossed_luck(shares[other], known[columns[other]].nunique())
                yield {"probe": probe, "chance": luck, **names}, shares[probe]
    for judge, rows in made[made["gain"] == 0].groupby("judge", sort=True):
        neutral = real[real["judge"] == judge]
        names = {"judge": judge, "quantity": "intensity"}
        yield {"probe": "intensity_at_zero", "gain": 0.0, **names}, _per_clip(rows, "intensity")
        if neutral["intensity"].notna().any():
            yield {"probe": "intensity_real_neutral", **names}, _per_clip(neutral, "intensity")
            yield {"probe": "intensity_excess", "gain": 0.0, **names}, _excess_sample(rows, neutral)
        else:
            reason = "no real neutral test clip of these people"
            yield {"probe": "intensity_real_neutral", "reason": reason, **names}, None
            yield {"probe": "intensity_excess", "gain": 0.0, "reason": reason, **names}, None


def saturation_samples(saturation: pd.DataFrame) -> Iterator[Row]:
    """Shares of clips ordered by gain, and of groups ordered by level; of each judge."""
    made = saturation[saturation["variant"] == "generated"]
    for judge, rows in made[made["judge"] != "audio"].groupby("judge", sort=True):
        names = {"judge": judge, "quantity": "intensity", "chance": 1 / np.prod(np.arange(1, len(GAINS) + 1))}
        yield {"probe": "gains_ordered", **names}, _ordered(rows, "clip_id", "gain", "intensity")
    sizes = saturation.drop_duplicates(["group_id", "clip_id"]).groupby("group_id").size()
    leveled = saturation[saturation["group_id"].isin(sizes.index[sizes > 1])]
    if leveled.empty:
        reason = "no two test clips of one speaker and emotion differ in level"
        yield {"probe": "levels_ordered", "quantity": "intensity", "reason": reason}, None
        return
    chance = float((1 / sizes[sizes > 1].map(lambda n: np.prod(np.arange(1, n + 1)))).mean())
    ranks = leveled["level"].map({name: i for i, name in enumerate(sorted(leveled["level"].unique(), key=level_key))})
    leveled = leveled.assign(rank=ranks)
    for judge, rows in leveled[(leveled["variant"] == "generated") & (leveled["gain"] == 1)].groupby("judge"):
        names = {"judge": judge, "quantity": "intensity", "gain": 1.0}
        yield {"probe": "levels_ordered", "chance": chance, **names}, _ordered(rows, "group_id", "rank", "intensity")
        pairs = _ordered(rows, "group_id", "rank", "intensity", pairs=True)
        yield {"probe": "level_pairs_ordered", "chance": 0.5, **names}, pairs
    for judge, rows in leveled[leveled["variant"] == "real"].groupby("judge"):
        names = {"judge": judge, "quantity": "intensity", "chance": chance}
        yield {"probe": "levels_ordered_real", **names}, _ordered(rows, "group_id", "rank", "intensity")
    truth = leveled.drop_duplicates(["seed", "group_id", "clip_id"])
    names = {"judge": "labels", "quantity": "intensity", "chance": chance}
    yield {"probe": "levels_ordered_truth", **names}, _ordered(truth, "group_id", "rank", "true_intensity")


def balanced(rows: pd.DataFrame) -> pd.DataFrame:
    """The voices that were spoken from the same, largest set of source emotions in every seed; others are left out.

    Where one person has neutral clips only, "neutral" would stand for that person: source and voice would explain the
    same variance, and both shares would be too large.
    """
    sets = rows.groupby(["clip_id", "seed"])["source_emotion"].agg(lambda names: tuple(sorted(names)))
    per_clip = sets.groupby("clip_id").agg(lambda of_seeds: of_seeds.iloc[0] if of_seeds.nunique() == 1 else ())
    counts = per_clip.value_counts()
    largest = max(counts.index, key=lambda names: (len(names), counts[names]))
    return rows[rows["clip_id"].isin(per_clip.index[per_clip == largest])]


def eta_squared(n: np.ndarray, total: np.ndarray, squares: np.ndarray, between: np.ndarray) -> np.ndarray:
    """Share of variance between groups: ``(sum_k S_k^2 / N_k - S^2 / N) / (Q - S^2 / N)``; NaN if nothing varies.

    Parameters
    ----------
    n, total, squares
        N, S and Q: number, sum and sum of squares of all values.
    between
        ``sum_k S_k^2 / N_k`` over the groups.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        middle = total**2 / n
        spread = squares - middle
        return np.where(spread > 1e-12 * np.maximum(squares, 1e-12), (between - middle) / spread, np.nan)


def _share_sample(rows: pd.DataFrame, quantity: str, group: str) -> Sample:
    """Eta squared of the groups: moments are (count, sum, sum of squares) of each clip in each group.

    By clip, a group is a clip: one that is drawn twice is two groups of its own, so only ``S_c^2 / N_c`` is kept.
    """
    clips = rows.drop_duplicates("clip_id").sort_values("clip_id")
    r, seeds = pd.factorize(rows["seed"], sort=True)
    c = pd.Index(clips["clip_id"]).get_indexer(rows["clip_id"])
    by_clip = group == "clip_id"
    k, names = (np.zeros(len(rows), int), [None]) if by_clip else pd.factorize(rows[group], sort=True)
    moments = np.zeros((len(seeds), len(clips), len(names), 3))
    values = rows[quantity].to_numpy(float)
    np.add.at(moments, (r, c, k), np.stack([np.ones(len(values)), values, values**2], -1))
    if by_clip:
        n, s = moments[:, :, 0, 0], moments[:, :, 0, 1]
        kept = np.divide(s**2, n, out=np.zeros_like(s), where=n > 0)
        moments = np.concatenate([moments[:, :, 0], kept[..., None]], -1)
    else:
        moments = moments.reshape(len(seeds), len(clips), -1)

    def statistic(sums: np.ndarray) -> np.ndarray:
        if by_clip:
            return eta_squared(*np.moveaxis(sums, -1, 0))
        per_group = sums.reshape(*sums.shape[:-1], len(names), 3)
        n, s, q = np.moveaxis(per_group, -1, 0)
        between = np.divide(s**2, n, out=np.zeros_like(s), where=n > 0).sum(-1)
        return eta_squared(n.sum(-1), s.sum(-1), q.sum(-1), between)

    return Sample(clips["clip_id"].to_numpy(object), clips["speaker_id"].to_numpy(object), moments, statistic, True)


def _crossed_luck(other: Sample, n_others: int) -> float | None:
    """The share that a factor explains on average if its labels mean nothing: were they exchanged within each `other`.

    Every source is crossed with every voice. Of what the other factor (of `n_others` values) leaves unexplained,
    exchanged labels explain ``(k - 1) / (n_others k - n_others) = 1 / n_others``. Mean over seeds.
    """
    left = 1 - other.per_seed
    left = left[np.isfinite(left)]
    return float(left.mean() / n_others) if len(left) else None


def _per_clip(rows: pd.DataFrame, quantity: str) -> Sample:
    """Mean over clips of a clip's mean over sources."""
    return clip_sample(rows.groupby(["seed", "clip_id", "speaker_id"], as_index=False)[quantity].mean(), quantity)


def _excess_sample(made: pd.DataFrame, neutral: pd.DataFrame) -> Sample:
    """Mean of one set of clips less the mean of another, of the same people: moments (sum, n, other sum, other n)."""
    parts = [_per_clip(rows, "intensity") for rows in (made, neutral)]
    seeds = max(len(part.moments) for part in parts)
    blocks = []
    for number, part in enumerate(parts):
        block = np.zeros((seeds, len(part.clip_ids), 4))
        block[..., 2 * number : 2 * number + 2] = part.moments
        blocks.append(block)

    def statistic(sums: np.ndarray) -> np.ndarray:
        with np.errstate(invalid="ignore", divide="ignore"):
            return sums[..., 0] / sums[..., 1] - sums[..., 2] / sums[..., 3]

    clip_ids, speakers = (np.concatenate([getattr(p, name) for p in parts]) for name in ("clip_ids", "speakers"))
    return Sample(clip_ids, speakers, np.concatenate(blocks, 1), statistic, True)


def _ordered(rows: pd.DataFrame, group: str, by: str, value: str, pairs: bool = False) -> Sample:
    """Share of the groups whose values rise strictly along `by` (or, with `pairs`, of pairs within groups).

    A group without all of its values counts as undefined.
    """
    found = []
    for (seed, name, speaker), own in rows.groupby(["seed", group, "speaker_id"], sort=True):
        values = own.sort_values(by)[value].to_numpy(float)
        if not np.isfinite(values).all() or len(values) < 2:
            share = float("nan")
        elif pairs:
            share = float(np.mean([a < b for a, b in combinations(values, 2)]))
        else:
            share = float((np.diff(values) > 0).all())
        found.append({"seed": seed, group: name, "speaker_id": speaker, "share": share})
    return clip_sample(pd.DataFrame(found), "share", group)
