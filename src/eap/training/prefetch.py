"""Batches drawn ahead by a thread, so that steps do not wait for data."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

DEPTH = 2
"""Batches drawn ahead. A batch is a pure function of its number, so this changes no result."""


class Prefetcher:
    """Calls ``draw(first) ... draw(last - 1)`` in order in one thread, `depth` batches ahead (0: when asked).

    JPEG decoding and resizing let other threads run, so a thread is enough and shares the store's cache of clips.
    """

    def __init__(self, draw: Callable[[int], Any], first: int, last: int, depth: int = DEPTH) -> None:
        self._draw, self._next, self._last, self._depth = draw, first, last, depth
        self._thread = ThreadPoolExecutor(1, "prefetch")
        self._drawn: deque[Future[Any]] = deque()
        self.waited_s = 0.0
        """Seconds for which `take` has waited."""

    def __enter__(self) -> Prefetcher:
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown(wait=True, cancel_futures=True)

    def _fill(self, count: int) -> None:
        while len(self._drawn) < count and self._next < self._last:
            self._drawn.append(self._thread.submit(self._draw, self._next))
            self._next += 1

    def take(self) -> Any:
        """The next batch; an error of `draw` is raised here."""
        self._fill(max(self._depth, 1))
        began = time.monotonic()
        batch = self._drawn.popleft().result()
        self.waited_s += time.monotonic() - began
        self._fill(self._depth)
        return batch

    def settle(self) -> None:
        """Wait until nothing is being drawn: the store serves one thread at a time."""
        wait(self._drawn)
