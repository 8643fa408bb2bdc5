"""The saturation test: does intensity rise with the level that was acted, and with the gain g?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from eap.data.clip_store import Clip
from eap.evaluation.bias import speak
from eap.evaluation.grid import GAINS
from eap.evaluation.levels import level_key
from eap.evaluation.scores import Judged
from eap.evaluation.setup import PROBE_DETECT_EVERY, Setup
from eap.evaluation.variants import Source, choose_source, choose_source_of, find_landmarks, in_turn


@dataclass(frozen=True)
class LevelGroup:
    """Test clips of one speaker and emotion, one per level, the weakest first."""

    name: str
    clip_ids: tuple[str, ...]
    same_sentence: bool


def saturation_rows(setup: Setup) -> list[dict[str, Any]]:
    """Rows of table ``saturation``."""
    rows: list[dict[str, Any]] = []
    for group in choose_groups(setup, setup.config.evaluation.level_groups):
        source = group_source(setup, setup.store[group.clip_ids[0]])
        for clip_id in group.clip_ids:
            rows += _clip_rows(setup, group, setup.store[clip_id], source)
        print(f"evaluate seed {setup.seed}: {group.name} spoken at g = {', '.join(map(str, GAINS))}", flush=True)
    return rows


def choose_groups(setup: Setup, most: int) -> list[LevelGroup]:
    """Groups spread over speakers and emotions: of one sentence where there are any, of several otherwise.

    Where the dataset has no levels, single emotional clips are groups of one: they still tell about g.
    """
    rows = setup.store.clips.loc[setup.store.ids("test")].join(setup.levels)
    rows = rows[rows["emotion"] != "neutral"]
    groups = _groups(rows, ["speaker_id", "emotion", "sentence"], True)
    groups = groups or _groups(rows, ["speaker_id", "emotion"], False)
    groups = groups or [LevelGroup(clip_id, (clip_id,), True) for clip_id in rows.index]
    keys = {group.name: tuple(rows.loc[group.clip_ids[0], ["speaker_id", "emotion"]]) for group in groups}
    by_name = {group.name: group for group in groups}
    table = pd.DataFrame([(name, *key) for name, key in keys.items()], columns=["name", "speaker", "emotion"])
    per_speaker = [
        in_turn([sorted(part["name"]) for _, part in own.groupby("emotion", sort=True)])
        for _, own in table.groupby("speaker", sort=True)
    ]
    return [by_name[name] for name in in_turn(per_speaker)[:most]]


def _groups(rows: pd.DataFrame, keys: list[str], same_sentence: bool) -> list[LevelGroup]:
    """Those with at least two levels."""
    found = []
    for key, own in rows.dropna(subset=[*keys, "level"]).groupby(keys, sort=True):
        first = {level: min(part.index) for level, part in own.groupby("level")}
        if len(first) > 1:
            clip_ids = tuple(first[level] for level in sorted(first, key=level_key))
            found.append(LevelGroup(" / ".join(map(str, key)), clip_ids, same_sentence))
    return found


def group_source(setup: Setup, clip: Clip) -> Source:
    """The face from which a whole group is spoken: a neutral one of the person where there is one."""
    return choose_source_of(setup.store, clip, "neutral", setup.levels["level"]) or choose_source(setup.store, clip)


def _clip_rows(setup: Setup, group: LevelGroup, clip: Clip, source: Source) -> list[dict[str, Any]]:
    length = min(len(clip), setup.probe_frames)
    common = {
        "clip_id": clip.clip_id, "speaker_id": clip.speaker_id, "emotion": clip.emotion,
        "level": setup.level(clip.clip_id), "sentence": setup.levels["sentence"].get(clip.clip_id),
        "group_id": group.name, "same_sentence": group.same_sentence, "n": length,
        "true_intensity": float(np.linalg.norm(clip.va_T2[:length], axis=1).mean()),
    }  # fmt: skip

    def rows(judged: list[Judged], variant: str, gain: float | None) -> list[dict[str, Any]]:
        return [
            {**common, "variant": variant, "gain": gain, "judge": j.judge, "intensity": j.mean("intensity")}
            for j in judged
        ]

    def look(variant: str, frames: np.ndarray, drawn_from: Clip | None = None) -> list[Judged]:
        landmarks = find_landmarks(frames, PROBE_DETECT_EVERY)
        return setup.judges.judge(clip, variant, frames, landmarks, drawn_from)

    found = rows(look("real", clip.frames[:length]), "real", None)
    found += rows([setup.judges.hear(clip, length)], "generated", 1.0)
    for gain in GAINS:
        found += rows(look("generated", speak(setup, clip, source, gain), source.clip), "generated", gain)
    return found
