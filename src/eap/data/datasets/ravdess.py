"""RAVDESS: 24 actors, 2 statements, 8 emotions in speech (doi:10.1371/journal.pone.0196391).

KNOWN (the dataset's record, doi:10.5281/zenodo.1188976): ``Actor_12/01-01-06-01-02-01-12.mp4`` is modality, vocal
channel, emotion, intensity, statement, repetition, actor.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from eap.data.datasets.interface import ClipEntry, bare_name
from eap.data.listing import is_audio, is_clip

NAME = "RAVDESS"
LICENCE = "CC BY-NC-SA 4.0"
EMOTIONS = ("neutral", "calm", "happy", "sad", "angry", "fear", "disgusted", "surprised")
"""Codes 01 to 08, in our vocabulary."""
INTENSITIES = ("normal", "strong")
STATEMENTS = ("Kids are talking by the door", "Dogs are sitting by the door")
N_ACTORS = 24
_PATTERN = re.compile(r"-".join([r"(\d{2})"] * 7))
_LIMITS = {"modality": 3, "vocal channel": 2, "emotion": 8, "intensity": 2, "statement": 2, "repetition": 2}


def describe(paths: Sequence[str], data: Any) -> list[ClipEntry]:
    """Entries of RAVDESS's clips, from their file names alone.

    Used is the audio-video modality; video-only and audio-only files are set aside, and songs unless `data.songs`.
    """
    return [_entry(path, data.songs) for path in paths if is_clip(path) or is_audio(path)]


def _entry(path: str, songs: bool) -> ClipEntry:
    name = bare_name(path)
    match = _PATTERN.fullmatch(name)
    if not match:
        return _unfit(path, f"the name {name!r} is not seven two-digit codes, e.g. '01-01-06-01-02-01-12'")
    codes = dict(zip([*_LIMITS, "actor"], map(int, match.groups()), strict=True))
    for field, limit in (_LIMITS | {"actor": N_ACTORS}).items():
        if not 1 <= codes[field] <= limit:
            return _unfit(path, f"RAVDESS has {field} 01 to {limit:02d}, not {codes[field]:02d}")
    speaker = f"Actor_{codes['actor']:02d}"
    return ClipEntry(
        path=path,
        dataset=NAME,
        speaker_id=speaker,
        emotion=EMOTIONS[codes["emotion"] - 1],
        labelled=True,
        intensity_level=INTENSITIES[codes["intensity"] - 1],
        sentence=STATEMENTS[codes["statement"] - 1],
        licence=LICENCE,
        split_key=speaker,
        reason=_reason(codes, songs, is_audio(path)),
    )


def _reason(codes: dict[str, int], songs: bool, audio: bool) -> str | None:
    if codes["modality"] == 3 or audio:
        return "audio only (modality 03): there is no picture"
    if codes["modality"] == 2:
        return "video only (modality 02): the silent copy of the audio-video take (modality 01)"
    if codes["vocal channel"] == 2 and not songs:
        return "a song (vocal channel 02); set data.songs: true to use songs"
    return None


def _unfit(path: str, reason: str) -> ClipEntry:
    return ClipEntry(path, NAME, emotion=None, licence=LICENCE, reason=reason)
