"""GRID: 34 speakers, 1000 sentences each, without emotion (Cooke et al. 2006, JASA 120(5)).

KNOWN (the corpus's page): ``s1/bbaf2n.mpg`` is speaker 1; the name's six letters are command, colour, preposition,
letter, digit, adverb. The words' times stand in ``bbaf2n.align``, beside the clip or in a folder of the speaker.
Speaker 21 has no video.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from eap.data.datasets.interface import ClipEntry, bare_name
from eap.data.listing import is_clip

NAME = "GRID"
LICENCE = "CC BY 4.0"
N_SPEAKERS = 34
WORDS: tuple[dict[str, str], ...] = (
    {"b": "bin", "l": "lay", "p": "place", "s": "set"},
    {"b": "blue", "g": "green", "r": "red", "w": "white"},
    {"a": "at", "b": "by", "i": "in", "w": "with"},
    {letter: letter for letter in "abcdefghijklmnopqrstuvxyz"},  # no w: its name is long
    {"z": "zero", "1": "one", "2": "two", "3": "three", "4": "four", "5": "five", "6": "six", "7": "seven"}
    | {"8": "eight", "9": "nine"},
    {"a": "again", "n": "now", "p": "please", "s": "soon"},
)
"""What each letter of a name stands for."""
_SILENCES = {"sil", "sp"}


def describe(paths: Sequence[str], data: Any) -> list[ClipEntry]:
    """Entries of GRID's clips: the speaker from the folders, the sentence from the alignment, or from the name."""
    alignments = {_key(path): path for path in paths if path.rstrip().lower().endswith(".align")}
    return [_entry(path, alignments, Path(data.root)) for path in paths if is_clip(path)]


def spoken(code: str) -> str | None:
    """The sentence of a six-letter name, e.g. ``bbaf2n``: bin blue at f two now; None if it is not one."""
    if len(code) != len(WORDS) or any(letter not in words for letter, words in zip(code, WORDS, strict=True)):
        return None
    return " ".join(words[letter] for letter, words in zip(code, WORDS, strict=True))


def aligned_words(lines: Iterable[str]) -> str:
    """The sentence of an alignment's lines ``start end word``, silences left out."""
    words = [line.split()[2] for line in lines if len(line.split()) == 3]
    return " ".join(word for word in words if word not in _SILENCES)


def _key(path: str) -> tuple[str | None, str]:
    return _speaker(path), bare_name(path).lower()


def _speaker(path: str) -> str | None:
    """The nearest folder above a file that names a speaker, ``s1`` to ``s34``."""
    for folder in reversed(PurePosixPath(path).parent.parts):
        match = re.fullmatch(r"s0*([1-9]\d?)", folder.strip().lower())
        if match and int(match[1]) <= N_SPEAKERS:
            return f"s{match[1]}"
    return None


def _entry(path: str, alignments: dict[tuple[str | None, str], str], root: Path) -> ClipEntry:
    speaker, code = _key(path)
    sentence = spoken(code)
    reason = None
    if sentence is None:
        reason = f"the name {code!r} is not GRID's six-letter code, e.g. 'bbaf2n'"
    elif speaker is None:
        reason = f"no folder above it names a speaker (s1 to s{N_SPEAKERS})"
    elif (speaker, code) in alignments:
        lines = (root / alignments[speaker, code]).read_text(encoding="utf-8", errors="replace").splitlines()
        sentence = aligned_words(lines) or sentence
    return ClipEntry(path, NAME, speaker, sentence=sentence, licence=LICENCE, split_key=speaker, reason=reason)
