"""Input bias: means in their cells, whose emotion was seen, shares beside luck."""

from __future__ import annotations

import pandas as pd
import pytest
from report_probes import LEAK, bias_rows

from eap.reporting.bias import bias_matrices, seen_tables, share_plots


@pytest.fixture(scope="module")
def bias() -> pd.DataFrame:
    return pd.DataFrame([*bias_rows(0), *bias_rows(1)])


def test_a_matrix_for_each_judge_quantity_and_gain(bias: pd.DataFrame) -> None:
    matrices = bias_matrices(bias)
    keys = [(m.judge, m.quantity, m.gain) for m in matrices]
    assert len(set(keys)) == len(keys) == 2 * 3 * 2
    found = matrices[keys.index(("era", "intensity", "1"))]
    assert found.columns == ("angry", "happy", "sad", "all voices")
    assert [source for source, _ in found.rows] == ["neutral", "happy", "sad", "all sources"]
    for source, cells in found.rows[:3]:
        # Mean of seeds 0 and 1: 0.6, the source's leak, and 0.01 for seed 1
        assert [cell.value for cell in cells] == pytest.approx([0.605 + LEAK[source]] * 4)
    assert found.rows[0][1][0].text in ("0.60", "0.61")  # 0.605, whichever way it is rounded
    assert max(cell.weight for _, cells in found.rows for cell in cells) == 1
    valence = matrices[keys.index(("era", "valence", "1"))]
    assert min(cell.weight for _, cells in valence.rows for cell in cells) == -1


def test_where_no_face_was_found_there_is_no_number(bias: pd.DataFrame) -> None:
    found = next(m for m in bias_matrices(bias) if (m.judge, m.quantity, m.gain) == ("points", "intensity", "0"))
    assert [source for source, _ in found.rows] == ["neutral", "happy", "all sources"]
    assert all(cell.value is not None for _, cells in found.rows for cell in cells)


def test_gains_of_a_quantity_share_their_tint(bias: pd.DataFrame) -> None:
    by_gain = {m.gain: m for m in bias_matrices(bias) if (m.judge, m.quantity) == ("era", "intensity")}
    low, high = (by_gain[gain].rows[0][1][0] for gain in ("0", "1"))
    assert low.weight / high.weight == pytest.approx(low.value / high.value, rel=1e-2)


def test_seen_emotions_say_whose_they_are(bias: pd.DataFrame) -> None:
    (gain0, voices, at_zero), (gain1, _, at_one) = seen_tables(bias)
    assert (gain0, gain1, voices) == ("0", "1", ("angry", "happy", "sad"))
    table = {source: [(cell.text, cell.agrees) for cell in cells] for source, cells in at_zero}
    assert table["happy"] == [("happy 2/2", "source"), ("happy 2/2", "both"), ("happy 2/2", "source")]
    assert table["neutral"][0] == ("neutral 2/2", "source")
    assert dict(at_one)["neutral"][0].agrees == "voice"


def test_shares_of_voice_and_source_on_one_line() -> None:
    base = {"judge": "points", "quantity": "intensity", "gain": 1.0, "low": 0.1, "high": 0.5}
    probes = pd.DataFrame([
        {**base, "probe": "source_share", "mean": 0.2, "chance": 0.25},
        {**base, "probe": "voice_share", "mean": -1e-12, "chance": 0.1},
        {**base, "probe": "gains_ordered", "mean": 1.0, "chance": 0.1},
    ])  # fmt: skip
    (plot,) = share_plots(probes)
    (row,) = plot.rows
    assert (row.label, row.note, row.text) == ("intensity", "judge points", "0 % · 20 %")
    assert [(dot.style, dot.at, dot.luck) for dot in row.dots] == [("ours", 0, 10), ("source", 20, 25)]
    assert "luck 25 %" in row.dots[1].told
