"""`eap.data.splits`: deterministic, disjoint, and refused if it could not train."""

from collections import Counter

import pandas as pd
import pytest
from media_files import CLIPS, sections

from eap.data.splits import split_clips
from eap.schemas import read_table, write_table
from eap.stage import StageError

EMOTIONS = ["neutral", "happy", "sad", "angry"]


def _rows(clips: dict[str, tuple[str, str]]) -> list[dict]:
    return [{"clip_id": c, "path": c, "speaker_id": s, "emotion": e, "status": "used"} for c, (s, e) in clips.items()]


def _corpus(n_speakers: int, n_each: int, emotions=EMOTIONS) -> list[dict]:
    return _rows(
        {f"s{s:02d}/{e}{i}": (f"s{s:02d}", e) for s in range(n_speakers) for e in emotions for i in range(n_each)}
    )


def _split(tmp_path, rows, **split) -> pd.DataFrame:
    ant = {"neutralization": split.pop("neutralization", True)}
    config = sections("split", CLIPS, {"split": {"seed": 0, **split}, "ant": ant})
    write_table(tmp_path / "clips.parquet", "clips", rows)
    split_clips(config, tmp_path / "clips.parquet", tmp_path / "splits.parquet")
    return read_table(tmp_path / "splits.parquet", "splits").set_index("clip_id")


def test_by_speaker_is_disjoint_and_has_its_shares(tmp_path):
    splits = _split(tmp_path, _corpus(20, 2), by="speaker")
    per_speaker = splits.groupby("speaker_id").split.agg(set)
    assert all(len(names) == 1 for names in per_speaker)
    assert Counter(name for names in per_speaker for name in names) == {"train": 14, "test": 4, "validation": 2}


def test_by_speaker_keeps_split_keys_together(tmp_path):
    """Two names of one person (say, an actor in two recordings) share a key."""
    rows = [row | {"split_key": f"k{int(row['speaker_id'][1:]) // 2}"} for row in _corpus(10, 2)]
    splits = _split(tmp_path, rows, by="speaker")
    per_key = splits.groupby(splits.speaker_id.str[1:].astype(int) // 2).split.agg(set)
    assert all(len(names) == 1 for names in per_key)
    assert set(splits.split) == {"train", "test"}  # 10 % of 5 keys round to none


@pytest.mark.parametrize("by", ["speaker", "clip"])
def test_independent_of_order_and_decided_by_the_seed(tmp_path, by):
    rows = _corpus(10, 4)
    first = _split(tmp_path, rows, by=by)
    pd.testing.assert_frame_equal(first, _split(tmp_path, rows[::-1], by=by))
    assert not first.equals(_split(tmp_path, rows, by=by, seed=1))


def test_by_clip_is_stratified_over_speakers_and_emotions(tmp_path):
    splits = _split(tmp_path, _corpus(3, 10), by="clip")
    for _, own in splits.groupby("speaker_id"):
        assert Counter(own.split) == {"train": 28, "test": 8, "validation": 4}
        assert Counter(own.emotion[own.split == "test"]) == dict.fromkeys(EMOTIONS, 2)
        assert Counter(own.emotion[own.split == "validation"]) == dict.fromkeys(EMOTIONS, 1)


def test_the_real_clips(tmp_path):
    manifest = pd.read_csv(CLIPS / "manifest.csv")
    emotions = manifest.emotion.replace("disgust", "disgusted")
    rows = _rows({p: (s, e) for p, s, e in zip(manifest.path, manifest.identity, emotions, strict=True)})
    splits = _split(tmp_path, rows, by="clip")
    counts = splits.groupby("speaker_id").split.agg(Counter)
    assert counts["grid_s1"] == {"train": 9, "test": 2, "validation": 1}
    assert counts["1001"] == {"train": 4, "test": 1, "validation": 1}
    assert splits.split["crema_d/1001_DFA_NEU_XX.flv"] == "train"
    assert set(splits.emotion[(splits.split == "test") & (splits.speaker_id == "1001")]) <= {
        "happy",
        "sad",
        "angry",
        "fear",
        "disgusted",
    }
    alone = splits[splits.speaker_id.str.startswith("grid_unk") | (splits.speaker_id == "grid_s2")]
    assert set(alone.split) == {"train"}


def test_a_test_that_rounding_left_empty_gets_one_emotional_clip(tmp_path):
    rows = _rows({"a1": ("a", "neutral"), "a2": ("a", "neutral"), "b1": ("b", "sad"), "b2": ("b", "happy")})
    splits = _split(tmp_path, rows, by="clip")
    tested = splits[splits.split == "test"]
    assert len(tested) == 1
    assert tested.emotion.iloc[0] in {"sad", "happy"}


@pytest.mark.parametrize(
    ("rows", "split", "message"),
    [
        (_corpus(1, 9), {"by": "speaker"}, "split.by: clip"),
        (_corpus(5, 1, ["neutral"]), {"by": "clip"}, "split.by: speaker"),
        (_corpus(5, 9, ["sad", "happy"]), {"by": "speaker"}, "ant.neutralization: false"),
        (_corpus(5, 9, ["sad", "happy"]), {"by": "clip"}, "ant.neutralization: false"),
    ],
)
def test_a_split_that_cannot_train_names_the_remedy(tmp_path, rows, split, message):
    with pytest.raises(StageError) as caught:
        _split(tmp_path, rows, **split)
    assert message in str(caught.value)
    assert not (tmp_path / "splits.parquet").exists()


def test_emotion_outside_training_only_is_refused(tmp_path):
    rows = _corpus(4, 2, ["neutral"])
    order = _split(tmp_path, rows, by="speaker")
    tested = order.speaker_id[order.split == "test"].iloc[0]
    rows += _rows({f"{tested}/sad": (tested, "sad")})
    with pytest.raises(StageError, match="every emotional clip is outside training"):
        _split(tmp_path, rows, by="speaker")


def test_without_neutralization_no_neutral_clip_is_needed(tmp_path):
    splits = _split(tmp_path, _corpus(5, 4, ["sad", "happy"]), by="speaker", neutralization=False)
    assert set(splits.split) == {"train", "test"}  # 10 % of 5 speakers round to none


def test_two_speakers_are_enough(tmp_path):
    assert Counter(_split(tmp_path, _corpus(2, 2), by="speaker").split) == {"train": 8, "test": 8}


def test_no_used_clip_says_why(tmp_path):
    rows = [row | {"status": "set_aside", "reason": "no audio stream"} for row in _corpus(2, 1)]
    with pytest.raises(StageError, match=r"no clip is used.*8 x no audio stream"):
        _split(tmp_path, rows, by="clip")
