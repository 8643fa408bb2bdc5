"""Probes are told in words, in their order, with reasons where there is no number."""

from __future__ import annotations

from eap.evaluation.probes import PROBES
from eap.reporting.probes import probe_rows
from eap.schemas import to_table


def test_rows_in_order_with_meaning_reason_and_luck() -> None:
    rows = [
        {"experiment": "base", "probe": "new_probe", "mean": 1.0, "n": 2},
        {"experiment": "base", "probe": "intensity_excess", "judge": "era", "quantity": "intensity", "gain": 0.0,
         "reason": "no real neutral test clip of these people"},
        {"experiment": "base", "probe": "source_share", "judge": "era", "quantity": "valence", "gain": 1.0,
         "mean": 0.5, "low": 0.25, "high": 0.75, "chance": 0.125, "n": 4},
    ]  # fmt: skip
    source, excess, new = probe_rows(to_table("probes", rows).to_pandas())
    assert (source["meaning"], source["better"]) == PROBES["source_share"]
    assert (source["where"], source["chance"], source["n"]) == ("valence, g = 1", 0.125, 4)
    assert (source["score"].mean, source["score"].low) == (0.5, 0.25)
    assert (excess["score"].mean, excess["score"].note) == (None, "no real neutral test clip of these people")
    assert (excess["chance"], excess["n"]) == (None, 0)
    assert (new["meaning"], new["judge"], new["where"]) == ("new_probe", "", "")
