"""Scores and curves become samples whose sums give back the pooled scores."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
import pytest

from eap.evaluation.intensity import ccc, pcc, rmse
from eap.evaluation.pairs import sign_flip
from eap.evaluation.samples import agreement_statistic, build_samples, parts_of
from eap.evaluation.scores import AGREEMENT
from eap.evaluation.statistics import summarise
from eap.schemas import TableError

FUNCTIONS = {"rmse": rmse, "pcc": pcc, "ccc": ccc}
PEOPLE = {"a/1": ("a", "happy", "low"), "a/2": ("a", "sad", None), "b/1": ("b", "happy", "high")}


def score(metric, value, clip=None, seed=0, variant="generated", scope=None):
    speaker, emotion, level = PEOPLE.get(clip, (None, None, None))
    return {"seed": seed, "variant": variant, "metric": metric, "scope": scope or ("clip" if clip else "pooled"),
            "clip_id": clip, "speaker_id": speaker, "emotion": emotion, "level": level, "value": value,
            "n": 1, "reason": None}  # fmt: skip


def curves(seeds=(0, 1), frames=20):
    rng = np.random.default_rng(0)
    rows = [
        {"seed": seed, "clip_id": clip, "variant": "generated", "judge": "era", "frame": frame,
         **{name: rng.normal() for name in ("valence", "arousal", "intensity")},
         **{f"true_{name}": rng.normal() for name in ("valence", "arousal", "intensity")}}
        for seed in seeds for clip in PEOPLE for frame in range(frames)
    ]  # fmt: skip
    return pd.DataFrame(rows)


@pytest.mark.parametrize("metric", AGREEMENT)
def test_sums_of_moments_give_the_pooled_score(metric):
    table = curves()
    table.loc[3, "valence"] = np.nan  # a frame without a face
    scores = [score("lmd", 1.0, clip) for clip in PEOPLE]
    scores += [score(f"{metric}_valence/era", 0.0, seed=seed) for seed in (0, 1)]
    sample = build_samples(pd.DataFrame(scores), table)["generated", f"{metric}_valence/era"]
    for seed in (0, 1):
        own = table[table.seed == seed].dropna()
        expected = FUNCTIONS[metric](own.valence.to_numpy(), own.true_valence.to_numpy())
        assert sample.per_seed[seed] == pytest.approx(expected, abs=1e-12)
    assert list(sample.speakers) == ["a", "a", "b"]
    found = summarise(sample)
    assert (found["n_clips"], found["n_speakers"], found["n_seeds"]) == (3, 2, 2)
    assert found["low"] <= found["mean"] <= found["high"]


@pytest.mark.parametrize("metric", ["pcc", "ccc"])
def test_a_constant_has_no_correlation(metric):
    p, t = np.full(10, 0.3), np.arange(10.0)
    moments = np.array([10, p.sum(), t.sum(), (p**2).sum(), (t**2).sum(), (p * t).sum()])
    assert np.isnan(agreement_statistic(metric)(moments))
    assert np.isnan(agreement_statistic(metric)(np.zeros(6)))
    assert agreement_statistic("rmse")(moments) == pytest.approx(rmse(p, t))


def test_controls_have_one_row_of_moments_and_no_seed():
    table = curves(seeds=(None,)).assign(variant="real")
    scores = [score("lmd", 1.0, clip, seed=None, variant="real") for clip in PEOPLE]
    scores.append(score("pcc_valence/era", 0.0, seed=None, variant="real"))
    samples = build_samples(pd.DataFrame(scores), table)
    assert [sample.seeded for sample in samples.values()] == [False, False]
    assert [len(sample.moments) for sample in samples.values()] == [1, 1]


def test_a_pooled_score_without_curves_has_no_interval():
    found = build_samples(pd.DataFrame([score("fid", 10.0), score("fid", 14.0, seed=1)]), curves()[:0])
    row = summarise(found["generated", "fid"])
    assert (row["mean"], row["std"]) == (12, pytest.approx(np.sqrt(8)))
    assert np.isnan(row["low"])


def test_parts():
    scores = [score("lmd", value, clip) for clip, value in zip(PEOPLE, (1.0, 2.0, 6.0), strict=True)]
    sample = build_samples(pd.DataFrame(scores), curves()[:0])["generated", "lmd"]
    emotion = {clip: values[1] for clip, values in PEOPLE.items()}
    found = {name: summarise(part)["mean"] for name, part in parts_of(sample, pd.Series(emotion)).items()}
    assert found == {"happy": 3.5, "sad": 2.0}
    level = pd.Series({clip: values[2] for clip, values in PEOPLE.items()})
    assert list(parts_of(sample, level)) == ["high", "low"]  # a clip without a level belongs to none


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([score("lmd", 1.0, "a/1"), score("lmd", 2.0)], "'lmd' of 'generated' has both clip and pooled rows"),
        ([score("lmd", 1.0, "a/1"), score("lmd", 2.0, "a/1")], "stands twice for seed 0, clip a/1"),
        ([score("ccc", 1.0), score("ccc", 2.0)], "stands twice for seed 0"),
        ([score("ccc", 1.0, scope="frame")], r"scope \['frame'\] is unknown; allowed: clip, pooled"),
    ],
)
def test_what_would_be_counted_wrongly_is_refused(rows, message):
    with pytest.raises(TableError, match=message):
        build_samples(pd.DataFrame(rows), curves()[:0])


def crowd(seeds=3, people=6, clips=3, frames=12, shift=0.0):
    """Curves of several people whose predictions are off by something of their own, and their scores' table."""
    rng = np.random.default_rng(5)
    rows, scores = [], []
    for s in range(people):
        own = rng.normal(0, 0.3)
        for c in range(clips):
            clip, truth = f"p{s}/{c}", rng.normal(size=frames)
            for seed in range(seeds):
                seen = 0.7 * truth + own + shift + rng.normal(0, 0.4, frames)
                rows += [
                    {"seed": seed, "clip_id": clip, "variant": "generated", "judge": "era", "frame": f,
                     "valence": seen[f], "true_valence": truth[f], "arousal": 0.0, "true_arousal": 0.0,
                     "intensity": 0.0, "true_intensity": 0.0}
                    for f in range(frames)
                ]  # fmt: skip
                scores.append({**score("lmd", 1.0, seed=seed), "clip_id": clip, "speaker_id": f"p{s}", "scope": "clip"})
    scores += [score("ccc_valence/era", 0.0, seed=seed) for seed in range(seeds)]
    table = pd.DataFrame(rows)
    return table, build_samples(pd.DataFrame(scores), table)["generated", "ccc_valence/era"]


