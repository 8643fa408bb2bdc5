"""Cautions count what the tables hold; what is in order says so."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pandas as pd

from eap.evaluation.weights import WEIGHTS
from eap.reporting.cautions import Caution, cautions
from eap.reporting.results import Histories
from eap.schemas import to_table
from eap.training.alarms import MEANING


def table(name: str, rows: list[dict[str, Any]]) -> pd.DataFrame:
    return to_table(name, rows).to_pandas()


def found(
    histories: Histories | None = None, weights: dict[str, str] | None = None, **changes: list[dict[str, Any]]
) -> dict[str, Caution]:
    base = {"experiment": "base", "variant": "generated", "other": "base", "other_variant": "still"}
    rows: dict[str, list[dict[str, Any]]] = {
        "clips": [{"clip_id": "a", "status": "used"}],
        "scores": [{"variant": "generated", "metric": "lmd", "value": 1.0, "clip_id": str(i)} for i in range(16)],
        "summary": [{"experiment": "base", "variant": "generated", "metric": name} for name in METRICS],
        "comparisons": [{**base, "metric": "lmd", "verdict": "better"}],
        "splits": [{"clip_id": str(i), "speaker_id": str(i % 8), "split": "test"} for i in range(16)],
        "experiments": [{"experiment": "base"}],
        "offsets": [{"clip_id": "a", "injected": 3, "found": 3}],
    }
    tables = {name: table(name, own) for name, own in (rows | changes).items()}
    own = SimpleNamespace(own_summary=tables["summary"], histories=histories or {}, weights=weights or {}, **tables)
    told = cautions(own, (0, 1, 2), SimpleNamespace(syncnet="a.model", emonet=None, lpips="b.pth", inception=None))
    return {caution.title: caution for caution in told}


def test_an_expert_that_misses_lags_is_a_serious_matter() -> None:
    assert not found()["Sync expert"].serious
    missed = found(offsets=[{"clip_id": "a", "injected": 3, "found": 2}])["Sync expert"]
    assert missed.serious
    assert "exactly in 0\u00a0% of 1 test clip of real video" in missed.text
    assert found(offsets=[{"clip_id": "a", "injected": 3, "reason": "silent"}])["Sync expert"].serious


def test_scores_that_need_weights_are_named_with_the_key_that_gives_them() -> None:
    said = found()["Absent"].text
    assert "EmoNet's judgement of emotion (evaluation.weights.emonet); FID (evaluation.weights.inception)." in said
    assert "SyncNet" not in said


def test_weights_that_are_not_the_published_ones_are_told() -> None:
    published = found(weights={"syncnet": WEIGHTS["syncnet"].sha256, "lpips": "7be5be79" + 56 * "0"})["Unpublished"]
    assert not published.serious
    other = found(weights={"syncnet": 64 * "0", "lpips": "7be5be79" + 56 * "0"})["Unpublished"]
    assert other.serious
    assert other.text.endswith("SyncNet v2 (evaluation.weights.syncnet).")


METRICS = ("lmd", "pcc_intensity/era", "ccc_intensity/era")


def test_alarms_that_stand_at_the_end_of_a_training_are_told() -> None:
    def history(first: float, last: float, rule: str = "frames_constant") -> pd.DataFrame:
        rows = [
            (5, "alarm", rule, first),
            (10, "alarm", rule, last),
            (10, "train", "lip", 9.0),
        ]
        return table("history", [{"step": s, "epoch": 0, "part": p, "term": t, "value": v} for s, p, t, v in rows])

    over = found({"base": {"ant": {0: history(1.0, 0.0)}}})["Nothing learnt?"]
    assert (over.serious, over.text) == (False, "No training ended with an alarm.")
    at_chance = history(0.0, 1.0, "sync_at_chance")
    stands = found({"base": {"sync": {None: at_chance}}, "wide": {"ant": {3: history(1.0, 1.0)}}})
    said = MEANING["frames_constant"]
    assert stands["Nothing learnt?"].text == f"sync: {MEANING['sync_at_chance']}; ant of wide, seed 3: {said}."
    assert stands["Nothing learnt?"].serious


def test_trainings_that_no_rule_could_judge_are_told() -> None:
    rows = [{"step": 5, "epoch": 0, "part": "alarm", "term": "discriminator_won", "value": 0.0}]
    history = table("history", rows)
    told = found({"base": {"ant": {n: history for n in range(4)}, "student": {None: history}}})["Nothing learnt?"]
    assert not told.serious
    assert told.text == (
        "No training ended with an alarm. Without held-out clips no rule could judge ant, seed 0 (frames_constant); "
        "ant, seed 1 (frames_constant); ant, seed 2 (frames_constant); and 1 more training."
    )


def test_where_all_is_well_nothing_is_serious() -> None:
    told = found()
    assert [caution.title for caution in told.values() if caution.serious] == []
    assert told["Failed"].text.startswith("Nothing: 3 seeds of 1 experiment trained and scored")
    assert told["Set aside"].text == "No clip: all 1 were used."
    assert told["Undefined"].text == "No score."
    assert told["Flagged"].text == "No metric: each tells real video from its controls."
    assert told["Small numbers"].text == (
        "3 seeds, 16 of 16 test clips scored, 8 test speakers; 4 primary tests over 8 speakers give a corrected p of "
        "0.031 at least."
    )


def test_clips_and_scores_are_counted_with_their_reasons() -> None:
    aside = [{"clip_id": str(n), "status": "set_aside", "stage": "frames", "reason": f"{n} frames"} for n in range(3)]
    scores = [{"variant": "still", "metric": "lmd", "value": None, "reason": "no face"},
              {"variant": "still", "metric": "lmd", "value": 1.0}]  # fmt: skip
    told = found(clips=[{"clip_id": "a", "status": "used"}, *aside], scores=scores)
    assert told["Set aside"].text == "3 of 4 clips: … frames (3)."
    assert told["Set aside"].serious
    assert told["Undefined"].text == "1 of 2 scores: no face (1)."


def test_flags_are_told_by_group() -> None:
    rows = [{"experiment": "base", "variant": "real", "metric": name, "flag": None if name == "lmd" else "is blind"}
            for name in METRICS]  # fmt: skip
    told = found(summary=rows)["Flagged"]
    assert told.serious
    assert told.text == "2 of 3 metrics prove nothing here. Emotion, judged by ERA's own regressor: all 2 is blind."


def test_few_speakers_and_undecided_tests_are_serious() -> None:
    rows = [{"experiment": "x", "variant": "generated", "other": "base", "other_variant": "generated", "metric": "lmd",
             "verdict": verdict} for verdict in ("not distinguishable", "not comparable", "better")]  # fmt: skip
    told = found(comparisons=rows, splits=[{"clip_id": "3", "speaker_id": "s", "split": "test"}])
    assert told["Not distinguishable"].text == (
        "1 of 3 paired tests (0 against controls, 3 between experiments); 1 more compare what cannot be compared."
    )
    assert told["Small numbers"].serious
    assert "4 primary tests over 1 speaker give a corrected p of 1 at least." in told["Small numbers"].text
