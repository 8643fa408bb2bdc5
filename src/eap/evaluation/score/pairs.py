"""Which generated video belongs to which reference."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import pandas as pd

from eap.data.listing import find_files
from eap.evaluation.score.pair import Task
from eap.stage import StageError

COLUMNS = ("reference", "generated")


def pair_by_name(reference: Path, generated: Path) -> tuple[list[Task], dict[str, str]]:
    """Videos of two folders with the same path below them; suffixes may differ.

    Returns
    -------
    tasks
        One per pair, in the order of names.
    unpaired
        Why each other video has no partner, by clip id.

    Raises
    ------
    StageError
        If a folder holds no video, or there is no pair at all.
    """
    ours, theirs = _videos(reference), _videos(generated)
    tasks, unpaired = [], {}
    for stem in sorted(ours.keys() | theirs.keys()):
        references, results = ours.get(stem, []), theirs.get(stem, [])
        if len(references) == 1 and len(results) == 1:
            tasks.append(Task(stem, references[0], results[0]))
        elif references and results:
            names = ", ".join(path.name for path in references + results)
            unpaired[stem] = f"several videos of one name ({names}): say in --pairs which belong together"
        elif references:
            unpaired[stem] = f"no generated video of this name in {generated}; to score a part, give --pairs"
        else:
            unpaired[stem] = f"no reference of this name in {reference}; if names differ, give --pairs"
    if not tasks:
        raise StageError(
            f"no video of {generated} has the name of one in {reference} (path and name without suffix); "
            "say in --pairs which belong together"
        )
    return tasks, unpaired


def read_pairs(table: Path, reference: Path, generated: Path) -> list[Task]:
    """Pairs from a CSV with the columns reference, generated and, if wanted, emotion and clip_id.

    Paths are relative to the two folders. A file that is absent is the clip's fault and found when it is scored.

    Raises
    ------
    StageError
        If columns are absent, a row is incomplete, or a clip id comes twice.
    """
    try:
        rows = pd.read_csv(table, dtype=str, keep_default_na=False, skipinitialspace=True, encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise StageError(f"--pairs {table}: cannot be read ({error})") from error
    absent = [name for name in COLUMNS if name not in rows]
    if absent or rows.empty:
        raise StageError(
            f"--pairs {table}: needs rows with the columns {', '.join(COLUMNS)}; found {', '.join(rows) or 'none'}"
        )
    tasks = []
    for line, row in enumerate(rows.to_dict("records"), start=2):
        if not (row["reference"] and row["generated"]):
            raise StageError(f"--pairs {table}, line {line}: reference or generated is empty")
        clip_id = row.get("clip_id") or PurePosixPath(row["generated"]).with_suffix("").as_posix()
        emotion = row.get("emotion") or None
        tasks.append(Task(clip_id, reference / row["reference"], generated / row["generated"], emotion))
    twice = pd.Series([task.clip_id for task in tasks])
    if (again := twice[twice.duplicated()]).size:
        raise StageError(f"--pairs {table}: clip {again.iloc[0]!r} comes twice; give each row its own clip_id")
    return tasks


def _videos(folder: Path) -> Mapping[str, list[Path]]:
    """Videos below a folder by their relative path without suffix."""
    found: dict[str, list[Path]] = {}
    for path in sorted(find_files(folder, "folder")):
        found.setdefault(path.relative_to(folder).with_suffix("").as_posix(), []).append(path)
    if not found:
        raise StageError(f"{folder}: holds no video")
    return found
