"""Profiles take effect by their full path; Snakemake ignores a wrong one in silence, so each use is checked."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from workflow_checkout import ROOT, Checkout


def test_local_profile_takes_effect(checkout: Checkout, tmp_path: Path) -> None:
    """`printshellcmds` shows; without the profile it does not."""
    profile = checkout.root / "workflow" / "profiles" / "local"
    output = checkout.snakemake(tmp_path, "--dry-run", "download_data", "--workflow-profile", str(profile))
    assert "for setting default command line arguments" in output
    assert "python -m eap" in output
    assert "python -m eap" not in checkout.snakemake(tmp_path, "--dry-run", "download_data")


def test_slurm_profile_takes_effect(checkout: Checkout, tmp_path: Path) -> None:
    """Every key is known to Snakemake and the plugin (an unknown one is an error), and the defaults reach jobs."""
    profile = checkout.root / "workflow" / "profiles" / "slurm"
    cuda = ("--config", "compute={device: cuda, threads: 1}")
    output = checkout.snakemake(tmp_path, "--dry-run", "--workflow-profile", str(profile), *cuda)
    assert "for setting default command line arguments" in output
    rule_all = output.split("rule all:")[-1].split("Job stats")[0]
    assert "mem_mb=4000" in rule_all
    assert "runtime=60" in rule_all
    training = output.split("rule train_student:")[-1].split("rule ")[0]
    assert "gpu=1" in training


@pytest.mark.parametrize(
    "path", ["Makefile", "workflow/profiles/local/config.yaml", "workflow/profiles/slurm/config.yaml"]
)
def test_every_profile_path_that_is_named_exists(path: str) -> None:
    named = re.findall(r"workflow/profiles/(\w+)", (ROOT / path).read_text(encoding="utf-8"))
    assert named
    for name in named:
        assert yaml.safe_load((ROOT / "workflow" / "profiles" / name / "config.yaml").read_text(encoding="utf-8"))
