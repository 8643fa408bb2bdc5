"""The progress line, on a terminal and in a log."""

from __future__ import annotations

import io

import pytest

from eap.inference import progress
from eap.inference.progress import ProgressLine


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_rate_and_time_left(clock):
    out = Terminal()
    with ProgressLine(out) as line:
        line.say("note: hello")
        for done in (10, 20, 40):
            clock[0] += 1
            line.update(done, 60)
    last = out.getvalue().split("\r")[-1]
    assert out.getvalue().startswith("note: hello\n")
    assert last == "frame 40/60, 15.0 frames/s, 1 s left\n"  # 30 frames in the 2 s since the first call


def test_a_log_gets_few_lines_and_always_the_last(clock):
    out = io.StringIO()
    with ProgressLine(out) as line:
        for done in range(1, 301):
            clock[0] += 0.1
            line.update(done, 300)
    lines = out.getvalue().splitlines()
    assert 3 <= len(lines) <= 5
    assert lines[-1].startswith("frame 300/300, 10.0 frames/s")
    assert "\r" not in out.getvalue()
