"""The grid: every tile in its row and column, what was not generated is missing."""

from __future__ import annotations

import base64
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
from report_probes import GAINS, grid_rows

from eap.reporting.grid import grids


def test_tiles_stand_in_their_row_and_column(tmp_path: Path) -> None:
    rows = pd.DataFrame([*grid_rows(tmp_path, 0), {"seed": 1, "clip_id": "other", "kind": "picture"}])
    found = SimpleNamespace(grid=rows, folder=lambda seed: tmp_path)
    (grid,) = grids(found, 0)
    assert (grid.clip_id, grid.about, grid.gains) == ("v/angry.mp4", "speaker p1, angry, high", GAINS)
    assert [emotion for emotion, _, _ in grid.rows] == ["neutral", "happy", "sad"]
    emotion, source, tiles = grid.rows[1]
    assert (source.alt, source.video, source.generated) == ("Source face: happy, p1/happy.mp4", None, False)
    assert tiles[2].alt == f"Generated from the {emotion} source at g = 1"
    assert tiles[2].generated
    picture = (tmp_path / "grid" / "happy-g1.jpg").read_bytes()
    assert base64.b64decode(tiles[2].picture.partition(",")[2]) == picture
    assert tiles[2].video.startswith("data:video/mp4")
    assert [tile is None for tile in grid.rows[2][2]] == [False, False, False, True]
    assert grid.real.alt == "Real recording of v/angry.mp4"
    assert not grid.real.generated


def test_no_grid_for_a_seed_without_rows(tmp_path: Path) -> None:
    empty = pd.DataFrame(columns=["seed", "clip_id"])
    assert grids(SimpleNamespace(grid=empty, folder=lambda seed: tmp_path), 0) == []
