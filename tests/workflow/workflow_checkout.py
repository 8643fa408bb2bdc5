"""A checkout of its own, so that tests can edit sources, and Snakemake in it as a user would run it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


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
