"""The next batch is drawn while this one is learnt from."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

Drawn = TypeVar("Drawn")


class Prefetched(Generic[Drawn]):
    """A function of the step's number that computes the next step's value ahead, in one thread.

    Values are those of the function itself, whatever the order of the steps: it must depend on its argument alone.
    """

    def __init__(self, draw: Callable[[int], Drawn]) -> None:
        self._draw = draw
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="prefetch")
        self._ahead: tuple[int, Future[Drawn]] | None = None

    def __call__(self, step: int) -> Drawn:
        ahead, self._ahead = self._ahead, None
        value = ahead[1].result() if ahead and ahead[0] == step else self._draw(step)
        self._ahead = step + 1, self._thread.submit(self._draw, step + 1)
        return value
