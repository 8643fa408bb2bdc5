"""How much memory the preparation of one long clip takes."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import psutil

from eap.config import Config, stage_sections
from eap.data.encode import write_video
from eap.data.layout import PreparedData
from eap.data.phantom.identity import make_identity
from eap.data.phantom.render import Renderer
from eap.data.phantom.speech import SAMPLE_RATE
from eap.data.phantom.take import act
from eap.data.phantom.truth import FPS
from eap.digest import file_sha256
from eap.schemas import read_table, write_table
from eap.stage import StageError

SAMPLED_S = 0.05
"""Memory is looked at this often."""


class Memory(NamedTuple):
    """MB of 10^6 bytes."""

    pss: float
    rss: float


def measure(config: Config, minutes: float) -> dict[str, float]:
    """Prepare a clip of many minutes with one worker process, each stage a program of its own, as the workflow does.

    Parameters
    ----------
    config
        The whole configuration; `video.max_frames` is raised to what the clip needs.
    minutes
        Its length: a phantom take, played to and fro.

    Returns
    -------
    dict
        ``peak_mb`` (MB of 10^6 bytes): the most memory, at any time, of all processes of a stage (Linux's proportional
        set size: pages that they share count once); that of each stage; and ``peak_rss_sum_mb``, the same with each
        process's resident memory in full.

    Raises
    ------
    StageError
        If a stage fails or sets the clip aside.
    """
    n_frames = round(minutes * 60 * FPS)
    video = config.video.model_copy(update={"max_frames": n_frames})
    with tempfile.TemporaryDirectory() as folder:
        root, data = Path(folder, "clips"), PreparedData(Path(folder, "data"))
        section = config.data.model_copy(update={"root": str(root), "workers": 1})
        config = config.model_copy(update={"data": section, "video": video})
        clip = write_long_clip(root / "long.mp4", config.phantom, n_frames)
        row = {"clip_id": clip.name, "path": clip.name, "sha256": file_sha256(clip)}
        write_table(data.shard("listing", 0), "listing", [row])
        started = time.perf_counter()
        peaks = {
            "frames": _stage_peak(config, data, "frames", "listing", "frames", "audio", "media"),
            "landmarks": _stage_peak(config, data, "landmarks", "frames", "media", "landmarks", "landmark_clips"),
            "mel": _stage_peak(config, data, "mel", "audio", "mel"),
        }
        seconds = time.perf_counter() - started
        for table in ("media", "landmark_clips"):
            found = read_table(data.shard(table, 0), table)
            if found.status[0] != "used":
                raise StageError(f"the clip was set aside: {found.reason[0]}")
        n_mel = len(read_table(data.shard("mel", 0), "mel", ["frame"]))
    return {
        "peak_mb": max(peak.pss for peak in peaks.values()),
        **{f"{stage}_peak_mb": peak.pss for stage, peak in peaks.items()},
        "peak_rss_sum_mb": max(peak.rss for peak in peaks.values()),
        "n_frames": n_mel,
        "minutes": minutes,
        "seconds": seconds,
    }


def write_long_clip(path: Path, phantom: Any, n_frames: int) -> Path:
    """A phantom that says one sentence forwards and backwards until so many frames are written."""
    person = make_identity(phantom.seed, 0)
    take = act(person, "happy", 2, 0, (phantom.seed, 0, 0))
    frames = list(Renderer(person, phantom.size).frames(take.performance))
    pcm16 = np.round(take.waveform * 32767).astype(np.int16)
    there_and_back = np.concatenate([pcm16, pcm16[::-1]])
    sound = np.resize(there_and_back, n_frames * (SAMPLE_RATE // FPS))
    images: Iterator[np.ndarray] = islice(cycle([*frames, *frames[::-1]]), n_frames)
    write_video(path, images, FPS, phantom.crf, sound, SAMPLE_RATE, "Rendered face, synthetic speech", "ultrafast")
    return path


def _stage_peak(config: Config, data: PreparedData, stage: str, *tables: str) -> Memory:
    """Run a stage's command, whose options are named as the tables are; the peak of its processes together."""
    named = {"landmark_clips": "clips"}
    options = [part for name in tables for part in (f"--{named.get(name, name)}", str(data.shard(name, 0)))]
    command = [sys.executable, "-m", "eap", stage, "--config", stage_sections(config, stage), *options]
    peak = Memory(0, 0)
    with tempfile.TemporaryFile() as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        while process.poll() is None:
            now = _memory(process.pid)
            peak = Memory(max(peak.pss, now.pss), max(peak.rss, now.rss))
            time.sleep(SAMPLED_S)
        if process.returncode:
            log.seek(0)
            raise StageError(f"stage {stage} failed:\n{log.read().decode(errors='replace')[-2000:]}")
    return peak


def _memory(pid: int) -> Memory:
    """Of a process and all that it started."""
    pss = rss = 0
    try:
        root = psutil.Process(pid)
        family = [root, *root.children(recursive=True)]
    except psutil.Error:
        return Memory(0, 0)
    for process in family:
        try:
            info = process.memory_full_info()
        except psutil.Error:  # it has just ended
            continue
        rss += info.rss
        pss += getattr(info, "pss", info.rss)
    return Memory(pss / 1e6, rss / 1e6)
