"""Local logs to MLflow, exactly once, in one process beside the jobs.

Exactly once, because everything that is sent twice is the same: a run is found again by the id of its log (`LOG_TAG`);
a metric is, to MLflow's stores, its run, name, step, time and value, all of which stand in the log; a parameter, an
artifact, a registered version and an end replace themselves. So a delivery that dies anywhere goes on at its cursor,
and what it sends again changes nothing (docs/adr/0031).
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# A server that is down is asked again by `follow`, not by MLflow's own retries, which wait for minutes
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")

from eap.tracking import store  # isort: skip  (it must be imported before MLflow)
from mlflow import MlflowClient
from mlflow.entities import Metric, Param
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID
from mlflow.utils.validation import MAX_METRICS_PER_BATCH, MAX_PARAM_VAL_LENGTH, MAX_PARAMS_TAGS_PER_BATCH

from eap.digest import text_digest
from eap.tracking.pending import Cursor, cursor_path, logs, read_cursor, write_cursor, writer_is_gone
from eap.tracking.registry import register
from eap.tracking.run_log import file_state

LOG_TAG = "eap.log"
"""Tag of a run: the id in its log's header."""
READ_BYTES = 1 << 20
NEVER = range(400, 500)
NOT_YET = (401, 403, 408, 429)
"""Among these, answers that may change: no access (yet), too slow, too many."""

Say = Callable[[str], None]


@dataclass(frozen=True)
class Line:
    """One record of a log."""

    record: dict[str, Any]
    end: int
    """Offset of the byte after it."""


class Delivery:
    """Sends the logs of one folder to one store.

    Parameters
    ----------
    uri
        The store, secrets filled in.
    name
        The store as it was configured: what cursors are named by.
    """

    def __init__(self, folder: Path, uri: str, name: str, say: Say) -> None:
        self.folder, self.uri, self.name, self.say = folder, uri, name, say
        self._client: MlflowClient | None = None
        self._settled: set[Path] = set()
        self._experiments: dict[str, str] = {}
        self._parents: dict[tuple[str, str], str] = {}

    @property
    def client(self) -> MlflowClient:
        """Connected at its first use."""
        if self._client is None:
            self._client = MlflowClient(self.uri, registry_uri=self.uri)
        return self._client

    def send_all(self) -> None:
        """Send what is there. A log that the store will never take is marked, with the reason, and left.

        Raises
        ------
        Exception
            Whatever the store raised when it did not answer: the cursors say how far it came.
        """
        for log in logs(self.folder):
            if log in self._settled:
                continue
            path = cursor_path(log, self.name)
            cursor = read_cursor(path)
            if cursor.done or cursor.refused is not None:
                self._settled.add(log)
                continue
            _ = self.client  # what it says against the store is no run's fault
            if log.stat().st_size == cursor.offset and not writer_is_gone(log, cursor.offset):
                continue
            try:
                self._send(log, cursor, path)
            except MlflowException as error:
                if error.get_http_status_code() not in NEVER or error.get_http_status_code() in NOT_YET:
                    raise
                cursor.refused = str(error)
                write_cursor(path, cursor)
                self.say(f"{log.name}: refused by the store: {error}")

    def _send(self, log: Path, cursor: Cursor, path: Path) -> None:
        metrics: list[Metric] = []
        last_ms = None

        def flush(end: int) -> None:
            for start in range(0, len(metrics), MAX_METRICS_PER_BATCH):
                self.client.log_batch(cursor.run_id, metrics=metrics[start : start + MAX_METRICS_PER_BATCH])
            metrics.clear()
            cursor.offset = end
            write_cursor(path, cursor)

        if cursor.run_id is None:
            header = next(read_lines(log, 0, self.say), None)
            if header is None:  # a job that was killed before its first line, or has not come to it yet
                cursor.done = writer_is_gone(log, log.stat().st_size)
                write_cursor(path, cursor)
                return
            cursor.run_id = self._open(header.record)
            flush(header.end)
        seen = cursor.offset
        for line in read_lines(log, cursor.offset, self.say):
            record, seen = line.record, line.end
            last_ms = record.get("t", last_ms)
            if "m" in record:
                metrics += [Metric(name, value, record["t"], record["s"]) for name, value in record["m"].items()]
                if len(metrics) >= MAX_METRICS_PER_BATCH:
                    flush(line.end)
                continue
            flush(cursor.offset)
            self._act(record, cursor)
            flush(line.end)
        flush(seen)
        if not cursor.done and writer_is_gone(log, log.stat().st_size):
            self._end_of_a_killed_job(log, cursor, last_ms)
            write_cursor(path, cursor)

    def _act(self, record: dict[str, Any], cursor: Cursor) -> None:
        assert cursor.run_id is not None
        if "artifact" in record:
            path = Path(record["artifact"])
            if not path.is_file() or file_state(path) != {key: record[key] for key in ("size", "mtime_ns")}:
                self.say(f"{path}: is no longer what the run made; not sent")
                return
            self.client.log_artifact(cursor.run_id, str(path))
        elif "model" in record:
            register(self.client, cursor.run_id, record["model"], self.say)
        elif "end" in record:
            self.client.set_terminated(cursor.run_id, status=record["end"], end_time=record["t"])
            cursor.done = True

    def _end_of_a_killed_job(self, log: Path, cursor: Cursor, last_ms: int | None) -> None:
        """The job is gone and said no last word."""
        if next(read_lines(log, cursor.offset, self.say), None) is not None:
            return  # it said more just now: the next round sends it
        assert cursor.run_id is not None
        self.client.set_terminated(cursor.run_id, status="KILLED", end_time=last_ms)
        cursor.done = True

    def _open(self, header: dict[str, Any]) -> str:
        """Id of the run that a log's header describes; made where it is absent."""
        experiment = header["experiment"]
        if experiment not in self._experiments:
            self._experiments[experiment] = store.initialise(self.uri, experiment)
        experiment_id = self._experiments[experiment]
        if "summary_of" in header:
            return self._parent(experiment_id, header["summary_of"])
        found = self.client.search_runs([experiment_id], f"tags.`{LOG_TAG}` = '{header['run']}'", max_results=1)
        if found:
            run_id = found[0].info.run_id
        else:
            parent = self._parent(experiment_id, header["parent"])
            tags = {**header["tags"], LOG_TAG: header["run"], MLFLOW_PARENT_RUN_ID: parent}
            made = self.client.create_run(experiment_id, header["start_ms"], tags, header["name"])
            run_id = made.info.run_id
        params = [Param(key, shorten(value)) for key, value in header["params"].items()]
        for start in range(0, len(params), MAX_PARAMS_TAGS_PER_BATCH):
            self.client.log_batch(run_id, params=params[start : start + MAX_PARAMS_TAGS_PER_BATCH])
        return run_id

    def _parent(self, experiment_id: str, name: str) -> str:
        key = (experiment_id, name)
        if key not in self._parents:
            self._parents[key] = store.parent_run(self.uri, experiment_id, name)
        return self._parents[key]


