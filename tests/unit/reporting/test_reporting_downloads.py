"""Carried tables are what was read; a table too large is named instead."""

from __future__ import annotations

import base64
import gzip
import io

import pandas as pd
import pytest

from eap.reporting import downloads


def test_csv_comes_back_without_its_heavy_columns() -> None:
    table = pd.DataFrame({"clip_id": ['a "b", c', "<x>"], "z": [[1.0], [2.0]], "x": [0.5, None]})
    found = downloads._download("embeddings", table)
    head, _, body = found.uri.partition(",")
    assert head == "data:application/gzip;base64"
    back = pd.read_csv(io.BytesIO(gzip.decompress(base64.b64decode(body))))
    pd.testing.assert_frame_equal(back, table[["clip_id", "x"]])
    assert (found.n_rows, found.left_out) == (2, "z")


def test_a_table_too_large_is_not_carried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "MAX_BYTES", 10)
    found = downloads._download("scores", pd.DataFrame({"value": range(1000)}))
    assert found.uri is None
    assert (found.n_rows, found.kilobytes) == (1000, 3)
    monkeypatch.setattr(downloads, "MAX_ROWS", 999)
    assert downloads._download("scores", pd.DataFrame({"value": range(1000)})).kilobytes is None
