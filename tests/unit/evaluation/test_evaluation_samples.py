"""Scores and curves become samples whose sums give back the pooled scores."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from eap.evaluation.intensity import ccc, pcc, rmse
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
