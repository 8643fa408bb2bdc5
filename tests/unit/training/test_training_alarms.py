"""The alarm "nothing learnt"."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from eap.training.alarms import judge, raised_at_end, recent_values

LN2 = math.log(2)


def raised(values):
    return {name for name, is_raised in judge(values).items() if is_raised}


@pytest.mark.parametrize(
    ("loss", "windows", "alarm"),
    [(LN2, 2, True), (math.log(24), 24, True), (2.74, 16, True), (2.4, 16, False), (0.5, 2, False), (9.0, 16, True)],
)
def test_sync_expert_at_chance(loss, windows, alarm):
    values = {"validation/loss": loss, "validation/chance_loss": math.log(windows)}
    assert raised(values) == ({"sync_at_chance"} if alarm else set())


@pytest.mark.parametrize(
    ("loss", "expected"),
    [(2 * LN2, "at_chance"), (1.40, "at_chance"), (1.2, None), (0.5, None), (0.01, "won"), (0.0, "won"), (1.6, None)],
)
@pytest.mark.parametrize("critic", ["discriminator", "emotion_discriminator"])
def test_critics_that_know_nothing_or_everything(critic, loss, expected):
    assert raised({f"train/{critic}": loss}) == ({f"{critic}_{expected}"} if expected else set())


@pytest.mark.parametrize(("form", "loss"), [("hinge", 2.0), ("least_squares", 0.5), ("non_saturating", 2 * LN2)])
def test_chance_is_that_of_the_form(form, loss):
    assert judge({"train/discriminator": loss}, form)["discriminator_at_chance"]
    assert not judge({"train/discriminator": 0.7 * loss}, form)["discriminator_at_chance"]


@pytest.mark.parametrize(("motion", "alarm"), [(0.0, True), (0.05, True), (0.3, False), (1.1, False)])
def test_frames_that_stand_still(motion, alarm):
    assert raised({"validation/motion": motion}) == ({"frames_constant"} if alarm else set())


def test_rules_without_their_terms_are_silent():
    assert judge({"train/total": 1.0, "validation/lip": 2.0, "validation/loss": 1.0}) == {}


def test_means_since_the_last_validation():
    rows = [[10, 0, "train", "a", 1.0], [20, 0, "train", "a", 2.0], [30, 0, "train", "a", 4.0]]
    rows += [[30, 0, "validation", "b", 7.0]]
    assert recent_values(rows, 10) == {"train/a": 3.0, "validation/b": 7.0}


def test_report_tells_what_stands_at_the_end():
    """An alarm that has been raised and has passed is not told."""
    rows = [
        (10, "alarm", "discriminator_at_chance", 1.0),
        (10, "alarm", "frames_constant", 1.0),
        (20, "alarm", "discriminator_at_chance", 0.0),
        (20, "alarm", "frames_constant", 1.0),
        (30, "train", "total", 5.0),
    ]
    (told,) = raised_at_end(pd.DataFrame(rows, columns=["step", "part", "term", "value"]))
    assert told.startswith("generated held-out frames hardly change in time")
    assert raised_at_end(pd.DataFrame(rows[-1:], columns=["step", "part", "term", "value"])) == []
