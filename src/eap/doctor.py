"""`eap doctor`: what a run will need, looked at before it starts, each with the remedy."""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from eap.config import tracking_uri
from eap.urls import fill_in, mask

FREE_GB = 10
"""Less free disk is worth a warning (CHOSEN: the demo takes 0.5 GB, an environment 6.5)."""
TIMEOUT_S = 5


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at; without a remedy it is as it should be."""

    what: str
    found: str
    remedy: str | None = None
    fatal: bool = False
    """Whether the run would fail."""


def examine(config: Any, folder: Path) -> list[Finding]:
    """Everything that can be said before a run.

    Parameters
    ----------
    config
        The whole configuration.
    folder
        Where the run will work.
    """
    checks = (
        _python(), _packages(folder / "envs" / "requirements.txt"), _cores(config), _gpu(config), _disk(folder),
        _data(config, folder), *_weights(config, folder), _tracking(config, folder),
    )  # fmt: skip
    return list(checks)


def _python() -> Finding:
    found = ".".join(map(str, sys.version_info[:3]))
    old = sys.version_info < (3, 11)
    return Finding("Python", found, "make setup PYTHON=python3.11" if old else None, old)


def _packages(lock: Path) -> Finding:
    if not lock.is_file():
        return Finding("packages", f"not compared: {lock} is not there")
    locked = dict(re.findall(r"^([\w.-]+)==([^ ]+)", lock.read_text(encoding="utf-8"), flags=re.MULTILINE))
    wrong = [
        f"{name} {_version(name)} instead of {wanted}" for name, wanted in locked.items() if _version(name) != wanted
    ]
    if not wrong:
        return Finding("packages", f"all {len(locked)} as locked")
    shown = "; ".join(wrong[:3]) + (f"; and {len(wrong) - 3} more" if len(wrong) > 3 else "")
    return Finding("packages", shown, "touch envs/requirements.txt && make setup")


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "absent"


def _cores(config: Any) -> Finding:
    n_cores, wanted = len(os.sched_getaffinity(0)), config.compute.threads
    remedy = (
        None if wanted <= n_cores else f"training takes compute.threads: {wanted}; set it to {n_cores} or run elsewhere"
    )
    return Finding("cores", f"{n_cores}", remedy)


def _gpu(config: Any) -> Finding:
    import torch

    n_gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    names = ", ".join(torch.cuda.get_device_name(n) for n in range(n_gpus))
    wanted = config.compute.gpus if config.compute.device == "cuda" else 0
    remedy = None
    if n_gpus < wanted:
        remedy = (
            f"compute.device: cuda, compute.gpus: {wanted}; run where they are (a cluster's nodes may have them: "
            "--workflow-profile workflow/profiles/slurm), or set compute.device: cpu"
        )
    return Finding("GPUs", names or "none", remedy)


def _disk(folder: Path) -> Finding:
    free_gb = shutil.disk_usage(folder).free / 1e9
    remedy = None if free_gb >= FREE_GB else "make room (eap clean --older-than 30d lists what may go)"
    return Finding("free disk", f"{free_gb:.1f} GB in {folder.absolute()}", remedy)


def _data(config: Any, folder: Path) -> Finding:
    root = folder / config.data.root
    if config.data.dataset == "phantom":
        return Finding("data", "the phantom corpus, rendered by the run")
    if config.download.enabled:
        return Finding("data", f"{config.data.dataset}, downloaded by the run into {config.data.root}")
    if root.is_dir():
        return Finding("data", f"{config.data.root} is there")
    return Finding(
        "data", f"{config.data.root} is not a folder", "set data.root, or make demo CLIPS=folder", fatal=True
    )


def _weights(config: Any, folder: Path) -> Iterator[Finding]:
    if config.perceptual.weights == "imagenet":
        yield _weight("VGG19's weights", config.perceptual, "perceptual.path", folder)
    if config.labels.source == "emonet":
        yield _weight("EmoNet's weights", config.labels.emonet, "labels.emonet.path", folder)
    if "fan" in (config.landmarks.detector, config.loss.lip_estimator):
        yield _weight("FAN's weights", config.landmarks.fan, "landmarks.fan.path", folder)
    if config.ant.start_from is not None:
        path = folder / config.ant.start_from
        missing = None if path.is_file() else "ant.start_from is not a file; train it first (docs/adr/0034)"
        yield Finding("the ANT to start from", config.ant.start_from, missing, missing is not None)
    yield from _scores_weights(config, folder)


def _scores_weights(config: Any, folder: Path) -> Iterator[Finding]:
    """Weights that are named for scores are read last, after all training."""
    from eap.evaluation.weights import WEIGHTS

    for name, published in WEIGHTS.items():
        path = getattr(config.evaluation.weights, name)
        if path is not None:
            remedy = f"evaluation.weights.{name} is not a file; download {published.url}, or set it to null"
            there = (folder / path).is_file()
            yield Finding(f"{published.name}'s weights for scores", path, None if there else remedy, not there)


def _weight(what: str, settings: Any, key: str, folder: Path) -> Finding:
    from eap.data.weights import cached_weights

    path, url, cached = settings.path, settings.url, cached_weights(settings)
    if path is not None:
        there = (folder / path).is_file()
        return Finding(what, path, None if there else f"{key} is not a file; download {url}", not there)
    if cached.is_file():
        return Finding(what, str(cached))
    return Finding(what, "not there yet", f"fetched by the run from {url}; without a network set {key} to a local file")


def _tracking(config: Any, folder: Path) -> Finding:
    import requests

    uri = tracking_uri(config)
    if urlsplit(uri).scheme not in {"http", "https"}:
        return Finding("MLflow", f"{uri}: a database, opened by the run")
    try:
        answer = requests.get(f"{fill_in(uri).rstrip('/')}/health", timeout=TIMEOUT_S)
        answer.raise_for_status()
    except (requests.RequestException, ValueError) as error:
        remedy = (
            "the run goes on without it and its logs wait in results/tracking; start the server or correct "
            "tracking.uri, then `eap --tracking URI track deliver`, or set tracking.uri to null for a local database"
        )
        return Finding("MLflow", mask(f"{uri} does not answer ({error})"), remedy)
    return Finding("MLflow", f"{uri} answers")
