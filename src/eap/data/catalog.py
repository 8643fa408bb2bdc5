"""The catalog: who speaks in each clip, with which emotion, under which licence; and what is set aside before decoding.

The dataset's adapter (`eap.data.datasets`) reads names and folders; what any file can suffer is judged here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from eap.data.datasets.adapters import ADAPTERS
from eap.data.datasets.interface import ClipEntry
from eap.data.layout import PreparedData
from eap.data.listing import content_fault, is_numbered_copy, leads_outside
from eap.digest import file_sha256, text_digest
from eap.schemas import read_table, to_table, write_table
from eap.stage import StageResult


def build_catalog(config: Any, inventory: Path, catalog: Path) -> StageResult:
    """Describe each clip and deal the listed ones to shards.

    Parameters
    ----------
    config
        Sections of stage ``catalog``.
    inventory
        Table ``inventory``.
    catalog
        Table ``catalog`` to write, sorted by clip id. Every clip of the inventory and every line of a manifest has
        one row; a row that cannot be used is `set_aside` with its reason. Beside it, one table ``listing`` per shard:
        a listing that would not change is not touched, so that nothing is prepared again.

    Raises
    ------
    StageError
        If the manifest is absent or cannot be understood.
    """
    root = Path(config.data.root)
    files = {row.path: row for row in read_table(inventory, "inventory").itertuples()}
    entries = ADAPTERS[config.data.dataset](list(files), config.data)
    rows: list[dict[str, Any]] = []
    first_of: dict[str, str] = {}
    for entry in sorted(entries, key=lambda entry: entry.path):
        reason = _name_fault(entry) or entry.reason or _fault(entry, files, root, config, first_of)
        row = _row(entry, files.get(entry.path))
        row.update(status="set_aside" if reason else "listed", stage="catalog", reason=reason)
        if reason is None:
            row["shard"] = shard_of(entry.path, config.data.shards)
        rows.append(row)
    listed = [row for row in rows if row["status"] == "listed"]
    n_changed = _write_listings(PreparedData(catalog.parent), listed, files, root, config.data.shards)
    values = config.model_dump(mode="json", exclude={"data": {"workers", "clip_limit_s"}})
    write_table(catalog, "catalog", rows, sources=[inventory], config=values)
    n_speakers = len({row["speaker_id"] for row in listed})
    return StageResult(
        {
            "n_listed": len(listed), "n_set_aside": len(rows) - len(listed), "n_speakers": n_speakers,
            "n_changed_shards": n_changed,
        }
    )  # fmt: skip


def shard_of(clip_id: str, shards: int) -> int:
    """The shard of a clip: by its name alone, so that other clips do not move it."""
    return int(text_digest(clip_id), 16) % shards


def _write_listings(
    data: PreparedData, listed: list[dict[str, Any]], files: Mapping[str, Any], root: Path, shards: int
) -> int:
    """Write the listings that changed; returns how many."""
    parts: list[list[dict[str, Any]]] = [[] for _ in range(shards)]
    for row in listed:
        sound = row["audio_path"]
        known = files.get(sound)
        digest = (known.sha256 if known is not None else file_sha256(root / sound)) if sound else None
        parts[row["shard"]].append(
            {name: row[name] for name in ("clip_id", "path", "sha256", "audio_path")} | {"audio_sha256": digest}
        )
    n_changed = 0
    for shard, rows in enumerate(parts):
        path, table = data.shard("listing", shard), to_table("listing", rows)
        if not path.is_file() or not read_table(path, "listing").equals(table.to_pandas()):
            write_table(path, "listing", [table])
            n_changed += 1
    return n_changed


def _row(entry: ClipEntry, file: Any) -> dict[str, Any]:
    row = asdict(entry) | {"clip_id": entry.path}
    del row["given_sha256"]
    if file is not None:
        row.update(sha256=file.sha256, size_bytes=file.size_bytes, url=file.url)
    return row


def _name_fault(entry: ClipEntry) -> str | None:
    """Why a clip's name, or that of its sound, rules it out."""
    outside = [name for name in (entry.path, entry.audio_path) if name and leads_outside(name)]
    if outside:
        return f"{outside[0]!r} leads out of data.root; only what lies in it is read"
    if is_numbered_copy(entry.path):
        return "a numbered copy, as downloaders make of a file that is there already"
    return None


def _fault(entry: ClipEntry, files: Mapping[str, Any], root: Path, config: Any, first_of: dict[str, str]) -> str | None:
    """Why a clip cannot be used, as far as can be said without decoding it; `first_of` remembers each content."""
    file = files.get(entry.path)
    if file is None:
        return "listed in the manifest, but data.root holds no such clip"
    reason = content_fault(root / file.path, file.size_bytes)
    if reason:
        return reason
    if file.size_bytes > config.data.max_clip_mb * 1e6:
        return f"a file of {file.size_bytes / 1e6:.0f} MB; {config.data.max_clip_mb:g} MB at most (data.max_clip_mb)"
    if entry.audio_path and not (root / entry.audio_path).is_file():
        return f"its sound {entry.audio_path!r} is not there"
    if entry.given_sha256 and entry.given_sha256 != file.sha256:
        return f"sha256 differs from the manifest: {file.sha256[:12]}... instead of {entry.given_sha256[:12]}..."
    if entry.emotion not in config.emotions:
        return f"emotion {entry.emotion!r} is not among the config's emotions ({', '.join(config.emotions)})"
    if file.sha256 in first_of:
        return f"the same bytes as {first_of[file.sha256]!r}"
    first_of[file.sha256] = entry.path
    return None
