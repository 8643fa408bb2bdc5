"""`eap.workflow_bench`: a plan over a made-up corpus, made by the real workflow."""

from __future__ import annotations

import re
from itertools import islice
from pathlib import Path

import pytest

from eap.data.layout import PreparedData
from eap.schemas import read_table
from eap.stage import StageError
from eap.workflow_bench import clip_paths, measure, planned_jobs, write_catalog

CHECKOUT = Path(__file__).parents[2]


def test_names_are_those_of_mead_and_enough() -> None:
    paths = list(clip_paths())
    assert len(set(paths)) == len(paths) >= 280_000
    pattern = re.compile(r"[MW]\d{3}/video/(front|down|top|(left|right)_[36]0)/[a-z]+/level_[123]/\d{3}\.mp4")
    assert all(pattern.fullmatch(path) for path in paths)


def test_the_catalog_deals_all_clips_to_all_shards(tmp_path: Path) -> None:
    write_catalog(tmp_path, CHECKOUT, list(islice(clip_paths(), 700)))
    catalog = read_table(PreparedData(tmp_path / "results" / "data").catalog, "catalog")
    assert (len(catalog), catalog.shard.nunique(), catalog.sha256.nunique()) == (700, 32, 700)
    assert set(catalog.status) == {"listed"}


def test_the_plan_has_every_shard_and_seed_and_is_measured() -> None:
    found = measure(CHECKOUT, 50)
    shards, seeds = 3 * 32, 3 * 5  # frames, landmarks, mel; ant, era, evaluation
    once = 10  # index, labels, split, student, sync, judge, controls, compare, report, all; download, catalog are done
    assert found["jobs"] == shards + seeds + once
    assert found["n_clips"] == 50
    assert 0.5 < found["seconds"] < 120
    assert 50 < found["peak_rss_mb"] < 1000


def test_faults_are_told(tmp_path: Path) -> None:
    with pytest.raises(StageError, match="--clips 300000: at most 295680"):
        measure(CHECKOUT, 300_000)
    with pytest.raises(StageError, match="holds no Snakefile"):
        measure(tmp_path, 10)
    (tmp_path / "Snakefile").write_text("this is no workflow\n")
    (tmp_path / "workflow").symlink_to(CHECKOUT / "workflow")
    with pytest.raises(StageError, match=r"snakemake --touch .* failed:\n[^$]*Snakefile"):
        measure(tmp_path, 10)


def test_jobs_are_read_from_the_last_table() -> None:
    assert planned_jobs("total     4\nJob stats:\njob  count\ntotal      118\n") == 118
    assert planned_jobs("Nothing to be done.") == 0
