"""Training, validation and test clips: decided by hashes, so that neither file order nor new clips of others matter."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pandas as pd

from eap.schemas import read_table, write_table
from eap.stage import StageError, StageResult


def split_clips(config: Any, clips: Path, splits: Path) -> StageResult:
    """Split the used clips.

    Parameters
    ----------
    config
        Sections of stage ``split``.
    clips
        Table ``clips``.
    splits
        Table ``splits`` to write, sorted by clip id.

    Raises
    ------
    StageError
        If no clip is used, or if the split could not train or could not be tested.
    """
    table = read_table(clips, "clips", ["clip_id", "speaker_id", "split_key", "emotion", "status", "reason"])
    used = table[table.status == "used"].sort_values("clip_id", ignore_index=True)
    if used.empty:
        raise StageError(f"no clip is used. {_commonest_reasons(table)} Mend the clips or data.root and run again")
    split_of = by_speaker(used, config.split) if config.split.by == "speaker" else by_clip(used, config.split)
    used["split"] = used.clip_id.map(split_of)
    _check_training(used, config.ant.neutralization)
    columns = ["clip_id", "speaker_id", "emotion", "split"]
    write_table(splits, "splits", used[columns], sources=[clips], config=config.model_dump(mode="json"))
    counts = Counter(used.split)
    return StageResult({f"n_{name}": float(counts[name]) for name in ("train", "validation", "test")})


def by_speaker(used: pd.DataFrame, split: Any) -> dict[str, str]:
    """Split of each clip id so that no speaker is in two splits.

    "Speaker" is here the `split_key`: what the dataset keeps together, the speaker unless it says otherwise. They are
    ordered by a hash of seed and name; the first go to test, the next to validation.

    Raises
    ------
    StageError
        If there are fewer than two speakers.
    """
    keys = used.split_key.fillna(used.speaker_id)
    speakers = sorted(keys.unique(), key=lambda name: _hash(split.seed, name))
    if len(speakers) < 2:
        raise StageError(
            f"split.by: speaker needs at least 2 speakers, one to train and one to test; the used clips have "
            f"{len(speakers)}. Set split.by: clip (and claim nothing about unseen people), or add speakers"
        )
    n_test = min(max(round(split.test * len(speakers)), 1), len(speakers) - 1)
    n_validation = min(round(split.validation * len(speakers)), len(speakers) - n_test - 1)
    names = ["test"] * n_test + ["validation"] * n_validation
    names += ["train"] * (len(speakers) - len(names))
    split_of_speaker = dict(zip(speakers, names, strict=True))
    return {clip_id: split_of_speaker[key] for clip_id, key in zip(used.clip_id, keys, strict=True)}


def by_clip(used: pd.DataFrame, split: Any) -> dict[str, str]:
    """Split of each clip id so that every speaker is also in training.

    Test and validation take their share of each speaker's clips, rounded, in turn over the speaker's emotions. One
    neutral clip of each speaker stays in training (neutralization needs it as target), and so does an only clip.

    Raises
    ------
    StageError
        If no speaker can spare a clip for the test.
    """
    split_of = dict.fromkeys(used.clip_id, "train")
    turns = {speaker: _turns(own, split.seed) for speaker, own in used.groupby("speaker_id", sort=True)}
    counts = used.speaker_id.value_counts()
    n_test = {speaker: min(round(split.test * counts[speaker]), len(turns[speaker])) for speaker in turns}
    _give_one(n_test, turns, used, split.seed)
    for speaker, clip_ids in turns.items():
        n_validation = round(split.validation * counts[speaker])
        for i, clip_id in enumerate(clip_ids[: n_test[speaker] + n_validation]):
            split_of[clip_id] = "test" if i < n_test[speaker] else "validation"
    return split_of


def _give_one(n_test: dict[str, int], turns: dict[str, list[str]], used: pd.DataFrame, seed: int) -> None:
    """Where rounding left the test without any clip, or without an emotional one that can be spared, add one."""
    counts = used.speaker_id.value_counts()
    emotional = set(used.clip_id[used.emotion != "neutral"])
    n_emotional = used.speaker_id[used.emotion != "neutral"].value_counts()
    chosen = [clip_id for speaker, ids in turns.items() for clip_id in ids[: n_test[speaker]]]
    spare = [speaker for speaker, ids in turns.items() if ids]
    if not spare:
        raise StageError(
            "split.by: clip finds no clip for the test: every speaker has a single clip (or a single neutral one). "
            "Add clips per speaker, or set split.by: speaker"
        )
    feeling = [s for s in spare if n_emotional.get(s, 0) > 1 and emotional.intersection(turns[s][n_test[s] :][:1])]
    candidates = feeling if feeling and not emotional.intersection(chosen) else [] if chosen else spare
    if candidates:
        richest = min(candidates, key=lambda speaker: (-counts[speaker], _hash(seed, speaker)))
        n_test[richest] += 1


def _turns(own: pd.DataFrame, seed: int) -> list[str]:
    """A speaker's clips that may leave training, in turn over emotions (neutral last), otherwise by hash."""
    rows = sorted(own.itertuples(), key=lambda row: _hash(seed, row.clip_id))
    per_emotion: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        per_emotion[row.emotion].append(row.clip_id)
    per_emotion["neutral"] = per_emotion["neutral"][:-1]
    order = sorted(per_emotion, key=lambda emotion: (emotion == "neutral", _hash(seed, emotion)))
    ranks = range(max((len(ids) for ids in per_emotion.values()), default=0))
    in_turn = [per_emotion[emotion][rank] for rank in ranks for emotion in order if rank < len(per_emotion[emotion])]
    return in_turn if len(in_turn) < len(own) else in_turn[:-1]


def _check_training(used: pd.DataFrame, neutralization: bool) -> None:
    train = used[used.split == "train"]
    if neutralization and not (train.emotion == "neutral").any():
        raise StageError(
            "no neutral clip is in training, but ant.neutralization needs neutral targets. Add neutral clips, set "
            "ant.neutralization: false, or change split.by or split.seed"
        )
    if (used.emotion != "neutral").any() and (train.emotion == "neutral").all():
        raise StageError(
            "every emotional clip is outside training, so ERA could learn no emotion. Set split.by: clip, change "
            "split.seed, or add speakers with emotional clips"
        )


def _commonest_reasons(table: pd.DataFrame) -> str:
    if table.empty:
        return "The catalog is empty."
    reasons = Counter(table.reason.dropna()).most_common(3)
    return "Set aside: " + "; ".join(f"{n} x {reason}" for reason, n in reasons) + "."


def _hash(seed: int, name: str) -> str:
    return hashlib.sha256(f"{seed}:{name}".encode()).hexdigest()
