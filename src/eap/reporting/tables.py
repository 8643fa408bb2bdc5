"""Tables of the prepared data."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from eap.reporting.score_tables import NO_REASON
from eap.stage import StageError

SPLITS = ("train", "validation", "test")


_NUMBER = re.compile(r"\d+(\.\d+)?")


@dataclass(frozen=True)
class Count:
    """One cell of the table of clips: how many train, validate and test."""

    splits: tuple[int, ...]

    @property
    def total(self) -> int:
        """Clips of all splits."""
        return sum(self.splits)


def emotion_order(emotions: pd.Series) -> list[str]:
    """Each emotion once, neutral first."""
    return sorted(emotions.unique(), key=lambda emotion: (emotion != "neutral", emotion))


def clip_matrix(splits: pd.DataFrame) -> tuple[list[str], list[tuple[str, list[Count]]]]:
    """Used clips: emotions (columns) and, per speaker, one `Count` for each emotion; last column and row are sums."""
    emotions = emotion_order(splits["emotion"])
    groups = [*((speaker, rows) for speaker, rows in splits.groupby("speaker_id")), ("all speakers", splits)]
    matrix = []
    for speaker, rows in groups:
        parts = [*(rows[rows["emotion"] == emotion] for emotion in emotions), rows]
        matrix.append((speaker, [Count(tuple(int((part["split"] == s).sum()) for s in SPLITS)) for part in parts]))
    return emotions, matrix


def split_statement(by: Literal["speaker", "clip"], splits: pd.DataFrame) -> str:
    """What kind of split this is; checked against the table, never only quoted from the config."""
    if by == "clip":
        return "by clip: no claim about unseen people"
    shared = splits.groupby("speaker_id")["split"].nunique()
    leaking: Sequence[str] = sorted(shared[shared > 1].index)
    if leaking:
        raise StageError(
            f"split.by is 'speaker', but {', '.join(leaking[:5])} stand(s) in more than one split; run `split` again"
        )
    return "speaker-disjoint: no test speaker was seen in training"


def stage_counts(clips: pd.DataFrame) -> list[tuple[str, str, int]]:
    """Clips set aside: (stage, reason, clips), most frequent first; reasons that differ in numbers only are one."""
    aside = clips[clips["status"] == "set_aside"].fillna({"stage": "?", "reason": NO_REASON})
    kinds = aside["reason"].str.replace(_NUMBER, "…", regex=True)
    rows = []
    for (stage, kind), reasons in aside["reason"].groupby([aside["stage"], kinds]):
        rows.append((stage, reasons.iloc[0] if reasons.nunique() == 1 else kind, len(reasons)))
    return sorted(rows, key=lambda row: (-row[2], row[:2]))
