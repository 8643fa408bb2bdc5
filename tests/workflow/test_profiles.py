"""Profiles take effect by their full path; Snakemake ignores a wrong one in silence, so each use is checked."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
import yaml
from workflow_checkout import ROOT, Checkout

PROFILES = sorted(path.name for path in (ROOT / "workflow" / "profiles").iterdir())


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
    cuda = ("--cores", "8", "--config", "compute={device: cuda, gpus: 2, threads: 3}")
    output = checkout.snakemake(tmp_path, "--dry-run", "--workflow-profile", str(profile), *cuda)
    assert "for setting default command line arguments" in output
    rule_all = output.split("rule all:")[-1].split("Job stats")[0]
    assert "mem_mb=4000" in rule_all
    assert "runtime=60" in rule_all
    assert "gpu=1" in job_of(output, "train_student")
    assert "gpu=2" in job_of(output, "train_ant")
    assert "threads: 6" in job_of(output, "train_ant")  # three for each GPU's process
    assert "mem_mb=16000" in job_of(output, "train_ant")
    # one process for each GPU; what runs on one GPU is started as ever
    assert "python -m torch.distributed.run --standalone --nproc-per-node=2 -m eap --log" in output
    assert re.search(r"python -m eap --log \S+ .*train-student ", output)


@pytest.mark.parametrize("name", ["cluster", "kubernetes"])
def test_generic_profiles_take_effect(checkout: Checkout, tmp_path: Path, name: str) -> None:
    """Every key is known (an unknown one is an error), and each job has what the submit command asks for."""
    profile = checkout.root / "workflow" / "profiles" / name
    output = checkout.snakemake(tmp_path, "--dry-run", "--workflow-profile", str(profile))
    assert "for setting default command line arguments" in output
    for rule in ("render_phantom", "extract_frames", "train_ant", "build_report"):
        job = job_of(output, rule)
        assert re.search(r"mem_mb=\d+", job)
        assert re.search(r"runtime=\d+", job)
        assert "gpu=0" in job
    written = yaml.safe_load((profile / "config.yaml").read_text(encoding="utf-8"))
    slurm = yaml.safe_load((profile.parent / "slurm" / "config.yaml").read_text(encoding="utf-8"))
    assert written["groups"] == slurm["groups"]


def test_jobs_can_run_in_the_image(checkout: Checkout, tmp_path: Path) -> None:
    """There is no Apptainer here: a stand-in says its version. The image is asked for when jobs start, not before."""
    stand_in = tmp_path / "apptainer"
    stand_in.write_text("#!/bin/sh\necho apptainer version 1.3.0\n")
    stand_in.chmod(0o755)
    asked = ("--software-deployment-method", "apptainer", "--config", "preset=clips", "--", "download_data")
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    output = checkout.snakemake(tmp_path, "--dry-run", *asked, variables={"PATH": path})
    assert "rule download_data:" in output
    definition = (ROOT / "envs" / "eap.def").read_text(encoding="utf-8")
    copied = re.search(r"%files\n +(\S+) (\S+)\n", definition)
    assert (ROOT / copied[1]).is_file()
    assert f"--require-hashes --requirement {copied[2]}" in definition


def job_of(output: str, rule: str) -> str:
    """What a dry run says of a rule's last job."""
    # jobs of a group are indented
    return re.findall(rf"^( *)rule {rule}:\n((?:\1 {{4}}.*\n)+)", output, flags=re.MULTILINE)[-1][1]


@pytest.mark.parametrize("path", ["Makefile", *(f"workflow/profiles/{name}/config.yaml" for name in PROFILES)])
def test_every_profile_path_that_is_named_exists(path: str) -> None:
    named = re.findall(r"workflow/profiles/(\w+)", (ROOT / path).read_text(encoding="utf-8"))
    assert named
    for name in named:
        assert yaml.safe_load((ROOT / "workflow" / "profiles" / name / "config.yaml").read_text(encoding="utf-8"))
