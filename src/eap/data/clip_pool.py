"""Work on untrusted clips in processes of their own, each clip under a limit of time.

A decoder that hangs or crashes takes down one process and one clip, never the run.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, TimeoutError
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import forkserver
from types import TracebackType
from typing import Any, Self, TypeVar

import cv2
from pebble import ProcessExpired, ProcessPool

AHEAD = 2
"""Clips per process that are handed out before their turn (CHOSEN: no process waits, and few results wait)."""

HUGE_PAGES = f"glibc.malloc.hugetlb=1:glibc.malloc.top_pad={256 << 20}"
"""How glibc's heap is asked for huge pages, and to grow by 256 MB of addresses (not of memory) at once."""

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class ClipFault:
    """Why a clip gave no result; the reason is a sentence for people."""

    reason: str


class ClipPool:
    """Processes that start with the first clip and end with the ``with`` block.

    Parameters
    ----------
    workers
        Number of processes.
    limit_s
        Seconds of wall time for one clip; then its process is ended and another one started.
    """

    def __init__(self, workers: int, limit_s: float) -> None:
        self.workers, self.limit_s = workers, limit_s
        self._pool: ProcessPool | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._pool is not None:
            self._pool.stop()
            self._pool.join()
            self._pool = None

    def run(self, work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result | ClipFault]:
        """The result of each item, in their order; `work` is a function of a module, its argument can be pickled.

        Raises
        ------
        Exception
            What `work` raises: a fault of the code, or of the installation.
        """
        waiting: deque[Future[Any]] = deque()
        for item in items:
            if len(waiting) >= AHEAD * self.workers:
                yield self._result(waiting.popleft())
            waiting.append(self._started().schedule(work, args=(item,), timeout=self.limit_s))
        while waiting:
            yield self._result(waiting.popleft())

    def _started(self) -> ProcessPool:
        if self._pool is None:
            # forkserver: children of this process would inherit threads of ffmpeg, OpenCV and Arrow in an undefined
            # state; the server has none, and loads what its children need once for all of them.
            context = multiprocessing.get_context("forkserver")
            context.set_forkserver_preload(["eap.data.clip_frames", "eap.data.clip_landmarks", "eap.data.clip_server"])
            with _huge_pages():
                forkserver.ensure_running()
            self._pool = ProcessPool(self.workers, initializer=_single_thread, context=context)
        return self._pool

    def _result(self, future: Future[Any]) -> Any:
        try:
            return future.result()
        except TimeoutError:
            return ClipFault(f"took longer than {self.limit_s:g} s (data.clip_limit_s) and was stopped")
        except ProcessExpired as error:
            return ClipFault(f"crashed the process that read it ({_end(error.exitcode)})")


@contextmanager
def shared(pool: ClipPool | None, workers: int, limit_s: float) -> Iterator[ClipPool]:
    """The pool that is there, left running; or one of its own for the block."""
    if pool is not None:
        yield pool
        return
    with ClipPool(workers, limit_s) as own:
        yield own


@contextmanager
def _huge_pages() -> Iterator[None]:
    """Programs started inside keep their memory in pages of 2 MB, where Linux has them.

    dlib's predictor reads its 100 MB at random; with pages of 4 KB it waits for their addresses (a third of its time).
    The heap must grow by far more than a page at once: Linux gives no huge page where the heap ends within it.
    """
    if "GLIBC_TUNABLES" in os.environ:
        yield
        return
    os.environ["GLIBC_TUNABLES"] = HUGE_PAGES
    try:
        yield
    finally:
        del os.environ["GLIBC_TUNABLES"]


def _single_thread() -> None:
    cv2.setNumThreads(1)


def _end(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
