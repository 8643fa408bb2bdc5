"""`eap clean`: what old runs left behind and nothing needs, and how much disk the results take.

Tables, models, histories, scores, videos, times and MLflow's store are what the report and registered models are made
from: they are never candidates, however old. Candidates are logs, what killed jobs left half-written, and checkpoints
of trainings whose model is there.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from eap.schemas import TableError, TableFile
from eap.stage import StageError

HALF_WRITTEN = re.compile(r"\..+\.[0-9a-f]{32}(\.\w+)?")
"""Names of `eap.files.atomic_path`."""
CURSOR = ".cursor"
"""Suffix of `eap.tracking.pending`'s files, which say how far a run is delivered."""
UNITS_S = {"h": 3600, "d": 86400, "w": 7 * 86400}


@dataclass(frozen=True)
class Leftover:
    """A file that may go."""

    path: Path
    reason: str
    size_bytes: int
    age_s: float


def parse_age(text: str) -> float:
    """Seconds of ``12h``, ``30d`` or ``4w``.

    Raises
    ------
    StageError
        If it is none of these.
    """
    found = re.fullmatch(r"([1-9]\d*)([hdw])", text.strip())
    if not found:
        raise StageError(f"--older-than {text!r}: write a number and h, d or w, e.g. 30d")
    return int(found[1]) * UNITS_S[found[2]]


def find_leftovers(folder: Path, older_than_s: float, now_s: float | None = None) -> list[Leftover]:
    """Files below a working directory that nothing needs and that are old enough, sorted by path.

    Parameters
    ----------
    folder
        The workflow's working directory (it holds ``results``).

    Raises
    ------
    StageError
        If it holds no results.
    """
    results = folder / "results"
    if not results.is_dir():
        raise StageError(f"{folder}: holds no folder `results`; name the workflow's working directory (--directory)")
    now_s = time.time() if now_s is None else now_s
    found = {}
    for path, reason in _candidates(folder, results):
        if path.is_symlink() or not path.is_file():
            continue
        stat = path.stat()
        if now_s - stat.st_mtime >= older_than_s:
            found[path] = Leftover(path, reason, stat.st_size, now_s - stat.st_mtime)
    return [found[path] for path in sorted(found)]


def _candidates(folder: Path, results: Path) -> Iterator[tuple[Path, str]]:
    for logs in (results / "logs", folder / ".snakemake" / "log", folder / ".snakemake" / "slurm_logs"):
        yield from ((path, "a log") for path in logs.rglob("*.log"))
    for path in results.rglob(".*"):
        if HALF_WRITTEN.fullmatch(path.name) and "mlflow" not in path.relative_to(results).parts[:1]:
            yield path, "half-written by a job that was killed"
    for log in (results / "tracking").glob("*.jsonl"):
        cursors = list(log.parent.glob(f"{log.stem}.*{CURSOR}"))
        if cursors and all(_is_done(cursor) for cursor in cursors):  # one for each store
            yield from ((path, "delivered to MLflow") for path in (log, *cursors))
    checkpoints = results / "checkpoints"
    for path in checkpoints.rglob("*.pt"):
        model = results / path.parent.relative_to(checkpoints) / "model.safetensors"
        if model.is_file() and model.stat().st_mtime >= path.stat().st_mtime:
            yield path, f"a checkpoint of a finished training ({model.relative_to(results)} is there)"


def _is_done(cursor: Path) -> bool:
    try:
        return bool(json.loads(cursor.read_text(encoding="utf-8"))["done"])
    except (OSError, ValueError, KeyError):
        return False


def disk_use(results: Path, without: Collection[str] = ()) -> dict[str, int]:
    """Bytes below each folder of the results, and below each of ``data*``, largest first; some may be left out."""
    sizes: dict[str, int] = {}
    for path in results.rglob("*"):
        parts = path.relative_to(results).parts
        if parts[0] not in without and path.is_file() and not path.is_symlink():
            name = "/".join(parts[:2] if parts[0].startswith("data") and len(parts) > 2 else parts[:1])
            sizes[name] = sizes.get(name, 0) + path.stat().st_size
    return dict(sorted(sizes.items(), key=lambda item: (-item[1], item[0])))


def find_damage(results: Path) -> Iterator[tuple[Path, str]]:
    """Tables of which a page is not what was written, or that are cut short, with what is wrong; reads all of them."""
    for path in sorted(results.rglob("*.parquet")):
        if path.name.startswith(".") or path.relative_to(results).parts[0] == "mlflow":
            continue
        try:
            file = TableFile(path)
            for group in range(file.num_row_groups):
                file.read_row_group(group)
        except TableError as error:
            yield path, str(error.__cause__ or error).splitlines()[0]
