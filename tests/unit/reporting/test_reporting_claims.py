"""Each question is answered from the tables, whichever way the answer falls."""

from __future__ import annotations

from typing import Any

import pytest

from eap.reporting.claims import Claim, claims
from eap.schemas import to_table

TEST = {"experiment": "base", "variant": "generated", "other": "base", "mean": 0.5, "other_mean": 0.25,
        "difference": 0.25}  # fmt: skip
PROBE = {"experiment": "base", "quantity": "intensity", "gain": 1.0, "n": 4}


def answer(
    question: str, tests: list[dict[str, Any]] = (), probes: list[dict[str, Any]] = (), **flags: str
) -> Claim:  # fmt: skip
    tables = (to_table("comparisons", list(tests)), to_table("probes", list(probes)))
    found = claims(*(table.to_pandas() for table in tables), flags)
    return next(claim for claim in found if question in claim.question)


def test_without_any_table_nothing_is_claimed() -> None:
    found = claims(*(to_table(name, []).to_pandas() for name in ("comparisons", "probes")), {})
    assert [claim.answer for claim in found] == ["not measured"] * 5


@pytest.mark.parametrize(
    ("verdict", "expected"),
    [("better", "yes"), ("worse", "no"), ("not distinguishable", "not distinguishable")],
)
def test_lips_are_asked_of_the_shuffled_voice(verdict: str, expected: str) -> None:
    row = {**TEST, "other_variant": "shuffled", "metric": "opening_correlation", "verdict": verdict, "reason": "why"}
    other = {**row, "experiment": "x", "other": "x", "verdict": "better"}
    found = answer("lips follow", [other, row])
    assert found.answer == expected
    assert found.evidence == "Opening correlation 0.500 against 0.250; why."


def test_a_flagged_metric_is_said_to_prove_nothing() -> None:
    row = {**TEST, "other_variant": "still", "metric": "lmd", "verdict": "better"}
    found = answer("mouth where", [row], lmd="cannot tell real video from a copied still frame on this data")
    assert found.evidence.endswith("But this metric cannot tell real video from a copied still frame on this data.")


def test_the_judge_that_took_no_part_in_training_is_asked_first() -> None:
    row = {**TEST, "other_variant": "shuffled", "verdict": "worse"}
    judged = [{**row, "metric": f"ccc_intensity/{judge}"} for judge in ("era", "points")]
    judged[0]["verdict"] = "better"
    found = answer("strength of the emotion", judged)
    assert found.answer == "no"
    assert "judge points" in found.evidence


@pytest.mark.parametrize(("points", "asked"), [(0.5, "points"), (0.2, "faces"), (None, "faces")])
def test_of_the_independent_judges_the_one_that_reads_real_video_best_is_asked(
    points: float | None, asked: str
) -> None:
    row = {**TEST, "other_variant": "shuffled", "verdict": "better"}
    judged = [{**row, "metric": f"ccc_intensity/{judge}"} for judge in ("era", "points", "faces")]
    real = {**row, "other_variant": "real", "verdict": "worse"}
    judged += [{**real, "metric": "ccc_intensity/era", "other_mean": 0.9}]
    judged += [{**real, "metric": "ccc_intensity/points", "other_mean": points}]
    judged += [{**real, "metric": "ccc_intensity/faces", "other_mean": 0.3}]
    assert f"judge {asked}" in answer("strength of the emotion", judged).evidence


def test_a_test_that_could_not_be_made_is_not_an_answer() -> None:
    row = {**TEST, "other_variant": "still", "metric": "lmd", "difference": None, "verdict": "not comparable"}
    assert answer("mouth where", [row]).answer == "not measured"


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0.5, 0.9, "no"), (0.1, 0.5, "not distinguishable"), (0.0, 0.2, "yes"), (None, None, "not distinguishable")],
)
def test_the_source_leaks_where_it_explains_more_than_luck(
    low: float | None, high: float | None, expected: str
) -> None:
    row = {**PROBE, "probe": "source_share", "judge": "points", "mean": 0.4, "low": low, "high": high, "chance": 0.25}
    found = answer("source face", probes=[{**row, "judge": "era", "low": 0.9}, {**row, "gain": 0.0, "low": 0.9}, row])
    assert found.answer == expected
    assert "40\u00a0% of the variance" in found.evidence


@pytest.mark.parametrize(
    ("low", "high", "expected"), [(0.6, 1.0, "yes"), (0.4, 0.9, "not distinguishable"), (0.0, 0.3, "no")]
)
def test_levels_are_heard_where_more_pairs_than_luck_are_ordered(low: float, high: float, expected: str) -> None:
    row = {**PROBE, "probe": "level_pairs_ordered", "judge": "points", "mean": 0.7, "low": low, "high": high}
    assert answer("level that was acted", probes=[{**row, "chance": 0.5}]).answer == expected


def test_a_leak_that_could_not_be_measured_says_why() -> None:
    row = {**PROBE, "probe": "source_share", "judge": "era", "reason": "no voice was spoken from two sources"}
    found = answer("source face", probes=[row])
    assert (found.answer, found.evidence) == ("not measured", "No voice was spoken from two sources.")


def test_data_without_levels_says_so() -> None:
    row = {**PROBE, "probe": "levels_ordered", "reason": "no two test clips of one speaker and emotion differ in level"}
    found = answer("level that was acted", probes=[row])
    assert (found.answer, found.evidence) == (
        "not measured",
        "No two test clips of one speaker and emotion differ in level.",
    )
