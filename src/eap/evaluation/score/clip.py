"""One clip's scores, kept in a small file, so that a rerun does only what is missing or changed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from safetensors.numpy import load_file, save_file

from eap.data.media import MediaError
from eap.digest import code_digest, value_digest
from eap.evaluation.score.metrics import GROUPS, Group, Measured
from eap.evaluation.score.pair import Pair, Task
from eap.evaluation.score.settings import Settings
from eap.files import atomic_path, safe_name, write_text

FORMAT_VERSION = 1
ABSENT_FILE = "absent"

FAULTS = (MediaError, av.error.FFmpegError, cv2.error, OSError, ValueError, RuntimeError, MemoryError)
"""What unforeseen material raises: the clip's fault. Faults of the code (KeyError, ...) stop the run."""


@dataclass(frozen=True)
class Job:
    """A clip and the groups of metrics that are still to be measured."""

    task: Task
    settings: Settings
    folder: Path
    keys: dict[str, str]
    """Digest of everything that each wanted group depends on."""
    stale: tuple[str, ...]


def wanted_groups(settings: Settings) -> dict[str, Group]:
    """The groups whose weights are there."""
    return {n: g for n, g in GROUPS.items() if g.weights is None or settings.weights(g.weights) is not None}


def make_job(task: Task, settings: Settings, folder: Path, digests: dict[Path, str]) -> Job:
    """What is to be done for a clip, by comparison with what is kept in `folder`.

    Parameters
    ----------
    digests
        SHA-256 of every file, or "absent".
    """
    files = [digests[task.reference], digests[task.generated]]
    keys = {name: _key(name, group, task, settings, files) for name, group in wanted_groups(settings).items()}
    kept = read_record(folder, task.clip_id)["groups"]
    stale = tuple(name for name, key in keys.items() if kept.get(name, {}).get("key") != key)
    return Job(task, settings, folder, keys, stale)


def score_clip(job: Job) -> dict[str, Any]:
    """Measure the stale groups, keep them, and return the clip's whole record; a bad clip never raises."""
    record = read_record(job.folder, job.task.clip_id)
    record["groups"] = {n: kept for n, kept in record["groups"].items() if n in job.keys}
    if job.stale:
        try:
            pair = Pair(job.task, job.settings)
            record["facts"] = _facts(pair)
        except FAULTS as error:
            fault = _message(error)
            record["groups"] |= {name: {"key": job.keys[name], "fault": fault} for name in job.stale}
        else:
            for name in job.stale:
                record["groups"][name] = {"key": job.keys[name], **_measure(name, pair, job)}
        write_text(_path(job.folder, job.task.clip_id, ".json"), json.dumps(record, indent=1) + "\n")
    return record


def read_record(folder: Path, clip_id: str) -> dict[str, Any]:
    """What is kept of a clip; an empty record if nothing is, or what is there is not ours."""
    empty: dict[str, Any] = {"clip_id": clip_id, "facts": {}, "groups": {}}
    try:
        record = json.loads(_path(folder, clip_id, ".json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return empty
    return record if isinstance(record, dict) and record.keys() == empty.keys() else empty


def read_arrays(folder: Path, clip_id: str, group: str) -> dict[str, np.ndarray]:
    """Arrays that a group kept of a clip."""
    return load_file(_path(folder, clip_id, f".{group}.safetensors"))


def _measure(name: str, pair: Pair, job: Job) -> dict[str, Any]:
    try:
        measured: Measured = import_module(GROUPS[name].module).measure(pair)
    except FAULTS as error:
        return {"fault": _message(error)}
    if measured.arrays:
        with atomic_path(_path(job.folder, job.task.clip_id, f".{name}.safetensors")) as temporary:
            save_file({key: np.ascontiguousarray(value) for key, value in measured.arrays.items()}, temporary)
    values = {metric: value if np.isfinite(value) else None for metric, value in measured.values.items()}
    return {"values": values, "reasons": measured.reasons, "facts": measured.facts}


def _facts(pair: Pair) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    for side, source in (("reference", pair.reference), ("generated", pair.generated)):
        width, height = source.size
        facts |= {f"{side}_frames": len(source), f"{side}_fps": source.timeline.fps}
        facts |= {f"{side}_width_px": width, f"{side}_height_px": height}
    return facts


def _key(name: str, group: Group, task: Task, settings: Settings, files: list[str]) -> str:
    """Digest of a group's files, settings, weights and code."""
    given = settings.weights(group.weights) if group.weights else None
    chosen: list[Any] = [settings.crop] if name != "sync" else [settings.sync_protocol, settings.voice]
    if name == "sync" and settings.sync_protocol == "track":
        chosen.append(settings.min_track)
    if name == "emotion":
        chosen.append(task.emotion)
    return value_digest([FORMAT_VERSION, name, files, chosen, given and given.sha256, _code(group.module)])


@cache
def _code(module: str) -> str:
    return code_digest(module)


def _path(folder: Path, clip_id: str, suffix: str) -> Path:
    return folder / (safe_name(clip_id) + suffix)


def _message(error: Exception) -> str:
    return str(error) if isinstance(error, MediaError) else f"{type(error).__name__}: {error}"
