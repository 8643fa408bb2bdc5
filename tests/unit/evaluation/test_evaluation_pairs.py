"""Paired tests: hand-computed p values, Holm's correction, and honest verdicts."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from eap.evaluation.pairs import Pair, holm, pair, sign_flip, tells_apart, verdict
from eap.evaluation.statistics import clip_sample


def sample(per_clip: dict[str, float | None], seeds: tuple[int | None, ...] = (0, 1), step: float = 0.0):
    rows = [
        {"seed": seed, "clip_id": clip, "speaker_id": clip[0], "value": None if value is None else value + step * i}
        for i, seed in enumerate(seeds)
        for clip, value in per_clip.items()
    ]
    return clip_sample(pd.DataFrame(rows))


def people(values: list[float], clips: int = 2) -> dict[str, float]:
    return {f"{chr(97 + i)}{c}": value + 0.01 * c for i, value in enumerate(values) for c in range(clips)}


def test_p_of_five_speakers_who_all_agree_is_two_in_thirty_two() -> None:
    # Of the 2^5 ways to flip speakers only two (none, all) give a difference as large: 1/16.
    found = pair(sample(people([1, 2, 3, 4, 5])), sample(people([1.5, 2.6, 3.4, 4.3, 5.7])), same_models=False)
    assert found.p == pytest.approx(2 / 32)
    assert found.least_p == 2 / 32
    assert found.difference == pytest.approx(-0.5)
    assert (found.n_speakers, found.n_clips, found.n_seeds) == (5, 10, 2)
    assert found.high < 0


def test_p_with_one_speaker_against_the_rest_is_counted_by_hand() -> None:
    # Sums of differences per speaker: 3, 3, -1. |sum| over flips: 5, 7 (third flipped), 1, 1 and the same negated:
    # 5 or more in 4 of 8. One-sided 2/8 (5, 7), doubled: 0.5.
    a = sample({"a0": 3.0, "b0": 3.0, "c0": -1.0})
    assert pair(a, sample({"a0": 0.0, "b0": 0.0, "c0": 0.0}), same_models=False).p == pytest.approx(0.5)


def test_clips_of_a_speaker_are_flipped_together() -> None:
    """Twenty clips of two people are two observations."""
    a, b = sample(people([1, 2], clips=10)), sample(people([3, 4], clips=10))
    assert pair(a, b, same_models=False).p == pytest.approx(0.5)


def test_pooled_statistics_swap_whole_speakers() -> None:
    """The mean is one statistic among others: the maximum over speakers of sums is another."""
    a, b = sample({"a0": 1.0, "b0": 2.0, "c0": 3.0}), sample({"a0": 5.0, "b0": 1.0, "c0": 1.0})

    def largest(moments):
        return moments[..., 0] ** 2

    squared = [type(s)(s.clip_ids, s.speakers, s.moments, largest, True) for s in (a, b)]
    # 36 - 49 = -13. Sums (first, second) over the 8 swaps: (6,7) (10,3) (5,8) (4,9) and their mirrors:
    # differences -13, 91, -39, -65, 13, -91, 39, 65: -13 or less in 4 of 8, doubled: 1.
    assert sign_flip(*squared) == pytest.approx(1.0)
    # With c first: difference of (3, 10): -91 is the smallest of 8: 2/8.
    c, d = sample({"a0": 1.0, "b0": 1.0, "c0": 1.0}), sample({"a0": 5.0, "b0": 2.0, "c0": 3.0})
    extreme = [type(s)(s.clip_ids, s.speakers, s.moments, largest, True) for s in (c, d)]
    assert sign_flip(*extreme) == pytest.approx(0.25)


def test_only_clips_that_both_have_count() -> None:
    a, b = sample({"a0": 1.0, "b0": 2.0, "c0": None}), sample({"b0": 5.0, "c0": 1.0})
    found = pair(a, b, same_models=True)
    assert (found.n_clips, found.difference) == (1, -3)
    assert np.isnan([found.p, found.low, found.high]).all()
    assert pair(sample({"a0": 1.0}), sample({"b0": 1.0}), same_models=True) is None


def test_a_control_stands_against_every_seed() -> None:
    found = pair(sample(people([1, 2, 3]), step=1.0), sample(people([0, 0, 0]), seeds=(None,)), same_models=True)
    assert found.difference == pytest.approx(2.5)
    assert (found.n_seeds, found.seeds_matter) == (2, True)
    both = pair(sample(people([1, 2]), (None,)), sample(people([0, 0]), (None,)), same_models=True)
    assert (both.n_seeds, both.seeds_matter) == (0, False)


def test_seeds_of_one_experiment_are_paired_and_those_of_two_are_not() -> None:
    """Both rise by 1 per seed: within an experiment that cancels in the difference."""
    a, b = sample(people([1, 1.5]), (0, 1, 2), step=1.0), sample(people([0, 0.5]), (0, 1, 2), step=1.0)
    within, between = pair(a, b, same_models=True), pair(a, b, same_models=False)
    assert within.high - within.low < 1e-9
    assert between.high - between.low > 1


def test_holm_by_hand() -> None:
    # Sorted 0.01, 0.02, 0.03, 0.04 times 4, 3, 2, 1 = 0.04, 0.06, 0.06, 0.04; running maximum 0.04, 0.06, 0.06, 0.06.
    np.testing.assert_allclose(holm(np.array([0.03, 0.01, np.nan, 0.04, 0.02])), [0.06, 0.04, np.nan, 0.06, 0.06])
    np.testing.assert_allclose(holm(np.array([0.9, 0.8])), [1, 1])
    assert holm(np.array([])).size == 0


def found(**changes) -> Pair:
    values = {"mean": 1.0, "other_mean": 2.0, "low": -1.5, "high": -0.5, "p": 0.001, "n_seeds": 5, "n_speakers": 12,
              "n_clips": 40, "least_p": 2 / 4096, "seeds_matter": True}  # fmt: skip
    return Pair(**{**values, **changes})


@pytest.mark.parametrize(
    ("better", "said"), [("lower", "better"), ("higher", "worse"), (None, "different")]
)  # fmt: skip
def test_a_difference_is_called_by_its_direction(better, said) -> None:
    assert verdict(found(), 0.01, 10, better) == {"verdict": said, "reason": None}


@pytest.mark.parametrize(
    ("changes", "p_holm", "reason"),
    [
        ({"n_seeds": 1}, 0.01, "one seed: another training could differ as much"),
        ({}, 0.2, "p = 0.2 after Holm's correction"),
        ({"low": -1.0, "high": 0.1}, 0.01, "the interval of the difference includes 0"),
        ({"low": np.nan, "high": np.nan}, 0.01, "no interval"),
        ({"n_speakers": 1}, np.nan, "one speaker: nothing is known about other people"),
        ({"n_speakers": 2, "least_p": 0.5}, 1.0,
         "p = 1 after Holm's correction; 2 speakers and 10 tests cannot give less than 1"),
    ],
)  # fmt: skip
def test_what_is_not_known_is_not_claimed(changes, p_holm, reason) -> None:
    assert verdict(found(**changes), p_holm, 10, "lower") == {"verdict": "not distinguishable", "reason": reason}


def test_controls_need_no_seed() -> None:
    assert verdict(found(n_seeds=0, seeds_matter=False), 0.01, 10, "lower")["verdict"] == "better"


def test_telling_apart_needs_the_right_direction() -> None:
    real, still = sample(people([1, 1.2, 0.8])), sample(people([3, 3.1, 2.5]))
    assert tells_apart(real, still, "lower") is True
    assert tells_apart(real, still, "higher") is False
    assert tells_apart(real, still, None) is True
    assert tells_apart(real, sample(people([1.2, 1.0, 0.8])), "lower") is False
    assert tells_apart(real, sample(dict.fromkeys(people([1, 1, 1]))), "lower") is None
