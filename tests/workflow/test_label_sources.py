"""What the rule of the labels asks for depends on their source."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from workflow_checkout import Checkout


@pytest.mark.parametrize(("source", "gpu", "threads"), [("landmarks", 0, 1), ("emonet", 1, 3)])
def test_only_emonet_takes_the_frames_the_gpu_and_the_threads(
    checkout: Checkout, tmp_path: Path, source: str, gpu: int, threads: int
) -> None:
    values = ("preset=clips", f"labels={{source: {source}}}", "compute={device: cuda, threads: 3}")
    output = checkout.snakemake(tmp_path, "--dry-run", "--cores", "4", "--config", *values)
    job = re.search(r"^rule label_clips:\n((?: {4}.*\n)+)", output, flags=re.MULTILINE)[1]
    assert f"gpu={gpu}" in job
    assert ("results/data/frames/shard=0001.parquet" in job) == (source == "emonet")
    assert ("threads: 3" in job) == (threads == 3)
