"""Training windows per second from the cache, beside what a training step consumes; and whether memory stays flat."""

from __future__ import annotations

import gc
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from eap.config import Config, load_stage, stage_sections
from eap.data.catalog import build_catalog
from eap.data.clip_store import ClipStore
from eap.data.download import list_source
from eap.data.frames import extract_frames
from eap.data.index import index_clips
from eap.data.landmarks import cache_landmarks
from eap.data.layout import PreparedData
from eap.data.mel import cache_mel
from eap.data.phantom.corpus import render_corpus
from eap.data.pseudo_labels import label_clips
from eap.data.windows import WindowSampler
from eap.schemas import read_table, write_table
from eap.seeding import seed_everything
from eap.training.ant import AntPhase
from eap.training.build import build_student
from eap.training.era import EraPhase
from eap.training.reconstruction import build_reconstruction

EPOCHS = 10
TURNS, STEPS = 5, 4
"""Turns of an epoch of windows, some steps of ANT and some of ERA, after the epochs over which memory is watched."""


def measure(config: Config, prepared: Path | None, workers: int) -> dict[str, float]:
    """Draw every training clip once per epoch, ten times; then epochs and training steps in turns.

    Parameters
    ----------
    config
        The whole configuration (preset ``demo``).
    prepared
        Folder of prepared data; None: a phantom corpus is rendered and prepared for the measurement.
    workers
        Processes that render and prepare it.

    Returns
    -------
    dict
        ``windows_per_s``: medians over the epochs, one thread, no reading ahead, no decoded frames kept; a window holds
        what a step of ANT reads, so of its frames those are decoded that are rendered.
        ``step_windows_per_s``: windows that steps consume, of ANT or of ERA, whichever takes more; the network's part
        alone, with random weights. ``rss_growth_mb``: resident memory (MB of 10^6 bytes) after the tenth epoch less
        that after the first.
    """
    with tempfile.TemporaryDirectory() as folder:
        data = PreparedData(prepared) if prepared else _prepare(config, Path(folder), workers)
        return _measure(config, data)


def _measure(config: Config, data: PreparedData) -> dict[str, float]:
    seed_everything(0, config.compute.threads)
    store = ClipStore(data, config.model.image_size, pose_shape=config.model.pose_shape)
    sampler = WindowSampler(
        store, "train", config.emotions, config.ant.frames, config.audio, config.ant.p_emotional_source,
        config.ant.neutralization, config.ant.rendered_frames,
    )  # fmt: skip
    student = build_student(config.student.channels, config.model.image_size).requires_grad_(False).eval()
    reconstruction = build_reconstruction(config, student)
    phases = {
        "ant": (AntPhase(config, reconstruction), sampler.neutral_batch, config.ant.batch_size),
        "era": (EraPhase(config, reconstruction), sampler.emotional_batch, config.era.batch_size),
    }
    batches = -(-len(sampler.ids) // config.ant.batch_size)

    def epoch(number: int) -> float:
        """Windows per second of a pass through all clips."""
        first = number * batches
        seconds = _time(lambda i: sampler.any_batch(0, first + i, config.ant.batch_size), batches)
        return batches * config.ant.batch_size / seconds

    rss: list[float] = []
    windows: list[float] = []
    for number in range(EPOCHS):
        windows.append(epoch(number))
        gc.collect()
        rss.append(psutil.Process().memory_info().rss / 1e6)
    steps: dict[str, list[float]] = {name: [] for name in phases}
    for turn in range(TURNS):
        windows.append(epoch(EPOCHS + turn))
        for name, (phase, draw, size) in phases.items():
            drawn = [draw(0, turn * STEPS + i, size) for i in range(STEPS)]
            steps[name].append(STEPS * size / _time(lambda i: phase.step(drawn[i], i), STEPS))  # noqa: B023
    consumed = {name: statistics.median(values) for name, values in steps.items()}
    return {
        "windows_per_s": statistics.median(windows),
        "step_windows_per_s": max(consumed.values()),
        "ratio": statistics.median(windows) / max(consumed.values()),
        "rss_growth_mb": rss[-1] - rss[0],
        "rss_mb": rss[-1],
        "ant_step_windows_per_s": consumed["ant"],
        "era_step_windows_per_s": consumed["era"],
        "n_clips": len(sampler.ids),
        "epochs": EPOCHS,
        "frames_per_window": config.ant.frames,
        "rendered_frames_per_window": config.ant.rendered_frames,
    }


def _time(work: Callable[[int], Any], count: int) -> float:
    started = time.perf_counter()
    for i in range(count):
        work(i)
    return time.perf_counter() - started


def _prepare(config: Config, folder: Path, workers: int) -> PreparedData:
    """A phantom corpus with all its tables; every used clip is in training."""
    root = folder / "clips"
    render_corpus(config.phantom, root, workers)
    section = config.data.model_copy(
        update={"dataset": "phantom", "root": str(root), "manifest": None, "shards": 1, "workers": workers}
    )
    config = config.model_copy(update={"data": section})
    data, shard = PreparedData(folder / "data"), PreparedData(folder / "data").shard
    stage = {
        name: load_stage(name, stage_sections(config, name))
        for name in ("download", "catalog", "frames", "landmarks", "mel", "index", "labels")
    }
    list_source(stage["download"], data.inventory)
    build_catalog(stage["catalog"], data.inventory, data.catalog)
    extract_frames(stage["frames"], shard("listing", 0), shard("frames", 0), shard("audio", 0), shard("media", 0))
    cache_landmarks(
        stage["landmarks"], shard("frames", 0), shard("media", 0), shard("landmarks", 0), shard("landmark_clips", 0)
    )
    cache_mel(stage["mel"], shard("audio", 0), shard("mel", 0))
    index_clips(stage["index"], data, data.clips)
    label_clips(stage["labels"], data, data.labels, data.shapes)
    clips = read_table(data.clips, "clips", ["clip_id", "speaker_id", "emotion", "status"])
    used = clips[clips.status == "used"].drop(columns="status")
    write_table(data.splits, "splits", used.assign(split="train"))
    return data
