"""`eap score`: pairs in parallel, then the table, the summary and the protocol."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import torch

from eap.digest import file_sha256, git_sha
from eap.evaluation.score.clip import ABSENT_FILE, Job, make_job, score_clip
from eap.evaluation.score.controls import score_controls
from eap.evaluation.score.networks import check_weights
from eap.evaluation.score.pair import Task
from eap.evaluation.score.settings import Settings, protocol
from eap.evaluation.score.summary import clip_row, summarise, unpaired_row
from eap.evaluation.score.table import one_line
from eap.files import write_text
from eap.schemas import write_table
from eap.stage import StageError

Say = Callable[[str], None]
CLIPS, SUMMARY, KEPT = "clips.parquet", "summary.json", "kept"


def score_all(
    tasks: Sequence[Task], unpaired: dict[str, str], out: Path, settings: Settings, jobs: int, say: Say, controls: bool
) -> dict[str, Any]:
    """`score_folders`, and with `controls` the controls of the references beside it, in the same summary."""
    summary = score_folders(tasks, unpaired, out, settings, jobs, say)
    if not controls:
        return summary

    def score(own: list[Task], folder: Path) -> dict[str, Any]:
        return score_folders(own, {}, folder, settings, jobs, lambda line: say(f"control {folder.name}: {line}"))

    summary |= score_controls(tasks, out, settings, score)
    write_text(out / SUMMARY, json.dumps(summary, indent=2) + "\n")
    return summary


def score_folders(
    tasks: Sequence[Task], unpaired: dict[str, str], out: Path, settings: Settings, jobs: int, say: Say
) -> dict[str, Any]:
    """Score every pair; write ``clips.parquet`` and ``summary.json`` to `out`.

    What was scored before with the same files, settings, weights and code is kept (``kept/`` in `out`).

    Parameters
    ----------
    tasks, unpaired
        From `eap.evaluation.score.pairs`.
    jobs
        Processes; 1: none but this one.
    say
        Called with a line of progress for each clip.

    Returns
    -------
    dict
        The summary, as it is written.
    """
    check_weights(settings)
    kept = out / KEPT
    digests = {path: _digest(path) for path in {p for task in tasks for p in (task.reference, task.generated)}}
    planned = [make_job(task, settings, kept, digests) for task in tasks]
    records: dict[str, dict[str, Any]] = {}
    todo = [job for job in planned if job.stale]
    say(f"{len(planned)} pairs, {len(planned) - len(todo)} of them scored before, {len(unpaired)} videos unpaired")
    first_s = 0.0
    for number, (job, record) in enumerate(_score(todo, jobs), start=1):
        records[job.task.clip_id] = record
        row = clip_row(job.task, record)
        reason = f" ({row['reason']})" if row["reason"] else ""
        if number == 1:  # starting the processes says nothing about the speed
            first_s, left = time.monotonic(), ""
        else:
            left = _left(time.monotonic() - first_s, number - 1, len(todo) - number)
        say(f"[{number}/{len(todo)}{left}] {one_line(job.task.clip_id)}: {row['status']}{reason}")
    for job in planned:
        if not job.stale:
            records[job.task.clip_id] = score_clip(job)
    rows = [clip_row(task, records[task.clip_id]) for task in tasks]
    rows += [unpaired_row(clip_id, reason) for clip_id, reason in unpaired.items()]
    summary = summarise(rows, [records[task.clip_id] for task in tasks], kept, settings)
    summary["protocol"] = protocol(settings) | {"counts": summary["counts"], "eap": git_sha()}
    told = json.dumps(summary["protocol"])
    write_table(out / CLIPS, "score_clips", rows, config=summary["protocol"], metadata={"eap.protocol": told})
    write_text(out / SUMMARY, json.dumps(summary, indent=2) + "\n")
    return summary


def _left(elapsed_s: float, done: int, rest: int) -> str:
    """The time that the rest will take at the speed so far, h:mm:ss."""
    return f", {timedelta(seconds=round(elapsed_s / done * rest))} left"


def _score(todo: list[Job], jobs: int) -> Iterator[tuple[Job, dict[str, Any]]]:
    """Each job with its record, as they finish."""
    workers = min(jobs, len(todo))
    if workers <= 1:
        yield from ((job, score_clip(job)) for job in todo)
        return
    threads = max((os.cpu_count() or 1) // workers, 1)
    # spawn: forked children would inherit the threads of ffmpeg, OpenCV and torch in an undefined state
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, initializer=partial(_limit_threads, threads)) as pool:
        pending = {pool.submit(_score_unless_stopped, job): job for job in todo}
        try:
            for done in as_completed(pending):
                yield pending[done], done.result()
        except BrokenProcessPool as error:
            raise StageError(
                "a worker process died (out of memory, or a decoder crashed); what was scored is kept: run again, with "
                "--jobs 1 to see at which clip"
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


_stopped = False
"""In a worker: whether Ctrl-C was pressed."""


def _score_unless_stopped(job: Job) -> dict[str, Any]:
    if _stopped:  # the pool has handed out a few clips in advance, which it cannot take back
        raise InterruptedError("Ctrl-C")
    return score_clip(job)


def _limit_threads(threads: int) -> None:
    """In a worker. Ctrl-C reaches it too: the clip at hand is finished and kept, no other is begun."""
    signal.signal(signal.SIGINT, _stop)
    torch.set_num_threads(threads)
    cv2.setNumThreads(1)


def _stop(*_: Any) -> None:
    global _stopped
    _stopped = True


def _digest(path: Path) -> str:
    try:
        return file_sha256(path)
    except OSError:
        return ABSENT_FILE
