"""Tables: order, counts, and names that nobody foresaw."""

from __future__ import annotations

import pandas as pd
import pytest
from report_results import CLIPS

from eap.reporting.metrics import definitions, describe, sort_key, variant_key
from eap.reporting.score_tables import ScoreTable, score_text
from eap.reporting.tables import clip_matrix, split_statement, stage_counts
from eap.stage import StageError

SPLITS = pd.DataFrame(CLIPS, columns=["clip_id", "speaker_id", "emotion", "split"])


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [(1.9044, 3, "1.904"), (-0.5, 3, "−0.500"), (-0.0004, 3, "0.000"), (0.03125, 4, "0.0312"), (123.456, 1, "123.5")],
)
def test_score_text(value: float, decimals: int, text: str) -> None:
    assert score_text(value, decimals) == text


def test_known_metrics_come_first_in_their_order() -> None:
    names = ["zeta", "ccc_valence/new", "pcc_intensity/era", "rmse_intensity/era", "offset_expert", "lmd_center",
             "rmse_valence/landmarks", "lmd", "ccc_intensity/audio"]  # fmt: skip
    assert sorted(names, key=sort_key) == [
        "lmd", "lmd_center", "offset_expert", "rmse_intensity/era", "pcc_intensity/era", "rmse_valence/landmarks",
        "ccc_intensity/audio", "ccc_valence/new", "zeta",
    ]  # fmt: skip


def test_variants_known_first() -> None:
    found = sorted(["shuffled", "still", "generated", "real", "neutral"], key=variant_key)
    assert found == ["generated", "neutral", "real", "still", "shuffled"]


@pytest.mark.parametrize(
    ("name", "better"),
    [("lmd", "lower"), ("lse_c_expert", "higher"), ("rmse_arousal/audio", "lower"), ("ccc_valence/era", "higher"),
     ("blink_rate", None)],
)  # fmt: skip
def test_direction(name: str, better: str | None) -> None:
    assert describe(name).better == better


def test_definitions_are_shared_by_judges() -> None:
    assert [label for label, _ in definitions(["ccc_valence/era", "ccc_valence/audio", "lmd", "blink_rate"])] == [
        "LMD",
        "CCC valence",
    ]


def test_reasons_that_differ_in_numbers_only_are_counted_as_one() -> None:
    rows = [("frames", "18 frames are fewer than the 25"), ("frames", "7 frames are fewer than the 25"),
            ("frames", "no face: found in 1 of 15 key frames"), ("catalog", None)]  # fmt: skip
    clips = pd.DataFrame(rows, columns=["stage", "reason"]).assign(status="set_aside", clip_id=list("abcd"))
    assert stage_counts(clips) == [
        ("frames", "… frames are fewer than the …", 2),
        ("catalog", "no reason was recorded", 1),
        ("frames", "no face: found in 1 of 15 key frames", 1),
    ]


def test_clip_matrix_counts_each_clip_once() -> None:
    emotions, matrix = clip_matrix(SPLITS)
    assert emotions == ["neutral", "happy", "sad"]
    speaker, counts = matrix[0]
    assert speaker == "1001"
    assert [count.splits for count in counts] == [(0, 0, 0), (1, 0, 1), (1, 0, 0), (2, 0, 1)]
    assert matrix[-1][1][-1].total == len(CLIPS)


def test_split_by_clip_makes_no_claim() -> None:
    assert split_statement("clip", SPLITS) == "by clip: no claim about unseen people"


def test_leaking_speaker_is_named() -> None:
    with pytest.raises(StageError, match="s1"):
        split_statement("speaker", SPLITS[SPLITS["speaker_id"] == "s1"])


def test_flags_of_one_kind_are_one_sentence() -> None:
    metrics = tuple(describe(name) for name in ("lmd", "pcc_intensity/era", "ccc_intensity/era"))
    flags = {"lmd": "is late", "pcc_intensity/era": "cannot tell", "ccc_intensity/era": "cannot tell"}
    assert ScoreTable("", "", metrics, (), flags).flag_notes(False) == [
        "LMD is late.", "PCC intensity, CCC intensity cannot tell.",
    ]  # fmt: skip
    assert ScoreTable("", "", metrics[1:], (), flags).flag_notes(True) == ["All 2 scores cannot tell."]
    assert ScoreTable("", "", metrics, (), {}).flag_notes(True) == []


def test_stage_counts_most_frequent_first() -> None:
    rows = [("a", "used", None, None), ("b", "set_aside", "frames", "short"), ("c", "set_aside", "mel", None),
            ("d", "set_aside", "frames", "short")]  # fmt: skip
    clips = pd.DataFrame(rows, columns=["clip_id", "status", "stage", "reason"])
    assert stage_counts(clips) == [("frames", "short", 2), ("mel", "no reason was recorded", 1)]
