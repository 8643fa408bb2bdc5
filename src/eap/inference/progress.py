"""One line that says how far the work is."""

from __future__ import annotations

import time
from types import TracebackType
from typing import TextIO

EVERY_S = {True: 0.2, False: 10.0}
"""How often the line is renewed: on a terminal, and in a log, where each renewal is a line of its own."""


class ProgressLine:
    """Frames done, frames per second, time left. A context, so that the line ends when the work does."""

    def __init__(self, out: TextIO) -> None:
        self._out, self._live = out, out.isatty()
        self._began = self._shown = time.monotonic()
        self._n_first = self._width = 0

    def __enter__(self) -> ProgressLine:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: object, trace: TracebackType | None) -> None:
        if self._live and self._width:
            self._out.write("\n")

    def say(self, text: str) -> None:
        """A line of its own."""
        self._out.write(f"{text}\n")
        self._out.flush()

    def update(self, done: int, total: int) -> None:
        """Renew the line if it is time, and at the end."""
        now = time.monotonic()
        if not self._n_first:
            self._began, self._n_first = now, done
        if done < total and now - self._shown < EVERY_S[self._live]:
            return
        self._shown = now
        rate = (done - self._n_first) / (now - self._began) if now > self._began else 0.0
        left = f", {rate:.1f} frames/s, {(total - done) / rate:.0f} s left" if rate else ""
        text = f"frame {done}/{total}{left}"
        if self._live:
            self._out.write("\r" + text.ljust(self._width))
            self._width = len(text)
        else:
            self._out.write(text + "\n")
        self._out.flush()