def test_the_interval_is_that_of_a_bootstrap_written_as_loops():
    """CCC of all frames of people drawn with replacement, then their clips, then seeds: no sums, no shared code."""
    table, sample = crowd()
    parts = {key: own[["valence", "true_valence"]].to_numpy() for key, own in table.groupby(["seed", "clip_id"])}
    clips = {who: [f"{who}/{c}" for c in range(3)] for who in {f"p{s}" for s in range(6)}}
    rng, found = np.random.default_rng(99), []
    for _ in range(1500):
        drawn = [clip for who in rng.choice(sorted(clips), len(clips)) for clip in rng.choice(clips[who], 3)]
        values = []
        for seed in rng.choice(3, 3):
            both = np.concatenate([parts[seed, clip] for clip in drawn])
            values.append(2 * np.cov(both.T, ddof=0)[0, 1] / (both.var(0).sum() + np.ptp(both.mean(0)) ** 2))
        found.append(np.mean(values))
    row = summarise(sample)
    assert row["n_speakers"] == 6
    width = np.ptp(np.percentile(found, [2.5, 97.5]))
    # the ends of two bootstraps of 1500 and 2000 draws differ by chance by about 3 % of the width
    np.testing.assert_allclose([row["low"], row["high"]], np.percentile(found, [2.5, 97.5]), atol=0.1 * width)


@pytest.mark.parametrize("shift", [0.4, 1.5])
def test_the_paired_test_is_that_of_every_flip_written_out(shift):
    """All 2^6 ways to exchange two experiments' frames of a person, CCC from the frames each time."""
    (table, first), (other, second) = crowd(), crowd(shift=shift)
    people = [f"p{s}" for s in range(6)]
    frames = [
        {(seed, who): own[["valence", "true_valence"]].to_numpy()
         for (seed, who), own in part.groupby(["seed", part.clip_id.str[:2]])}
        for part in (table, other)
    ]  # fmt: skip

    def difference(flips: tuple[int, ...]) -> float:
        values = []
        for side in (0, 1):
            per_seed = []
            for seed in range(3):
                parts = [frames[side ^ flip][seed, who] for flip, who in zip(flips, people, strict=True)]
                p, t = np.concatenate(parts).T
                per_seed.append(ccc(p, t))
            values.append(np.mean(per_seed))
        return values[0] - values[1]

    null = np.array([difference(flips) for flips in product((0, 1), repeat=6)])
    observed = null[0]
    assert abs(observed) > 0.03
    # two-sided: twice the smaller tail, as scipy counts
    p = 2 * min(np.mean(null >= observed - 1e-12), np.mean(null <= observed + 1e-12))
    assert sign_flip(first, second) == pytest.approx(p)
