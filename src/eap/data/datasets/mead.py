"""MEAD: 8 emotions at 3 levels, 7 views (Wang et al. 2020, doi:10.1007/978-3-030-58589-1_42).

KNOWN (the dataset's page): ``M003/video/front/angry/level_3/001.mp4`` is speaker, view, emotion, level, take; the sound
is a file of its own, ``M003/audio/angry/level_3/001.m4a``. Takes are numbered anew in every folder, so a clip's id is
its whole path. Its terms forbid passing it on: ask its authors for it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from eap.data.datasets.interface import SYNONYMS, ClipEntry
from eap.data.listing import is_audio, is_clip

NAME = "MEAD"
LICENCE = "MEAD's own terms (research only, no redistribution)"
EMOTIONS = ("neutral", "happy", "sad", "angry", "fear", "disgusted", "surprised", "contempt")
_CLIP = re.compile(
    r"(?:.*/)?(?P<speaker>[MW]\d{3})/(?:video/)?(?P<view>[a-z]+(?:_\d+)?)/(?P<emotion>[a-z]+)/level_(?P<level>\d)/"
    r" *(?P<take>\d+) *\.\w+ *",
    re.IGNORECASE,
)
_SOUND = re.compile(
    r"(?:.*/)?(?P<speaker>[MW]\d{3})/audio/(?P<emotion>[a-z]+)/level_(?P<level>\d)/ *(?P<take>\d+) *\.\w+ *",
    re.IGNORECASE,
)


def describe(paths: Sequence[str], data: Any) -> list[ClipEntry]:
    """Entries of MEAD's clips, from their paths; views outside `data.views` are set aside."""
    sounds = {}
    for path in filter(is_audio, paths):
        match = _SOUND.fullmatch(path)
        if match:
            sounds.setdefault(_take(match), path)
    return [_entry(path, sounds, data.views) for path in paths if is_clip(path)]


def _take(match: re.Match[str]) -> tuple[str, str, str, int]:
    """What a clip's pictures and its sound have in common: speaker, emotion, level, take."""
    return match["speaker"].upper(), match["emotion"].lower(), match["level"], int(match["take"])


def _entry(path: str, sounds: dict[tuple[str, str, str, int], str], views: Sequence[str]) -> ClipEntry:
    match = _CLIP.fullmatch(path)
    if not match:
        example = "'M003/video/front/angry/level_3/001.mp4'"
        reason = f"the path does not end like MEAD's {example}"
        return ClipEntry(path, NAME, emotion=None, licence=LICENCE, reason=reason)
    speaker, named, level, _ = _take(match)
    emotion = SYNONYMS.get(named)
    reason = None
    if emotion not in EMOTIONS:
        reason = f"MEAD has no emotion {named!r}; it has {', '.join(EMOTIONS)}"
    elif level not in "123":
        reason = f"MEAD has levels 1 to 3, not {level}"
    elif match["view"].lower() not in views:
        reason = f"view {match['view'].lower()!r}; data.views allows {', '.join(views)}"
    return ClipEntry(
        path=path,
        dataset=NAME,
        speaker_id=speaker,
        emotion=emotion,
        labelled=True,
        intensity_level=f"level_{level}",
        licence=LICENCE,
        audio_path=sounds.get(_take(match)),
        split_key=speaker,
        reason=reason,
    )
