"""Snakemake's logger plugin `eap`: one line per stage with the time left, and the last lines of a failed job's log.

Snakemake finds it by this package's name; the profiles ask for it (``logger: eap``). What is said is up to
`eap.progress`. It adds to Snakemake's own output.
"""

from __future__ import annotations

import sys
from logging import LogRecord

from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

from eap.progress import Progress, last_lines


class LogHandler(LogHandlerBase):
    """Turns Snakemake's events into lines on standard error."""

    writes_to_stream = False  # not instead of Snakemake's own output
    writes_to_file = False
    has_filter = True
    has_formatter = True
    needs_rulegraph = False

    def __post_init__(self) -> None:
        self._progress = Progress()

    def emit(self, record: LogRecord) -> None:
        """Say what an event means for a person; most events mean nothing."""
        if self.common_settings.dryrun:
            return
        event = getattr(record, "event", None)
        if event == LogEvent.RUN_INFO:
            self._progress.plan(record.stats)
        elif event == LogEvent.JOB_INFO:
            self._progress.describe(record.jobid, record.rule_name)
        elif event == LogEvent.JOB_STARTED:
            self._progress.start(record.jobs)
        elif event == LogEvent.JOB_FINISHED:
            self._say(self._progress.finish(record.job_id))
        elif event == LogEvent.JOB_ERROR:
            self._say(last_lines(record.rule_name, record.log))

    def _say(self, text: str | None) -> None:
        if text:
            # One write, on a line of its own: Snakemake's thread writes a line and its end one after the other
            sys.stderr.write(f"\n{text}\n")
            sys.stderr.flush()
