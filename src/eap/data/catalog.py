"""The catalog: who speaks in each clip, with which emotion, under which licence; and what is set aside before decoding.

Labels come from the manifest, or, if `data.manifest` is null, from folders (speaker = the clip's folder, no emotion).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from eap.config import EMOTIONS
from eap.data.download import MEDIA_SUFFIXES, content_fault
from eap.schemas import read_table, write_table
from eap.stage import StageError, StageResult

COLUMNS: dict[str, tuple[str, ...]] = {
    "path": ("path",),
    "speaker_id": ("identity", "speaker", "speaker_id"),
    "emotion": ("emotion",),
    "intensity_level": ("intensity", "intensity_level"),
    "sentence": ("sentence",),
    "licence": ("licence", "license"),
    "sha256": ("sha256",),
    "dataset": ("dataset",),
}
"""Our name of each column, and the manifest's names for it."""

SYNONYMS: dict[str, str] = {
    **{name: name for name in EMOTIONS},
    **{"happiness": "happy", "joy": "happy", "sadness": "sad", "anger": "angry", "fearful": "fear", "afraid": "fear"},
    **{"disgust": "disgusted", "surprise": "surprised", "contemptuous": "contempt", "calmness": "calm"},
    # CREMA-D's codes
    **{"neu": "neutral", "hap": "happy", "sad": "sad", "ang": "angry", "fea": "fear", "dis": "disgusted"},
}
"""Data sets' names of emotions, lower case, to `eap.config.EMOTIONS`."""


def build_catalog(config: Any, inventory: Path, catalog: Path) -> StageResult:
    """Describe each clip and deal the listed ones to shards.

    Parameters
    ----------
    config
        Sections of stage ``catalog``.
    inventory
        Table ``inventory``.
    catalog
        Table ``catalog`` to write, sorted by clip id. Every file of the inventory and every line of the manifest has
        one row; a row that cannot be used is `set_aside` with its reason.

    Raises
    ------
    StageError
        If the manifest is absent or cannot be understood.
    """
    root = Path(config.data.root)
    files = read_table(inventory, "inventory")
    files = {row.path: row for row in files.itertuples() if Path(row.path).suffix.lower() in MEDIA_SUFFIXES}
    if config.data.manifest is None:
        rows = [_folder_row(path, root) for path in files]
    else:
        rows = _manifest_rows(root, config.data.manifest, files)
    rows.sort(key=lambda row: row["clip_id"])
    first_of: dict[str, str] = {}
    n_listed = 0
    for row in rows:
        given = row.pop("given_sha256", None)
        reason = row.pop("reason", None) or _fault(row, given, files.get(row["path"]), root, config.emotions, first_of)
        _add_file(row, files.get(row["path"]))
        row.update(status="set_aside" if reason else "listed", stage="catalog", reason=reason)
        if reason is None:
            row["shard"] = n_listed % config.data.shards
            n_listed += 1
    write_table(catalog, "catalog", rows, sources=[inventory], config=config.model_dump(mode="json"))
    speakers = {row["speaker_id"] for row in rows if row["status"] == "listed"}
    return StageResult(
        {"n_listed": n_listed, "n_set_aside": len(rows) - n_listed, "n_speakers": len(speakers)},
    )


def _folder_row(path: str, root: Path) -> dict[str, Any]:
    return {
        "clip_id": path,
        "path": path,
        "dataset": root.resolve().name,
        "speaker_id": _folder_name(path, root),
        "emotion": "neutral",
        "labelled": False,
    }


def _folder_name(path: str, root: Path) -> str:
    """The name of the folder that holds a clip."""
    return PurePosixPath(path).parent.name or root.resolve().name


def _manifest_rows(root: Path, manifest_name: str, files: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Rows of the manifest's lines, and of the files that it does not mention."""
    manifest = root / manifest_name
    lines = _read_manifest(manifest)
    # macOS writes file names decomposed, most CSV files are composed: the same name to a reader
    by_name = {unicodedata.normalize("NFC", path): path for path in files}
    rows, mentioned = [], set()
    for line in lines:
        name = PurePosixPath(line["path"].replace("\\", "/")).as_posix()
        path = by_name.get(unicodedata.normalize("NFC", name), name)
        if path in mentioned:
            raise StageError(f"{manifest}: {line['path']!r} stands there more than once; keep one line per clip")
        mentioned.add(path)
        rows.append(_manifest_row(path, line, root))
    for path in files:
        if path not in mentioned:
            row = {"clip_id": path, "path": path, "emotion": "neutral", "labelled": False}
            rows.append(row | {"reason": f"the manifest ({manifest.name}) does not mention it"})
    return rows


def _read_manifest(manifest: Path) -> list[dict[str, str]]:
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


def _manifest_row(path: str, line: Mapping[str, str], root: Path) -> dict[str, Any]:
    row: dict[str, Any] = {"clip_id": path, "path": path, "given_sha256": line.get("sha256", "").lower() or None}
    for key in ("dataset", "intensity_level", "sentence", "licence"):
        row[key] = line.get(key) or None
    row["speaker_id"] = line["speaker_id"] if "speaker_id" in line else _folder_name(path, root)
    given = line.get("emotion", "")
    row["labelled"] = bool(given)
    row["emotion"] = SYNONYMS.get(given.lower()) if given else "neutral"
    if row["emotion"] is None:
        row["reason"] = f"unknown emotion {given!r}; known: {', '.join(EMOTIONS)}"
    elif not row["speaker_id"]:
        row["reason"] = "the manifest names no speaker (column identity, speaker or speaker_id)"
    return row


def _fault(
    row: Mapping[str, Any],
    given_sha256: str | None,
    file: Any,
    root: Path,
    emotions: tuple[str, ...],
    first_of: dict[str, str],
) -> str | None:
    """Why a clip cannot be used, as far as can be said without decoding it; `first_of` remembers each content."""
    if file is None:
        return "listed in the manifest, but data.root holds no such clip"
    reason = content_fault(root / file.path, file.size_bytes)
    if reason:
        return reason
    if given_sha256 and given_sha256 != file.sha256:
        return f"sha256 differs from the manifest: {file.sha256[:12]}... instead of {given_sha256[:12]}..."
    if row["emotion"] not in emotions:
        return f"emotion {row['emotion']!r} is not among the config's emotions ({', '.join(emotions)})"
    if file.sha256 in first_of:
        return f"the same bytes as {first_of[file.sha256]!r}"
    first_of[file.sha256] = row["clip_id"]
    return None


def _add_file(row: dict[str, Any], file: Any) -> None:
    if file is not None:
        row.update(sha256=file.sha256, size_bytes=file.size_bytes)
