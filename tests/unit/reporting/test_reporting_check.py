"""`eap.reporting.check`: counts per speaker and emotion, and reasons, from either table."""

import io
import json
import subprocess
import sys

import pytest
from rich.console import Console

from eap.reporting.check import check_data, print_check
from eap.schemas import write_table
from eap.stage import StageError

ROWS = [
    ("a/1.mp4", "a", "happy", "listed", None),
    ("a/2.mp4", "a", "happy", "set_aside", "the same bytes as 'a/1.mp4'"),
    ("a/3.mp4", "a", "happy", "set_aside", "the same bytes as 'a/1.mp4'"),
    ("b/1.mp4", "b", "sad", "listed", None),
    ("[red]?.mp4", None, None, "set_aside", "emotion 'x' of [level] 12 is unknown"),
]


def _table(folder, name="catalog", status="listed"):
    rows = [
        {"clip_id": c, "path": c, "dataset": "Small", "speaker_id": s, "emotion": e, "labelled": True, "licence": "CC0"}
        | {"status": status if state == "listed" else state, "stage": "catalog", "reason": reason}
        for c, s, e, state, reason in ROWS
    ]
    write_table(folder / f"{name}.parquet", name, rows)


def test_counts_and_reasons(tmp_path):
    _table(tmp_path)
    found = check_data(tmp_path)
    assert (found["n_clips"], found["n_good"], found["n_set_aside"]) == (5, 2, 3)
    assert (found["n_speakers"], found["n_labelled"]) == (2, 2)
    assert {(g["speaker"], g["emotion"]): (g["n_good"], g["n_clips"]) for g in found["groups"]} == {
        ("a", "happy"): (1, 3),
        ("b", "sad"): (1, 1),
        ("?", "?"): (0, 1),
    }
    assert [(r["n_clips"], r["reason"], r["example"]) for r in found["reasons"]] == [
        (2, "the same bytes as 'a/1.mp4'", "a/2.mp4"),
        (1, "emotion 'x' of [level] 12 is unknown", "[red]?.mp4"),
    ]


def test_the_final_table_is_preferred(tmp_path):
    _table(tmp_path)
    _table(tmp_path, "clips", "used")
    assert check_data(tmp_path)["table"].endswith("clips.parquet")
    assert check_data(tmp_path)["n_good"] == 2


def test_what_people_see(tmp_path):
    _table(tmp_path)
    text = io.StringIO()
    print_check(check_data(tmp_path), Console(file=text, width=100, markup=False, highlight=False))
    shown = text.getvalue()
    assert "1/3" in shown
    assert "2/5" in shown
    assert "[level]" in shown
    assert "5 clips, 2 good, 3 set aside; 2 speakers; 2 with an emotion label; licence: CC0" in shown


def test_the_command(tmp_path):
    _table(tmp_path)
    command = [sys.executable, "-m", "eap", "check", "--data", str(tmp_path)]
    done = subprocess.run([*command, "--json"], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["n_clips"] == 5
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "set aside" in done.stdout


def test_an_empty_folder_names_the_remedy(tmp_path):
    with pytest.raises(StageError, match=r"build_catalog.*--data"):
        check_data(tmp_path)
