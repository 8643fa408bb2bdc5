"""What a person wants to know of a running workflow: how far each stage is, and why a job failed."""

from __future__ import annotations

import shutil
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from eap.urls import mask

TAIL_LINES = 20
TAIL_BYTES = 16_384
FULL_BYTES = 1_000_000
"""Less free disk is none: not even a log can be written."""


class Progress:
    """Counts the jobs of each stage and judges the time left from those that are done.

    Parameters
    ----------
    now
        A clock, seconds.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._planned: Counter[str] = Counter()
        self._rule_of: dict[int, str] = {}
        self._began: dict[int, float] = {}
        self._took_s: dict[str, list[float]] = defaultdict(list)

    def plan(self, jobs: Mapping[str, int]) -> None:
        """How many jobs each rule has; Snakemake's `total` is left out."""
        self._planned.update({rule: count for rule, count in jobs.items() if rule != "total"})

    def describe(self, job: int, rule: str) -> None:
        """Which rule a job belongs to."""
        self._rule_of[job] = rule

    def start(self, jobs: Iterable[int]) -> None:
        """Jobs begin, or are submitted."""
        now = self._now()
        self._began.update(dict.fromkeys(jobs, now))

    def finish(self, job: int) -> str | None:
        """A job is done: the line that says how far its stage is; None for a job of no stage."""
        rule = self._rule_of.get(job)
        if rule is None or self._planned[rule] == 0 or rule == "all":
            return None
        took = self._took_s[rule]
        took.append(self._now() - self._began.pop(job, self._now()))
        done, planned = len(took), max(self._planned[rule], len(took))
        line = f"{rule}: {done} of {planned} done"
        if done == planned:
            return line
        at_once = 1 + sum(self._rule_of.get(other) == rule for other in self._began)
        left_s = sum(took) / done * (planned - done) / min(at_once, planned - done)
        return f"{line}, about {duration(left_s)} left"


def duration(seconds: float) -> str:
    """45 s, 12 min, 3.5 h, 2.1 days."""
    for unit, size, limit in (("s", 1, 120), ("min", 60, 120), ("h", 3600, 48)):
        if seconds < limit * size:
            value = seconds / size
            return f"{value:.1f} {unit}" if unit == "h" else f"{value:.0f} {unit}"
    return f"{seconds / 86400:.1f} days"


def last_lines(rule: str, logs: Iterable[str]) -> str:
    """That a job failed, where its logs are, and how each ends."""
    parts = [f"FAILED: {rule}"]
    for log in logs:
        path = Path(log)
        if not path.is_file():
            parts.append(f"its log {log} was not written: the job did not start, or was killed before it began")
            continue
        with open(path, "rb") as file:
            file.seek(max(0, path.stat().st_size - TAIL_BYTES))
            lines = file.read().decode("utf-8", errors="replace").splitlines()[-TAIL_LINES:]
        shown = mask("\n".join(f"    {line}" for line in lines))
        parts.append(f"the last lines of its log {log}:\n{shown}" if lines else f"its log {log} is empty")
        if shutil.disk_usage(path.parent).free < FULL_BYTES:
            parts.append(f"the disk that holds {log} is full: make room (eap clean lists what may go), then run again")
    return "\n".join(parts)
