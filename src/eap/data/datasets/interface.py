"""What an adapter gives for each clip, and the one vocabulary of emotions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from eap.config import EMOTIONS

SYNONYMS: dict[str, str] = {
    **{name: name for name in EMOTIONS},
    **{"happiness": "happy", "joy": "happy", "sadness": "sad", "anger": "angry", "fearful": "fear", "afraid": "fear"},
    **{"disgust": "disgusted", "surprise": "surprised", "contemptuous": "contempt", "calmness": "calm"},
    # CREMA-D's codes
    **{"neu": "neutral", "hap": "happy", "ang": "angry", "fea": "fear", "dis": "disgusted"},
}
"""Datasets' names of emotions, lower case, to `eap.config.EMOTIONS`."""


@dataclass(frozen=True)
class ClipEntry:
    """One clip as its dataset describes it, before anything is decoded.

    `path` is its id. An entry with a `reason` is set aside; what is known of it all the same is kept.
    """

    path: str
    dataset: str | None = None
    speaker_id: str | None = None
    emotion: str | None = "neutral"
    labelled: bool = False
    intensity_level: str | None = None
    sentence: str | None = None
    licence: str | None = None
    audio_path: str | None = None
    split_key: str | None = None
    given_sha256: str | None = None
    reason: str | None = None


Adapter = Callable[[Sequence[str], Any], list[ClipEntry]]
"""`adapter(paths, data)`: entries of the clips among `paths`.

`paths` are relative to ``data.root`` with POSIX slashes, sorted; `data` is section ``data`` of the configuration. Every
clip has exactly one entry; companion files (sound, alignments) have none unless they need a reason of their own.
"""


def bare_name(path: str) -> str:
    """A file's name without suffix and without blanks at its ends, which unpacking and copying by hand leave there."""
    return PurePosixPath(path.rstrip()).stem.strip()
