"""A checkout of its own, so that tests can edit sources, and Snakemake in it as a user would run it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eap.digest import file_sha256

ROOT = Path(__file__).parents[2]
SMALL: dict[str, Any] = {
    "model": {
        "image_size": 32, "base_channels": 8, "max_channels": 16, "residual_blocks": 1, "d_model": 16,
        "d_feedforward": 16, "layers": 1, "heads": 2, "d_emotion": 8, "emotion_channels": 8,
        "discriminator_channels": 8,
    },
    "student": {"channels": 8, "steps": 3, "batch_size": 2},
    "sync": {"channels": 8, "d_embedding": 8, "steps": 3, "clips_per_batch": 2, "windows_per_clip": 2},
    "judge": {"channels": 8, "steps": 3, "batch_size": 2},
}  # fmt: skip
"""Sections of networks as small as the workflow trains them, and of a few steps of what comes before ANT."""
OF_A_RUN = {"logs", "benchmarks", "mlflow", "tracking", "checkpoints"}
"""Folders that carry times and paths."""


@dataclass(frozen=True)
class Checkout:
    """A copy of what a run reads."""

    root: Path

    def snakemake(
        self, folder: Path, *arguments: str, check: bool = True, variables: Mapping[str, str] | None = None
    ) -> str:
        """Run Snakemake with `folder` as working directory; its output, standard error included.

        `variables` are added to the environment; PATH goes before the user's own.
        """
        added = dict(variables or {})
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(self.root / "Snakefile")]
        environment = {
            **os.environ,
            "PYTHONPATH": str(self.root / "src"),
            **added,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{added.get('PATH', os.environ['PATH'])}",
        }
        done = subprocess.run(
            [*command, "--directory", str(folder), *arguments],
            cwd=folder,
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        if check:
            assert done.returncode == 0, done.stdout
        else:
            assert done.returncode != 0, done.stdout
        return done.stdout

    def planned(self, folder: Path, *arguments: str) -> dict[str, int]:
        """Jobs that a run would start, per rule, without rule `all`."""
        output = self.snakemake(folder, "--dry-run", *arguments)
        if "Nothing to be done" in output:
            return {}
        table = output.split("Job stats:")[-1].split("total")[0]
        rows = [line.split() for line in table.splitlines()]
        return {row[0]: int(row[1]) for row in rows if len(row) == 2 and row[1].isdigit() and row[0] != "all"}


def copy_checkout(root: Path) -> Checkout:
    """A checkout in an empty folder."""
    for name in ("src/eap", "workflow"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    (root / "envs").mkdir()
    for name in ("Snakefile", "config.yaml", "envs/eap.yaml"):
        shutil.copy(ROOT / name, root / name)
    return Checkout(root)


def digests(results: Path) -> dict[str, str]:
    """SHA-256 of each result, but of what carries times and paths."""
    return {
        path.relative_to(results).as_posix(): file_sha256(path)
        for path in sorted(results.rglob("*"))
        if path.is_file() and path.relative_to(results).parts[0] not in OF_A_RUN
    }
