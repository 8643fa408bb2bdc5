"""Any folder of clips: labels from its manifest, or, if `data.manifest` is null, from folders.

Without a manifest a clip's folder names its speaker, and no clip has an emotion label.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from eap.config import EMOTIONS
from eap.data.datasets.interface import SYNONYMS, ClipEntry
from eap.data.listing import is_clip
from eap.stage import StageError

COLUMNS: dict[str, tuple[str, ...]] = {
    "path": ("path",),
    "speaker_id": ("identity", "speaker", "speaker_id"),
    "emotion": ("emotion",),
    "intensity_level": ("intensity", "intensity_level"),
    "sentence": ("sentence",),
    "licence": ("licence", "license"),
    "sha256": ("sha256",),
    "dataset": ("dataset",),
    "audio_path": ("audio", "audio_path"),
    "split_key": ("split_key",),
}
"""Our name of each column, and the manifest's names for it."""


def describe(paths: Sequence[str], data: Any) -> list[ClipEntry]:
    """Entries of a folder's clips, and of the manifest's lines that name no clip.

    Raises
    ------
    StageError
        If the manifest is absent or cannot be understood.
    """
    root = Path(data.root)
    clips = [path for path in paths if is_clip(path)]
    if data.manifest is None:
        return [_unlabelled(path, root) for path in clips]
    return read_manifest(clips, root, data.manifest)


def read_manifest(clips: Sequence[str], root: Path, name: str) -> list[ClipEntry]:
    """Entries of the lines of ``root/name``, and of the clips that it does not mention."""
    manifest = root / name
    # macOS writes file names decomposed, most CSV files are composed: the same name to a reader
    by_name = {unicodedata.normalize("NFC", path): path for path in clips}
    entries, mentioned = [], set()
    for line in _lines(manifest):
        written = PurePosixPath(line["path"].replace("\\", "/")).as_posix()
        path = by_name.get(unicodedata.normalize("NFC", written), written)
        if path in mentioned:
            raise StageError(f"{manifest}: {line['path']!r} stands there more than once; keep one line per clip")
        mentioned.add(path)
        entries.append(_entry(path, line, root))
    unknown = f"the manifest ({manifest.name}) does not mention it"
    return entries + [ClipEntry(path, reason=unknown) for path in clips if path not in mentioned]


def _unlabelled(path: str, root: Path) -> ClipEntry:
    speaker = _folder_name(path, root)
    return ClipEntry(path, root.resolve().name, speaker, split_key=speaker)


def _folder_name(path: str, root: Path) -> str:
    """The name of the folder that holds a clip."""
    return PurePosixPath(path).parent.name or root.resolve().name


def _lines(manifest: Path) -> list[dict[str, str]]:
    """Lines of the manifest under our column names; an absent column is an absent key, an empty cell is ''."""
    if not manifest.is_file():
        raise StageError(
            f"data.manifest: {manifest} does not exist; set data.manifest to a CSV file in data.root, or to null: "
            "then each clip's folder names its speaker and no clip has an emotion label"
        )
    try:
        table = pd.read_csv(manifest, dtype=str, keep_default_na=False, encoding="utf-8-sig", skipinitialspace=True)
    except (ValueError, UnicodeDecodeError) as error:  # pandas' parser errors are ValueErrors
        raise StageError(f"{manifest}: not a CSV file in UTF-8 ({error})") from error
    table.columns = [str(name).strip().lower() for name in table.columns]
    found = {ours: next((n for n in theirs if n in table.columns), None) for ours, theirs in COLUMNS.items()}
    if found["path"] is None:
        raise StageError(f"{manifest}: no column 'path'; it has {', '.join(table.columns)}")
    chosen = table[[name for name in found.values() if name]].rename(columns={v: k for k, v in found.items() if v})
    return [{key: str(cell).strip() for key, cell in line.items()} for line in chosen.to_dict("records")]


def _entry(path: str, line: Mapping[str, str], root: Path) -> ClipEntry:
    speaker = line["speaker_id"] if "speaker_id" in line else _folder_name(path, root)
    given = line.get("emotion", "")
    emotion = SYNONYMS.get(given.lower()) if given else "neutral"
    reason = None
    if emotion is None:
        reason = f"unknown emotion {given!r}; known: {', '.join(EMOTIONS)}"
    elif not speaker:
        reason = "the manifest names no speaker (column identity, speaker or speaker_id)"
    rest = {key: line.get(key) or None for key in ("dataset", "intensity_level", "sentence", "licence", "audio_path")}
    return ClipEntry(
        path=path,
        speaker_id=speaker,
        emotion=emotion,
        labelled=bool(given),
        split_key=line.get("split_key") or speaker,
        given_sha256=line.get("sha256", "").lower() or None,
        reason=reason,
        **rest,
    )
