"""`eap.progress`: counts, time left, and how a failed job's log ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from eap.progress import TAIL_LINES, Progress, duration, last_lines


def test_each_stage_says_how_far_it_is_and_how_long_it_will_take() -> None:
    clock = [0.0]
    progress = Progress(lambda: clock[0])
    progress.plan({"frames": 4, "train": 1, "all": 1, "total": 6})
    for job in range(4):
        progress.describe(job, "frames")
    progress.describe(4, "train")
    progress.start([0, 1])
    clock[0] = 120
    # 3 to go, 120 s each, two at once (the other one still runs)
    assert progress.finish(0) == "frames: 1 of 4 done, about 3 min left"
    progress.start([2])
    clock[0] = 240
    # that one took 240 s: 2 to go, 180 s each, two at once
    assert progress.finish(1) == "frames: 2 of 4 done, about 3 min left"
    progress.start([3])
    clock[0] = 480
    # and that one 360 s: 1 to go, 240 s
    assert progress.finish(2) == "frames: 3 of 4 done, about 4 min left"
    assert progress.finish(3) == "frames: 4 of 4 done"
    progress.start([4])
    assert progress.finish(4) == "train: 1 of 1 done"
    assert progress.finish(99) is None


def test_rule_all_has_no_line() -> None:
    progress = Progress()
    progress.plan({"all": 1, "total": 1})
    progress.describe(0, "all")
    assert progress.finish(0) is None


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(45, "45 s"), (119, "119 s"), (120, "2 min"), (7200, "2.0 h"), (12_600, "3.5 h"), (181_440, "2.1 days")],
)
def test_durations_are_rounded_for_people(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_failed_job_shows_the_end_of_its_log_and_where_it_lies(tmp_path: Path) -> None:
    log = tmp_path / "train ant.log"
    log.write_text("".join(f"line {n}\n" for n in range(1000)) + "error: no answer (https://ann:s3cret@host)\n")
    shown = last_lines("train_ant", [str(log)])
    assert shown.startswith(f"FAILED: train_ant\nthe last lines of its log {log}:\n    line 981\n")
    assert shown.endswith("line 999\n    error: no answer (https://***@host)")
    assert len(shown.splitlines()) == 2 + TAIL_LINES


def test_an_empty_an_absent_and_a_binary_log_are_no_fault(tmp_path: Path) -> None:
    (tmp_path / "empty.log").touch()
    (tmp_path / "binary.log").write_bytes(b"\xff\xfe bytes")
    shown = last_lines("mel", [str(tmp_path / name) for name in ("empty.log", "absent.log", "binary.log")])
    assert "empty.log is empty" in shown
    assert "absent.log was not written" in shown
    assert "bytes" in shown
