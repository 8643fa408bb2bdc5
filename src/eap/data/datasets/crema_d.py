"""CREMA-D: 91 actors, 12 sentences, 6 emotions (Cao et al. 2014, doi:10.1109/TAFFC.2014.2336244).

KNOWN (the dataset's paper and repository): ``VideoFlash/1001_DFA_ANG_XX.flv`` is actor, sentence, emotion, level.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from eap.data.datasets.interface import SYNONYMS, ClipEntry, bare_name
from eap.data.listing import is_clip

NAME = "CREMA-D"
LICENCE = "ODbL-1.0 (database) + DbCL-1.0 (contents)"
SENTENCES: dict[str, str] = {
    "IEO": "It's eleven o'clock",
    "TIE": "That is exactly what happened",
    "IOM": "I'm on my way to the meeting",
    "IWW": "I wonder what this is about",
    "TAI": "The airplane is almost full",
    "MTI": "Maybe tomorrow it will be cold",
    "IWL": "I would like a new alarm clock",
    "ITH": "I think I have a doctor's appointment",
    "DFA": "Don't forget a jacket",
    "ITS": "I think I've seen this before",
    "TSI": "The surface is slick",
    "WSI": "We'll stop in a couple of minutes",
}
# X alone occurs in copies of the dataset.
LEVELS: dict[str, str | None] = {"LO": "low", "MD": "medium", "HI": "high", "XX": None, "X": None}
_PATTERN = re.compile(r"(?P<actor>1\d{3})_(?P<sentence>[A-Z]{3})_(?P<emotion>[A-Z]{3})_(?P<level>[A-Z]{1,2})")


def describe(paths: Sequence[str], data: Any) -> list[ClipEntry]:
    """Entries of CREMA-D's clips, from their file names alone: the folders above do not matter."""
    return [_entry(path) for path in paths if is_clip(path)]


def _entry(path: str) -> ClipEntry:
    name = bare_name(path).upper()
    match = _PATTERN.fullmatch(name)
    if not match:
        return _unfit(path, f"the name {name!r} is not ACTOR_SENTENCE_EMOTION_LEVEL, e.g. '1001_DFA_ANG_XX'")
    actor, sentence, emotion, level = match.groups()
    if not 1001 <= int(actor) <= 1091:
        return _unfit(path, f"CREMA-D has actors 1001 to 1091, not {actor!r}")
    for value, known in ((sentence, SENTENCES), (emotion.lower(), SYNONYMS), (level, LEVELS)):
        if value not in known:
            return _unfit(path, f"CREMA-D has no code {value!r} at this place of the name {name!r}")
    return ClipEntry(
        path=path,
        dataset=NAME,
        speaker_id=actor,
        emotion=SYNONYMS[emotion.lower()],
        labelled=True,
        intensity_level=LEVELS[level],
        sentence=SENTENCES[sentence],
        licence=LICENCE,
        split_key=actor,
    )


def _unfit(path: str, reason: str) -> ClipEntry:
    return ClipEntry(path, NAME, emotion=None, licence=LICENCE, reason=reason)
