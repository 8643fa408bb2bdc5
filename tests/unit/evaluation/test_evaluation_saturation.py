"""Groups of clips that differ in level."""

from __future__ import annotations

from types import SimpleNamespace

import pandas as pd

from eap.evaluation.saturation import choose_groups


def setup(rows):
    """clip, speaker, emotion, level, sentence."""
    table = pd.DataFrame(rows, columns=["clip_id", "speaker_id", "emotion", "level", "sentence"]).set_index("clip_id")
    store = SimpleNamespace(clips=table[["speaker_id", "emotion"]], ids=lambda split: sorted(table.index))
    return SimpleNamespace(store=store, levels=table[["level", "sentence"]])


def spoken(speaker, emotion, sentence=None, levels=("low", "medium", "high")):
    return [(f"{speaker}-{emotion}-{sentence}-{level}", speaker, emotion, level, sentence) for level in levels]


def test_one_sentence_at_three_levels_the_weakest_first():
    rows = [*spoken("a", "happy", "IEO"), *spoken("a", "happy", "DFA", ["medium"]), *spoken("a", "neutral", "IEO")]
    (group,) = choose_groups(setup(rows), 9)
    assert group.clip_ids == tuple(f"a-happy-IEO-{level}" for level in ("low", "medium", "high"))
    assert (group.same_sentence, group.name) == (True, "a / happy / IEO")


def test_other_sentences_where_none_is_shared():
    rows = [("1", "a", "sad", "level_2", "x"), ("2", "a", "sad", "level_1", "y"), ("3", "a", "sad", "level_3", "z")]
    (group,) = choose_groups(setup(rows), 9)
    assert (group.clip_ids, group.same_sentence) == (("2", "1", "3"), False)


def test_groups_are_spread_over_speakers_and_emotions():
    rows = [row for s in "abc" for e in ("angry", "happy", "sad") for row in spoken(s, e, "IEO")]
    assert len({group.name[0] for group in choose_groups(setup(rows), 3)}) == 3
    names = [group.name for group in choose_groups(setup(rows), 6)]
    assert len({name.split(" / ")[1] for name in names}) == 2
    assert choose_groups(setup(rows), 0) == []


def test_without_levels_each_emotional_clip_stands_alone():
    rows = [("1", "a", "sad", None, "x"), ("2", "b", "happy", None, None), ("3", "b", "neutral", None, None)]
    assert [group.clip_ids for group in choose_groups(setup(rows), 9)] == [("1",), ("2",)]
