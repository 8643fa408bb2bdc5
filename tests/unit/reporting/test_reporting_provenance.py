"""The configuration is told in full, but for paths of the machine that ran it."""

from __future__ import annotations

from pathlib import Path

from report_results import make_results, report_config

from eap.config import STAGES
from eap.reporting.provenance import configuration, file_rows
from eap.reporting.results import read_results
from eap.schemas import table_digest


def test_every_section_and_value_is_told() -> None:
    config = report_config()
    sections = dict(configuration(config))
    told = [*sections.pop("run"), *((name, "") for name in sections)]
    assert sorted(name for name, _ in told) == sorted(STAGES["report"])
    assert ("lip", "5.0") in sections["loss"]
    assert ("emonet.path", "null") in sections["labels"]


def test_a_path_of_the_machine_is_not_told() -> None:
    config = report_config()
    labels = config.labels.model_copy(update={"emonet": config.labels.emonet.model_copy(update={"path": "/home/me/w"})})
    told = str(configuration(config.model_copy(update={"labels": labels})))
    assert "/home/me" not in told
    assert "a file on the machine that ran it" in told


def test_files_are_named_with_what_they_were_made_from(tmp_path: Path) -> None:
    found = read_results(make_results(tmp_path, seeds=(0,)), (0,))
    rows = {path: (name, digest) for path, name, digest in file_rows(found)}
    path = "evaluation/base/seed=0/grid.parquet"
    assert rows[path] == ("grid", table_digest(tmp_path / path))
    assert len(rows) == len(found.files)
    assert {"data/labels.parquet", "comparison/probes.parquet", "controls/base/scores.parquet"} <= rows.keys()
