"""The model card says what the files say, and nothing of another run."""

from __future__ import annotations

import re

import pytest
import yaml

from eap.data.layout import PreparedData
from eap.digest import file_sha256
from eap.evaluation.scores import MODEL
from eap.reporting.card import write_card
from eap.schemas import write_table
from eap.stage import StageError
from eap.training.checkpoint import read_record, save_model


def score_row(variant, metric, value, clip_id="ann/happy-1.mp4", seed=0, reason=None):
    return {
        "seed": seed, "variant": variant, "metric": metric, "scope": "clip", "clip_id": clip_id, "speaker_id": "ann",
        "emotion": "happy", "value": value, "n": 30, "reason": reason,
    }  # fmt: skip


ROWS = [
    score_row("generated", "lmd", 2.0),
    score_row("generated", "lmd", 3.5, "bob/angry-1.mp4"),
    score_row("generated", "opening_correlation", 0.625),
    score_row("generated", "ccc_intensity/era", -0.25),
]
CONTROLS = [
    score_row("still", "lmd", 2.5, seed=None),
    score_row("still", "lmd", 2.25, "bob/angry-1.mp4", seed=None),
    score_row("still", "opening_correlation", None, seed=None, reason="a still mouth"),
    score_row("real", "lmd", 0.5, seed=None),
]


def write_scores(path, rows, checkpoint):
    write_table(path, "scores", rows, metadata={MODEL: file_sha256(checkpoint)})


@pytest.fixture
def scores(tmp_path, era_file):
    write_scores(tmp_path / "scores.parquet", ROWS, era_file)
    write_table(tmp_path / "controls.parquet", "scores", CONTROLS)
    return [tmp_path / "scores.parquet", tmp_path / "controls.parquet"]


@pytest.fixture
def card(era_file, tiny_data, scores, tmp_path):
    write_card(era_file, tiny_data, scores, tmp_path / "model_card.md")
    return (tmp_path / "model_card.md").read_text(encoding="utf-8")


def test_the_header_is_yaml_with_the_models_own_scores(card):
    _, header, body = card.split("---\n", 2)
    values = yaml.safe_load(header)
    assert values["license"] == "other"
    assert values["datasets"] == ["drawn"]
    (result,) = values["model-index"][0]["results"]
    assert {m["type"]: m["value"] for m in result["metrics"]} == {
        "lmd": 2.75, "opening_correlation": 0.625, "ccc_intensity/era": -0.25,
    }  # fmt: skip
    assert len({m["name"] for m in result["metrics"]}) == 3
    assert body.startswith("\n# EAP")


def test_scores_stand_beside_their_controls(card):
    rows = {line.split("|")[1].strip().split(" (")[0]: line for line in card.splitlines() if line.startswith("| ")}
    assert [cell.strip() for cell in rows["Still frame"].split("|")[2:4]] == ["2.375", "undefined"]
    assert [cell.strip() for cell in rows["Real video"].split("|")[2:4]] == ["0.500", "–"]
    assert "LMD: **no better** than a copied still frame (2.750 against 2.375 px)" in card
    assert "correlates with the real video's at 0.625; a shuffled voice was not scored" in card
    tables = re.findall(r"(?:^\|.*\n)+", card, flags=re.MULTILINE)
    assert len(tables) >= 5
    for table in tables:  # every row as wide as its head
        assert len({line.count("|") for line in table.splitlines()}) == 1


def test_data_licence_and_digests_are_those_of_the_files(card, era_file):
    assert "| drawn | not stated | 14 | 2 |" in card
    assert "| train | 10 | 2 |" in card
    assert "| test | 2 | 2 |" in card
    assert "Some speakers stand in more than one split" in card
    assert "angry 3, happy 3, neutral 4" in card
    assert "source `landmarks`" in card
    assert "iBUG 300-W" in card
    assert "VGG19" not in card.split("<details>")[0]
    assert f"`{file_sha256(era_file)}`" in card
    assert "rendered people" not in card


def test_what_ant_started_from_and_what_pairing_lacked_are_told(era_file, tiny_data, scores, tmp_path):
    record = read_record(era_file, "train-era")
    assert [own["name"] for own in record["ant_datasets"]] == ["drawn"]
    grid = {"name": "grid", "licence": "CC BY 4.0", "n_clips": 70, "n_speakers": 7}
    changed = {
        "ant_datasets": [*record["ant_datasets"], grid], "exact_points": True,
        "ant_pairing": {"clips": 12, "without_emotional_source": 5, "with_own_source": 0},
    }  # fmt: skip
    save_model(tmp_path / "other.safetensors", {}, record | changed)
    write_scores(scores[0], ROWS, tmp_path / "other.safetensors")
    write_card(tmp_path / "other.safetensors", tiny_data, scores, tmp_path / "card.md")
    told = (tmp_path / "card.md").read_text(encoding="utf-8")
    assert "it had learnt before from\n\n- grid: 70 clips of 7 speakers (CC BY 4.0)" in told
    assert "- data `grid`: CC BY 4.0 (70 clips)" in told
    assert "5 of 12 training clips are of people without an emotional clip" in told
    assert "the only one of their person" not in told
    assert "points that dlib's model found" not in told


@pytest.mark.parametrize("phases", [["ANT"], ["ERA"], ["ANT", "ERA"]])
def test_phases_that_learnt_without_neutralization_are_told(era_file, tiny_data, scores, tmp_path, phases):
    record = read_record(era_file, "train-era")
    assert record["ant_neutralization"]
    assert record["ant_pairing"] == record["pairing"]
    if "ERA" in phases:
        record["config"]["era"]["neutralization"] = False
        record["pairing"] = {"clips": 12}
    if "ANT" in phases:
        record["ant_neutralization"] = False
        record["ant_pairing"] = {"clips": 12}
    save_model(tmp_path / "other.safetensors", {}, record)
    write_scores(scores[0], ROWS, tmp_path / "other.safetensors")
    write_card(tmp_path / "other.safetensors", tiny_data, scores, tmp_path / "card.md")
    told = (tmp_path / "card.md").read_text(encoding="utf-8")
    assert re.findall(r"(\w+) learnt without neutralization", told) == phases


def test_points_that_a_detector_found_are_told(card):
    assert "learnt from points that dlib's model found" in card
    assert "it had learnt before from" not in card


def test_scores_of_another_seed_or_model_and_other_data_are_refused(era_file, tiny_data, scores, tmp_path, monkeypatch):
    write_scores(tmp_path / "other.parquet", [score_row("generated", "lmd", 1.0, seed=3)], era_file)
    with pytest.raises(StageError, match=r"scores of seed \[3\], but the checkpoint's seed is 0"):
        write_card(era_file, tiny_data, [tmp_path / "other.parquet"], tmp_path / "card.md")
    write_scores(tmp_path / "other.parquet", ROWS, scores[0])
    with pytest.raises(StageError, match=r"other\.parquet: its scores are of the model with SHA-256"):
        write_card(era_file, tiny_data, [tmp_path / "other.parquet"], tmp_path / "card.md")
    write_table(tmp_path / "older.parquet", "scores", ROWS)
    with pytest.raises(StageError, match=r"older\.parquet: its scores are of a model that it does not name"):
        write_card(era_file, tiny_data, [tmp_path / "older.parquet"], tmp_path / "card.md")
    monkeypatch.setattr(PreparedData, "digest", lambda self: "another")
    with pytest.raises(StageError, match="was trained on data with the digest"):
        write_card(era_file, tiny_data, scores, tmp_path / "card.md")
    assert not (tmp_path / "card.md").exists()
