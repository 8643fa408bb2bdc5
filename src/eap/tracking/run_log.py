"""A run's local log: what the job says about itself, appended line by line, whether or not an MLflow server listens.

Nothing here imports MLflow, waits for a server or raises because a line could not be written: tracking neither slows a
training nor ends it. `eap.tracking.delivery` reads the lines.

A log is JSON lines. The first is the header: ``{"run": id, "experiment", "parent", "name", "start_ms", "tags",
"params"}`` of a stage, ``{"run": id, "experiment", "summary_of": name, ...}`` of an experiment's means. Then
``{"m": {name: value}, "s": step, "t": ms}``, ``{"artifact": path, "size", "mtime_ns"}``, ``{"model": {...}}``, and last
``{"end": status, "t": ms}``. Times are those of the job, so that a line sent twice is the same metric to MLflow.
"""

from __future__ import annotations

import errno
import fcntl
import json
import logging
import math
import os
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from eap.digest import git_sha, value_digest
from eap.schemas import read_table, table_digest
from eap.stage import StageResult

SUFFIX = ".jsonl"
SPREAD = ("std", "low", "high")
"""A parent's metric ``generated/lmd`` is the mean; ``generated/lmd/low`` and so on stand beside it."""

logger = logging.getLogger(__name__)


class RunLog:
    """One run's log, open for appending; `log` is what training stages take.

    Lines reach the kernel at once (a killed job loses none) but are not forced to the disk. The file is locked while
    the job lives, which tells a run that still works from one that was killed.
    """

    def __init__(self, folder: Path, kind: str, header: Mapping[str, Any]) -> None:
        self.lost = 0
        """Lines that could not be written."""
        self._file: int | None = None
        self._torn = False
        name = f"{now_ms()}-{kind}-{header['run'][:8]}{SUFFIX}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = os.open(folder / name, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o644)
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:  # without a lock (some network file systems) the run is never taken for killed
            logger.warning("tracking: %s: %s", folder / name, error.strerror)
        self._append(header)

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """Metrics of one step. NaN is kept; infinities are named, since MLflow's stores clamp them."""
        infinite = [name for name, value in metrics.items() if math.isinf(value)]
        if infinite:
            logger.warning("step %d: infinite, stored as the largest float: %s", step, ", ".join(infinite))
        self._append({"m": {name: float(value) for name, value in metrics.items()}, "s": step, "t": now_ms()})

    def finish(self, result: StageResult) -> None:
        """The stage's summary and the files that it hands over."""
        self.log(result.metrics, 0)
        for path in result.artifacts:
            self._append({"artifact": str(path.absolute()), **file_state(path)})

    def model(self, record: Mapping[str, Any]) -> None:
        """A trained model for the registry (`eap.tracking.registry`)."""
        self._append({"model": dict(record)})

    def end(self, status: str) -> None:
        """FINISHED, FAILED or KILLED; the log is closed."""
        self._append({"end": status, "t": now_ms()})
        if self._file is not None:
            os.close(self._file)
            self._file = None
        if self.lost:
            logger.warning("tracking: %d lines could not be written and will be missing in MLflow", self.lost)

    def _append(self, record: Mapping[str, Any]) -> None:
        line = json.dumps(record, ensure_ascii=False).encode("utf-8", "surrogateescape") + b"\n"
        if self._torn:
            line = b"\n" + line
        try:
            if self._file is None:
                raise OSError(errno.EBADF, "the log is not open")
            written = os.write(self._file, line)
            self._torn = written < len(line)
        except OSError as error:
            if not self.lost:
                logger.warning("tracking: a line could not be written: %s", error.strerror)
            self.lost += 1
            return
        self.lost += self._torn


@contextmanager
def stage_log(
    folder: Path,
    experiment: str,
    parent: str,
    stage: str,
    sections: BaseModel,
    inputs: Sequence[Path],
    seed: int | None,
) -> Iterator[RunLog]:
    """A log that ends FINISHED, KILLED (interrupted) or FAILED (any other exception, which is raised again).

    Parameters
    ----------
    folder
        Where logs lie; the delivery looks there.
    experiment
        MLflow's experiment.
    parent
        The configured experiment under whose run this one is nested.
    sections
        The stage's configuration: the run's parameters, flattened to ``section.key``.
    inputs
        Parquet tables whose source digests identify the data.
    seed
        None for stages without one.
    """
    values = sections.model_dump(mode="json")
    header = {
        "run": uuid.uuid4().hex,
        "experiment": experiment,
        "parent": parent,
        "name": stage if seed is None else f"{stage} seed={seed}",
        "start_ms": now_ms(),
        "tags": {
            "stage": stage,
            "seed": "none" if seed is None else str(seed),
            "git_sha": git_sha(),
            "config_digest": value_digest(values),
            "data_digest": value_digest([table_digest(path) for path in inputs]) if inputs else "none",
        },
        "params": flatten(values),
    }
    run, status = RunLog(folder, stage, header), "FAILED"
    try:
        yield run
        status = "FINISHED"
    except KeyboardInterrupt:
        status = "KILLED"
        raise
    finally:
        run.end(status)


def log_summaries(folder: Path, experiment: str, summary: Path) -> None:
    """Every configured experiment's means, standard deviations and intervals, each for its parent run.

    A mean has the name that the runs of the seeds use, ``<variant>/<metric>``; `SPREAD` is appended for the rest.
    """
    for name, rows in read_table(summary, "summary").groupby("experiment", sort=False):
        metrics = {}
        for row in rows.to_dict("records"):
            metric = f"{row['variant']}/{row['metric']}"
            values = {metric: row["mean"], **{f"{metric}/{part}": row[part] for part in SPREAD}}
            metrics |= {key: value for key, value in values.items() if not math.isnan(value)}
        header = {"run": uuid.uuid4().hex, "experiment": experiment, "summary_of": name, "start_ms": now_ms()}
        run = RunLog(folder, "summary", header)
        run.log(metrics, 0)
        run.end("FINISHED")


def flatten(values: Mapping[str, object], prefix: str = "") -> dict[str, str]:
    """Nested settings as ``section.key``: value; text as it is, everything else as JSON."""
    flat: dict[str, str] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat.update(flatten(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = value if isinstance(value, str) else json.dumps(value)
    return flat


def file_state(path: Path) -> dict[str, int]:
    """What tells whether a file is still the one that was logged."""
    stat = path.stat()
    return {"size": stat.st_size, "mtime_ns": stat.st_mtime_ns}


def now_ms() -> int:
    """MLflow's clock."""
    return int(time.time() * 1000)
