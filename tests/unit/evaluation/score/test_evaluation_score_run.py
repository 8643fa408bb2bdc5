"""`eap score` on two folders of odd videos: each is scored or has a reason; a rerun does only what changed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
from emonet_weights import random_state, save_published
from torchvision.models import alexnet
from typer.testing import CliRunner

from eap.cli import app
from eap.evaluation.score import run
from eap.evaluation.score.clip import make_job, read_record, score_clip
from eap.evaluation.score.networks import check_weights
from eap.evaluation.score.pair import Task
from eap.evaluation.score.run import score_folders
from eap.evaluation.score.settings import find_weights
from eap.schemas import read_table
from eap.stage import StageError


def _score(folder: Path, *options: str):
    arguments = ["score", "--reference", folder / "r", "--generated", folder / "g", "--out", folder / "out"]
    return CliRunner().invoke(app, [*map(str, arguments), "--jobs", "1", *options])


@pytest.fixture
def silent() -> Callable[[str], None]:
    return lambda line: None


ODD = "-rf; touch pwned $(touch pwned) `touch pwned` 'one' \"two\" line\nbreak <script> {clip} %s * ünï 😀"
"""A name that some shell, table, pattern or message could stumble over."""


def test_odd_videos_are_scored_or_have_a_reason(tmp_path: Path, clip, talking, syncnet_file: Path) -> None:
    frames, _ = talking
    noisy = np.clip(frames + np.random.default_rng(0).normal(0, 5, frames.shape), 0, 255).astype(np.uint8)
    for name in (ODD, "fps50", "mute", "empty", "faceless", "wide", "long", "lost"):
        clip(tmp_path / f"r/{name}.mkv")
    clip(tmp_path / f"g/{ODD}.mp4", noisy)
    clip(tmp_path / "g/fps50.mkv", np.repeat(noisy, 2, axis=0), fps=50)
    clip(tmp_path / "g/mute.mkv", noisy, silent=True)
    (tmp_path / "g/empty.mp4").touch()
    clip(tmp_path / "g/faceless.mkv", np.full_like(frames, 90))
    clip(tmp_path / "g/wide.mkv", noisy[:, :120])
    clip(tmp_path / "g/long.mkv", np.repeat(noisy, 3, axis=0), silent=True)
    done = _score(tmp_path, "--syncnet-weights", str(syncnet_file))
    assert done.exit_code == 3, done.output
    rows = read_table(tmp_path / "out/clips.parquet", "score_clips").set_index("clip_id")
    expected = {
        ODD: ("scored", None),
        "fps50": ("scored", None),
        "mute": ("partial", "sync: generated: no audio stream"),
        "empty": ("failed", "generated: the file is empty (0 bytes)"),
        "faceless": ("partial", "generated: no face was found in any of 16 frames"),
        "wide": ("partial", "aspect ratios differ: reference 160 x 160 px, generated 160 x 120 px"),
        "long": ("failed", "lengths differ: 16 frames in the reference, 48 in the generated video"),
        "lost": ("failed", "no generated video of this name"),
    }
    assert set(rows.index) == set(expected)
    for name, (status, reason) in expected.items():
        assert rows.status[name] == status, (name, rows.reason[name])
        assert pd.isna(rows.reason[name]) if reason is None else reason in rows.reason[name]
    assert rows.lmd[ODD] < 3
    assert rows.psnr[ODD] == pytest.approx(rows.psnr["mute"], abs=3)
    assert rows.lse_d[ODD] > 0
    assert rows.sync_windows[ODD] == 11
    assert np.isnan(rows.lse_d["mute"])
    assert rows.generated_fps["fps50"] == pytest.approx(50)
    summary = json.loads((tmp_path / "out/summary.json").read_text())
    assert summary["counts"] == {"clips": 8, "scored": 2, "partial": 3, "failed": 3}
    assert set(summary["failed"]) == set(expected) - {ODD, "fps50"}
    assert summary["absent"]["fid"].startswith("no weights of torch-fidelity's Inception")
    assert "fid" not in summary["metrics"]
    assert summary["metrics"]["lmd"]["n"] == 3
    # the protocol stands in every file and names the weights
    told = json.loads(pq.read_schema(tmp_path / "out/clips.parquet").metadata[b"eap.protocol"])
    assert told == summary["protocol"]
    assert told["counts"] == summary["counts"]
    assert told["weights"]["syncnet"]["published"] is False
    assert "syncnet weights are not the published file" in done.output.replace("\n", " ")
    assert not [*tmp_path.rglob("pwned*"), *Path().glob("pwned*")]


def test_a_rerun_scores_only_what_changed(tmp_path: Path, clip, talking, settings, silent) -> None:
    tasks = [
        Task(name, clip(tmp_path / f"r/{name}.mkv"), clip(tmp_path / f"g/{name}.mp4")) for name in ("one", "a b/two")
    ]
    told: list[str] = []
    first = score_folders(tasks, {}, tmp_path / "out", settings(), 1, told.append)
    assert first["counts"] == {"clips": 2, "scored": 2, "partial": 0, "failed": 0}
    assert "[2/2, 0:00:00 left]" in told[-1]
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "out/kept").iterdir()}
    assert score_folders(tasks, {}, tmp_path / "out", settings(), 1, told.append) == first
    assert told[-1] == "2 pairs, 2 of them scored before, 0 videos unpaired"
    clip(tasks[0].generated, np.ascontiguousarray(talking[0][:, :, ::-1]))
    changed = score_folders(tasks, {}, tmp_path / "out", settings(), 1, told.append)
    assert told[-1].startswith("[1/1] one: scored")
    assert changed["metrics"]["lmd"]["value"] > first["metrics"]["lmd"]["value"] + 0.2
    touched = [p.name for p, then in kept.items() if p.stat().st_mtime_ns != then]
    assert touched == ["one.json"]


def test_two_processes_score_as_one_does(tmp_path: Path, clip, talking, settings, silent) -> None:
    tasks = [
        Task(name, clip(tmp_path / f"r/{name}.mkv", talking[0][:8]), clip(tmp_path / f"g/{name}.mkv", frames))
        for name, frames in (("one", talking[0][:8] // 2), ("two", talking[0][8:]))
    ]
    (tmp_path / "g/three.mkv").write_bytes(b"no video")
    tasks.append(Task("three", tasks[0].reference, tmp_path / "g/three.mkv"))
    told: list[str] = []
    alone = score_folders(tasks, {}, tmp_path / "alone", settings(), 1, silent)
    together = score_folders(tasks, {}, tmp_path / "together", settings(), 2, told.append)
    assert together == alone
    assert together["counts"] == {"clips": 3, "scored": 2, "partial": 0, "failed": 1}
    assert sorted(line.split()[0] for line in told[1:]) == ["[1/3]", "[2/3,", "[3/3,"]
    files = [read_table(tmp_path / name / "clips.parquet", "score_clips") for name in ("alone", "together")]
    pd.testing.assert_frame_equal(*files)


def test_the_exit_code_says_whether_anything_failed(tmp_path: Path, clip, talking) -> None:
    for folder in ("r", "g"):
        clip(tmp_path / folder / "one.mkv", talking[0][:6])
    assert _score(tmp_path).exit_code == 0
    clip(tmp_path / "r" / "two.mkv", talking[0][:6])
    assert _score(tmp_path).exit_code == 3  # a reference without a generated video
    assert _score(tmp_path, "--min-track", "3").exit_code == 2
    (tmp_path / "g/one.mkv").unlink()
    done = _score(tmp_path)
    assert isinstance(done.exception, StageError)  # which `eap` turns into one message and exit code 1
    assert "holds no video" in str(done.exception)


def test_what_was_scored_before_an_interruption_is_kept(
    tmp_path: Path, clip, talking, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a/one.mkv", "a/two.mkv", "b/three.mkv"):
        clip(tmp_path / "r" / name, talking[0][:4])
        clip(tmp_path / "g" / name, talking[0][4:8])

    def interrupted(job):
        if job.task.clip_id == "a/two":
            raise KeyboardInterrupt
        return score_clip(job)

    with monkeypatch.context() as patch:
        patch.setattr(run, "score_clip", interrupted)
        done = _score(tmp_path)
    assert done.exit_code == 130
    assert f"what was scored is kept in {tmp_path}/out: the same command goes on from there" in done.output
    assert not (tmp_path / "out/summary.json").exists()
    again = _score(tmp_path)
    assert again.exit_code == 0
    assert "3 pairs, 1 of them scored before, 0 videos unpaired" in again.output


def test_silence_and_two_faces_are_no_scores(tmp_path: Path, clip, talking, settings, syncnet_file) -> None:
    frames = talking[0][:8]
    given = find_weights("syncnet", syncnet_file)
    quiet = clip(tmp_path / "quiet.mkv", frames, np.zeros(8 * 640, np.float32))
    task = Task("quiet", clip(tmp_path / "r.mkv", frames), quiet)
    groups = score_clip(make_job(task, settings(syncnet=given), tmp_path, {task.reference: "1", quiet: "2"}))["groups"]
    assert groups["sync"]["fault"] == "generated: the sound is silence; lips cannot be in time with it"
    empty = np.full_like(frames, 127)
    left, right = (np.concatenate(halves, axis=2) for halves in ((frames, empty), (empty, frames)))
    task = Task("apart", clip(tmp_path / "left.mkv", left), clip(tmp_path / "right.mkv", right))
    groups = score_clip(make_job(task, settings(), tmp_path, {task.reference: "1", task.generated: "2"}))["groups"]
    assert re.match(r"in [5-8] of 8 frames the two faces lie more than a face's width apart", groups["lips"]["fault"])
    assert "fault" in groups["identity"]
    assert "fault" not in groups["image"]


def test_new_weights_add_their_metrics_and_leave_the_others(tmp_path: Path, clip, settings, syncnet_file) -> None:
    task = Task("one", clip(tmp_path / "r.mkv"), clip(tmp_path / "g.mkv"))
    digests = {task.reference: "1", task.generated: "2"}
    assert make_job(task, settings(), tmp_path, digests).stale == ("lips", "image", "identity")
    score_clip(make_job(task, settings(), tmp_path, digests))
    more = settings(syncnet=find_weights("syncnet", syncnet_file))
    assert make_job(task, more, tmp_path, digests).stale == ("sync",)
    # another crop concerns pictures, another protocol of sync concerns sync
    assert make_job(task, settings(crop="face"), tmp_path, digests).stale == ("lips", "image", "identity")
    assert make_job(task, settings(sync_protocol="track"), tmp_path, digests).stale == ()
    (tmp_path / "one.json").write_text("{ torn")
    assert read_record(tmp_path, "one")["groups"] == {}


def test_every_network_scores_a_clip(tmp_path: Path, clip, talking, settings, silent) -> None:
    torch.manual_seed(0)
    torch.save(alexnet(weights=None).state_dict(), tmp_path / "alexnet.pth")
    save_published(random_state(), tmp_path / "emonet.pth")
    chosen = settings(
        lpips=find_weights("lpips", tmp_path / "alexnet.pth"), emonet=find_weights("emonet", tmp_path / "emonet.pth")
    )
    frames = talking[0][:3]
    tasks = [Task("one", clip(tmp_path / "r.mkv", frames), clip(tmp_path / "g.mkv", frames // 2), "happy")]
    found = score_folders(tasks, {}, tmp_path / "out", chosen, 1, silent)
    assert found["failed"] == {}
    metrics = found["metrics"]
    assert metrics["lpips"]["value"] > 0
    assert metrics["rmse_intensity"]["n"] == 3
    assert metrics["rmse_intensity"]["aggregation"] == "over all frames"
    assert metrics["emotion_accuracy"]["value"] in (0, 1)
    row = read_table(tmp_path / "out/clips.parquet", "score_clips").iloc[0]
    # one clip: pooled over all frames is the clip's own
    assert row.rmse_intensity == pytest.approx(metrics["rmse_intensity"]["value"])
    assert row.emotion == "happy"


def test_wrong_weights_are_one_message(tmp_path: Path, settings) -> None:
    torch.save({"fc.weight": torch.zeros(2)}, tmp_path / "x.pth")
    for kind in ("syncnet", "emonet", "lpips", "inception"):
        with pytest.raises(StageError, match=rf"--{kind}-weights .*x\.pth: .*wanted is http"):
            check_weights(settings(**{kind: find_weights(kind, tmp_path / "x.pth")}))
    (tmp_path / "x.pth").write_bytes(b"garbage")
    with pytest.raises(StageError, match="not a file of weights"):
        check_weights(settings(syncnet=find_weights("syncnet", tmp_path / "x.pth")))


def test_a_face_track_scores_a_short_clip_and_says_where(tmp_path: Path, clip, settings, syncnet_file) -> None:
    given = find_weights("syncnet", syncnet_file)
    task = Task("one", clip(tmp_path / "r.mkv"), clip(tmp_path / "g.mkv"))
    files = {task.reference: "1", task.generated: "2"}
    row = score_clip(make_job(task, settings(sync_protocol="track", syncnet=given), tmp_path, files))["groups"]["sync"]
    assert row["facts"] == {"sync_start": 0, "sync_windows": 11}
    assert row["values"]["lse_d"] > 0
    strict = settings(sync_protocol="track", min_track=17, syncnet=given)
    row = score_clip(make_job(task, strict, tmp_path, files))["groups"]["sync"]
    assert row["fault"] == "no face track of 17 frames (--min-track): a face in 16 of 16 frames"


def test_faces_that_are_cut_differently_are_compared_by_their_crops(tmp_path: Path, clip, talking, settings) -> None:
    frames = talking[0]
    wide = np.pad(frames, ((0, 0), (20, 20), (60, 60), (0, 0)), mode="edge")
    task = Task("one", clip(tmp_path / "r.mkv"), clip(tmp_path / "g.mkv", wide))
    files = {task.reference: "1", task.generated: "2"}
    record = score_clip(make_job(task, settings(crop="face"), tmp_path, files))
    assert "fault" not in record["groups"]["lips"]
    assert record["groups"]["lips"]["values"]["lmd"] < 5
