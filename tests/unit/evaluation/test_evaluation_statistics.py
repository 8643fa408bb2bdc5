"""Means, deviations and intervals over clips, speakers and seeds."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from eap.evaluation.statistics import clip_sample, clip_weights, interval, resample, seed_weights, summarise


def rows(values: dict[tuple[int | None, str], float | None]) -> pd.DataFrame:
    """(seed, "speaker/clip") -> value."""
    return pd.DataFrame(
        [{"seed": s, "clip_id": c, "speaker_id": c.split("/")[0], "value": v} for (s, c), v in values.items()]
    )


def test_clips_are_averaged_per_seed_first() -> None:
    # Seed 0: clips 1, 3, mean 2. Seed 1: clips 4, 4, 10, mean 6. Mean 4 (of all rows: 4.4).
    # Deviations -2, 2: std sqrt((4 + 4) / 1) = 2.828427.
    found = summarise(clip_sample(rows({(0, "a/1"): 1, (0, "b/1"): 3, (1, "a/1"): 4, (1, "b/1"): 4, (1, "c/1"): 10})))
    assert found["mean"] == pytest.approx(4)
    assert found["std"] == pytest.approx(2.828427)
    assert [found[k] for k in ("n_seeds", "n_speakers", "n_clips", "n_undefined")] == [2, 3, 3, 0]
    assert found["low"] < 4 < found["high"]


def test_one_seed_has_no_deviation_and_a_control_no_seeds() -> None:
    one = summarise(clip_sample(rows({(3, "a/1"): 1, (3, "b/1"): 3})))
    assert (one["mean"], one["n_seeds"]) == (2, 1)
    assert np.isnan(one["std"])
    control = summarise(clip_sample(rows({(None, "a/1"): 1, (None, "b/1"): 3})))
    assert (control["mean"], control["n_seeds"]) == (2, 0)
    assert np.isnan(control["std"])
    assert (control["low"], control["high"]) == (1, 3)


def test_undefined_and_infinite_values_are_left_out_and_counted() -> None:
    # Seed 0: 2, undefined, infinite: mean 2. Seed 1: 4, 6: mean 5. Seed 2: nothing.
    values = {(0, "a/1"): 2.0, (0, "b/1"): None, (0, "c/1"): np.inf, (1, "a/1"): 4.0, (1, "b/1"): 6.0}
    found = summarise(clip_sample(rows({**values, (2, "a/1"): None, (2, "b/1"): None})))
    assert found["mean"] == pytest.approx(3.5)
    assert [found[k] for k in ("n_seeds", "n_clips", "n_undefined")] == [2, 2, 4]


def test_nothing_defined_is_nan() -> None:
    found = summarise(clip_sample(rows({(0, "a/1"): None, (1, "a/1"): None})))
    assert np.isnan([found[k] for k in ("mean", "std", "low", "high")]).all()
    assert [found[k] for k in ("n_seeds", "n_speakers", "n_clips", "n_undefined")] == [0, 0, 0, 2]


def test_a_single_clip_has_no_interval() -> None:
    found = summarise(clip_sample(rows({(0, "a/1"): 1, (1, "a/1"): 2})))
    assert np.isnan(found["low"])
    assert found["mean"] == 1.5


def test_weights_draw_speakers_then_their_clips() -> None:
    weights = clip_weights(np.array(["a", "a", "a", "b"]), draws=4000)
    of_a, of_b = weights[:, :3].sum(1), weights[:, 3]
    # Two speakers are drawn: a 0, 1 or 2 times, each time three clips; b fills up.
    assert set(map(tuple, np.stack([of_a, of_b], 1))) == {(0, 2), (3, 1), (6, 0)}
    assert np.mean(of_b == 2) == pytest.approx(0.25, abs=0.03)
    assert weights[:, 0].mean() == pytest.approx(1, abs=0.05)
    assert weights[:, 0].max() >= 3  # clips are drawn with replacement
    np.testing.assert_array_equal(weights, clip_weights(np.array(["a", "a", "a", "b"]), draws=4000))


def test_one_speaker_draws_clips_only() -> None:
    weights = clip_weights(np.array(["a"] * 5), draws=100)
    assert (weights.sum(1) == 5).all()
    assert len(np.unique(weights, axis=0)) > 50


def test_seeds_of_two_experiments_are_drawn_apart() -> None:
    assert (seed_weights(5).sum(1) == 5).all()
    assert not np.array_equal(seed_weights(5), seed_weights(5, seed=1))


def test_speakers_widen_the_interval() -> None:
    """Twenty clips that say the same of two people each say less than twenty people."""
    rng = np.random.default_rng(0)
    level = rng.normal(size=20)
    people = clip_sample(rows({(0, f"{i}/1"): v for i, v in enumerate(level)}))
    clips = clip_sample(rows({(0, f"{i % 2}/{i}"): level[i % 2] for i in range(20)}))
    low, high = interval(resample(people))
    assert high - low == pytest.approx(2 * 1.96 * level.std() / np.sqrt(20), rel=0.15)
    assert interval(resample(clips)) == pytest.approx(tuple(sorted(level[:2])))


def test_seeds_widen_the_interval() -> None:
    """Clips without any spread: only the trainings differ."""
    sample = clip_sample(rows({(s, f"{c}/1"): float(s) for s in range(5) for c in "abc"}))
    draws = resample(sample)
    assert draws.mean() == pytest.approx(2, abs=0.05)
    assert draws.std() == pytest.approx(np.sqrt(2 / 5), rel=0.1)  # variance of 0..4 is 2


def test_an_interval_needs_a_value_in_nearly_every_draw() -> None:
    known = np.arange(100.0)
    assert np.isnan(interval(np.where(known < 10, np.nan, known))).all()
    assert interval(np.where(known < 4, np.nan, known)) == pytest.approx((6.375, 96.625))