def read_lines(log: Path, offset: int, say: Say) -> Iterator[Line]:
    """The complete lines from `offset` on; one that is damaged (a full disk, a crash of the machine) is named."""
    with open(log, "rb") as file:
        file.seek(offset)
        while block := file.readlines(READ_BYTES):
            for raw in block:
                if not raw.endswith(b"\n"):
                    return  # still being written
                start, offset = offset, offset + len(raw)
                if raw == b"\n":
                    continue
                try:
                    record = json.loads(raw)
                except ValueError:
                    say(f"{log.name}: the line at byte {start} is damaged and left out")
                    continue
                yield Line(record, offset)


def follow(delivery: Delivery, alive: Callable[[], bool], every_s: float, tell: Callable[[str | None], None]) -> bool:
    """Deliver until `alive` says no, then once more. Returns whether everything is delivered.

    Parameters
    ----------
    every_s
        Pause between two rounds; it grows up to a minute while the store does not answer.
    tell
        Called with what is wrong with the store, or None when it answers.
    """
    pause_s, trouble = every_s, None
    while True:
        last = not alive()  # asked before the round, so that what was logged until then is in it
        try:
            delivery.send_all()
            found = None
        except Exception as error:  # whatever it is, tracking waits and the jobs go on
            found = f"the store does not answer: {type(error).__name__}: {str(error).partition(chr(10))[0]}"
        if found != trouble:
            delivery.say(found or "the store answers")
            tell(found)
        trouble = found
        if last:
            return trouble is None
        pause_s = every_s if trouble is None else min(2 * pause_s, 60)
        until = time.monotonic() + pause_s
        while time.monotonic() < until and alive():
            time.sleep(min(0.2, every_s))


def shorten(text: str) -> str:
    """A parameter that MLflow takes: a longer one keeps its beginning, its length and its digest."""
    if len(text) <= MAX_PARAM_VAL_LENGTH:
        return text
    tail = f"... ({len(text)} characters, digest {text_digest(text)})"
    return text[: MAX_PARAM_VAL_LENGTH - len(tail)] + tail
