"""Controls made from the references, and metrics that cannot tell them from the recordings."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from eap.evaluation.score.controls import CONTROLS, find_flags, make_controls
from eap.evaluation.score.pair import Task
from eap.evaluation.score.run import score_all
from eap.evaluation.score.table import print_summary
from eap.evaluation.score.video import draw_frames, open_source, whole_frame
from eap.evaluation.statistics import clip_sample


def sample(values: list[float]):
    rows = [{"seed": None, "clip_id": str(i), "speaker_id": str(i), "value": v} for i, v in enumerate(values)]
    return clip_sample(pd.DataFrame(rows))


def test_controls_are_what_they_are_called(tmp_path: Path, clip, talking) -> None:
    frames, sound = talking
    one, two = clip(tmp_path / "one.mkv"), clip(tmp_path / "two.mkv", waveform=sound[::-1].copy())
    (tmp_path / "bad.mkv").write_bytes(b"no video")
    tasks = [Task(p.stem, p, p) for p in (one, two, tmp_path / "bad.mkv")]
    tasks.append(Task("again", one, two))  # a reference that serves twice has its controls once
    made = list(make_controls(tasks, tmp_path / "controls"))
    assert sorted((variant, task.clip_id) for variant, task in made) == sorted(
        (variant, name) for variant in CONTROLS for name in ("one", "two")
    )
    of_one = {variant: open_source(task.generated) for variant, task in made if task.clip_id == "one"}
    shown = {name: draw_frames(source, whole_frame((160, 160)))[0].astype(int) for name, source in of_one.items()}
    assert {len(own) for own in shown.values()} == {16}
    assert np.abs(np.diff(shown["still"], axis=0)).mean() < 1
    assert np.abs(shown["shifted"][8] - shown["real"][3]).mean() < 6 < np.abs(frames[8].astype(int) - frames[3]).max()
    correlation = {
        name: np.corrcoef(source.pcm16[640:9000], of_one["real"].pcm16[640:9000])[0, 1]
        for name, source in of_one.items()
    }
    assert min(correlation[name] for name in ("reencoded", "still", "shifted")) > 0.9
    assert abs(correlation["shuffled"]) < 0.5
    # what is there is kept
    kept = {task.generated: task.generated.stat().st_mtime_ns for _, task in made}
    assert {t.generated: t.generated.stat().st_mtime_ns for _, t in make_controls(tasks, tmp_path / "controls")} == kept


def test_what_cannot_tell_a_control_from_the_recording_is_flagged() -> None:
    good, bad = [1.0, 1.1, 0.9, 1.0, 1.2], [3.0, 3.2, 2.9, 3.1, 3.3]
    samples = {
        "real": {"lmd": sample(good), "lse_d": sample(good), "identity_cosine": sample(good)},
        "still": {"lmd": sample(bad), "lse_d": sample(bad), "identity_cosine": sample(good)},
        "shifted": {"lmd": sample(bad), "lse_d": sample(bad)},
        "shuffled": {"lmd": sample(good), "lse_d": sample(good)},
    }
    assert find_flags(samples) == {
        "lse_d": "cannot tell the recordings from its own pictures with another clip's sound"
    }


def test_the_summary_holds_the_controls_beside_the_generated(
    tmp_path: Path, clip, talking, settings, capsys: pytest.CaptureFixture
) -> None:
    from rich.console import Console

    frames = talking[0][:6]
    tasks = [Task("one", clip(tmp_path / "r.mkv", frames), clip(tmp_path / "g.mkv", frames // 2))]
    told: list[str] = []
    found = score_all(tasks, {}, tmp_path / "out", settings(), 1, told.append, controls=True)
    assert json.loads((tmp_path / "out/summary.json").read_text()) == found
    controls = found["controls"]
    assert list(controls) == ["real", "reencoded", "still", "shifted"]  # there is no other clip whose sound to take
    assert (controls["real"]["lmd"], controls["real"]["psnr"]) == (0, None)
    assert controls["reencoded"]["psnr"] > found["metrics"]["psnr"]["value"]
    assert "lmd" in found["flags"]  # one clip tells nothing apart
    assert "coverage" not in found["flags"]
    assert any(line.startswith("control still: [1/1") for line in told)
    print_summary(found, Console(width=120))
    assert "Beside controls made from the references" in capsys.readouterr().out
