"""A wrong configuration is refused before any job starts, by key, value and what is allowed."""

from __future__ import annotations

from pathlib import Path

import pytest
from workflow_checkout import Checkout


@pytest.mark.parametrize(
    ("overlay", "said"),
    [
        (
            "{ant: {epoch: 3, epochs: many}}",
            ["ant.epoch: unknown key (value 3)", "allowed here: batch_size", "ant.epochs: 'many' is not", "integer"],
        ),
        ("{audio: {hop_length: 320}}", ["audio.hop_length (320) x video.fps (25)", "audio.sample_rate (16000)"]),
        (
            "{experiments: {mine: {loss: {metrik: 0}}}}",
            ["experiments.mine: ", "loss.metrik: unknown key (value 0)", "allowed here: adv"],
        ),
        ("{experiments: {mine: {split: {test: 0.5}}}}", ["experiments.mine.split: all experiments share seeds, data"]),
    ],
    ids=["keys and types", "contradiction", "unknown key of an experiment", "what experiments share"],
)
def test_refused_before_any_job(checkout: Checkout, tmp_path: Path, overlay: str, said: list[str]) -> None:
    (tmp_path / "overlay.yaml").write_text(overlay)
    output = checkout.snakemake(tmp_path, "--dry-run", "--configfile", "overlay.yaml", check=False)
    for part in said:
        assert part in output
    assert "Traceback" not in output
    assert "pydantic" not in output
    assert not (tmp_path / "results").exists()


def test_a_key_on_the_command_line_is_merged(checkout: Checkout, tmp_path: Path) -> None:
    jobs = checkout.planned(tmp_path, "--config", "seeds=[4]", "data={shards: 3}")
    assert (jobs["extract_frames"], jobs["train_ant"], jobs["train_era"]) == (3, 1, 1)


def test_absent_clips_are_named_with_the_remedy(checkout: Checkout, tmp_path: Path) -> None:
    """The failed job shows its log's last lines and where that lies (logger plugin `eap` of the profile)."""
    local = str(checkout.root / "workflow" / "profiles" / "local")
    asked = ("--cores", "1", "--workflow-profile", local, "--config", "preset=clips")
    output = checkout.snakemake(tmp_path, *asked, check=False)
    failed = output.split("FAILED: download_data\nthe last lines of its log results/logs/download_data.log:\n")[1]
    assert failed.startswith("    error: data.root: 'data/clips' is not a folder")
    assert "make demo CLIPS=folder" in output
    assert not (tmp_path / "results" / "data").exists() or not any((tmp_path / "results" / "data").iterdir())
