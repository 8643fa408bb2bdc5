"""Measurements through the workflow: what it takes to plan a corpus of MEAD's size (it must know shards, never clips),
and a small prepared corpus for others.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice, product
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

import eap
from eap.config import load_config
from eap.data.catalog import shard_of
from eap.data.layout import PreparedData
from eap.digest import text_digest
from eap.schemas import write_table
from eap.stage import StageError

N_SENTENCES = 40
"""Sentences per emotion and level, so many that 48 speakers, 7 views and 22 emotions at a level give 295,680 names."""

EMOTIONS = ("angry", "contempt", "disgusted", "fear", "happy", "sad", "surprised")
EMPTY_SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

LAUNCHER = """
import json, resource, subprocess, sys, time
started = time.perf_counter()
done = subprocess.run(sys.argv[1:], stderr=subprocess.STDOUT)
seconds = time.perf_counter() - started
json.dump([seconds, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss], sys.stderr)
sys.exit(done.returncode)
"""
"""A small process between us and Snakemake: Linux counts a parent's memory at the fork into its child's peak."""


@dataclass(frozen=True)
class Run:
    """What Snakemake printed, how long it took, and its peak resident memory (MB of 10^6 bytes)."""

    output: str
    seconds: float
    peak_rss_mb: float


def clip_paths() -> Iterator[str]:
    """Paths as MEAD names them: speaker, view, emotion, level, sentence."""
    speakers = [f"{'MW'[i % 2]}{3 + i // 2:03d}" for i in range(48)]
    views = ("front", "down", "top", "left_30", "left_60", "right_30", "right_60")
    levels = [(emotion, level) for emotion in EMOTIONS for level in (1, 2, 3)] + [("neutral", 1)]
    for speaker, view, (emotion, level), sentence in product(speakers, views, levels, range(1, N_SENTENCES + 1)):
        yield f"{speaker}/video/{view}/{emotion}/level_{level}/{sentence:03d}.mp4"


def measure(checkout: Path, n_clips: int) -> dict[str, float]:
    """Time ``snakemake -n`` where a corpus of empty files is cataloged and everything else is to do.

    Parameters
    ----------
    checkout
        Folder of the Snakefile and its presets; preset ``paper``.
    n_clips
        Files of the corpus; the walk through them is part of the plan.

    Returns
    -------
    dict
        ``seconds`` and ``peak_rss_mb`` (resident memory, MB of 10^6 bytes) of Snakemake's process, and ``jobs``.

    Raises
    ------
    StageError
        If there is no Snakefile, there are more clips than MEAD's names can tell apart, or Snakemake fails.
    """
    paths = list(islice(clip_paths(), n_clips))
    if len(paths) < n_clips:
        raise StageError(f"--clips {n_clips}: at most {len(paths)} have a name of their own")
    if not (checkout / "Snakefile").is_file():
        raise StageError(f"--checkout {checkout}: holds no Snakefile; name the folder of the workflow")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "mead")
        make_corpus(root, paths)
        write_catalog(Path(folder), checkout, paths)
        # As after a real run: the finished jobs are on record, with the digest of the files that they saw.
        snakemake(checkout, Path(folder), "--touch", "--cores", "1", "--until", "build_catalog")
        run = snakemake(checkout, Path(folder), "--dry-run")
    return {
        "seconds": run.seconds, "peak_rss_mb": run.peak_rss_mb, "jobs": planned_jobs(run.output), "n_clips": n_clips
    }  # fmt: skip


def make_corpus(root: Path, paths: list[str]) -> None:
    """Empty files."""
    for parent in {PurePosixPath(path).parent for path in paths}:
        (root / parent).mkdir(parents=True, exist_ok=True)
    for path in paths:
        (root / path).touch()


def write_catalog(folder: Path, checkout: Path, paths: list[str]) -> None:
    """Tables ``inventory`` and ``catalog`` of the corpus, each file being a content of its own."""
    shards = load_config({"preset": "paper"}, checkout / "workflow" / "presets").data.shards
    data = PreparedData(folder / "results" / "data")
    inventory = pd.DataFrame({"path": paths, "size_bytes": 0, "sha256": EMPTY_SHA256})
    write_table(data.inventory, "inventory", inventory)
    parts = [path.split("/") for path in paths]
    catalog = pd.DataFrame(
        {
            "clip_id": paths, "path": paths, "dataset": "MEAD", "speaker_id": [part[0] for part in parts],
            "split_key": [part[0] for part in parts], "emotion": [part[3] for part in parts], "labelled": True,
            "intensity_level": [part[4] for part in parts], "sentence": [part[5][:3] for part in parts],
            "sha256": [text_digest(path) for path in paths], "size_bytes": 0, "status": "listed", "stage": "catalog",
            "shard": [shard_of(path, shards) for path in paths],
        }
    )  # fmt: skip
    write_table(data.catalog, "catalog", catalog, sources=[data.inventory])
    for shard in range(shards):
        rows = catalog.loc[catalog["shard"] == shard, ["clip_id", "path", "sha256"]]
        write_table(data.shard("listing", shard), "listing", rows)


def prepare_phantom(checkout: Path, folder: Path, identities: int = 4) -> Path:
    """Render a small phantom corpus and prepare it by the workflow of preset ``demo``; the prepared folder."""
    values = {"preset": "demo", "phantom": {"identities": identities}}
    target = str(PreparedData(Path("results", "data")).splits)
    cores = str(os.cpu_count() or 1)
    snakemake(checkout, folder, target, target.replace("splits", "labels"), "--cores", cores, values=values)
    return folder / "results" / "data"


MEAD = {"preset": "paper", "data": {"dataset": "folder", "root": "mead", "manifest": None}}


def snakemake(checkout: Path, folder: Path, *arguments: str, values: Mapping[str, Any] = MEAD) -> Run:
    """Run Snakemake in `folder` with these keys of the configuration."""
    config = [f"{key}={json.dumps(value)}" for key, value in values.items()]
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(checkout.absolute() / "Snakefile")]
    done = subprocess.run(
        [sys.executable, "-c", LAUNCHER, *command, "--directory", str(folder), *arguments, "--config", *config],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(Path(eap.__file__).parents[1])},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise StageError(f"snakemake {' '.join(arguments)} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    seconds, max_rss = json.loads(done.stderr)
    return Run(done.stdout, seconds, max_rss * (1 if sys.platform == "darwin" else 1024) / 1e6)


def planned_jobs(output: str) -> int:
    """The total of Snakemake's table of jobs."""
    found = re.findall(r"^total\s+(\d+)$", output, flags=re.MULTILINE)
    return int(found[-1]) if found else 0
