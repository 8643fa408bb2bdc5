"""The table of injected offsets in shares and words."""

from __future__ import annotations

import pandas as pd

from eap.reporting.offsets import Injected, offset_view


def test_shares_are_counted_by_hand() -> None:
    rows = [("a", 0, 0), ("a", 1, 1), ("b", 0, 0), ("b", 1, 2), ("c", 0, -3), ("c", 1, 1), ("d", 0, 0), ("d", 1, 1),
            ("mute", 0, None), ("mute", 1, None)]  # fmt: skip
    view = offset_view(pd.DataFrame(rows, columns=["clip_id", "injected", "found"]))
    assert view.rows == (Injected(0, 75.0, 75.0), Injected(1, 75.0, 100.0))
    # a and d of four; 6 of 8 trials; 7 of 8 within a frame
    assert "exactly in 50\u00a0% of 4 test clips" in view.text
    assert "in 75.0\u00a0% of all trials (87.5\u00a0% to within one frame); 1 silent clip cannot tell." in view.text
    assert view.good is False


def test_every_lag_found_is_good_and_nothing_measured_is_neither() -> None:
    assert offset_view(pd.DataFrame({"clip_id": ["a"], "injected": [2], "found": [2]})).good is True
    nothing = offset_view(pd.DataFrame({"clip_id": ["a"], "injected": [2], "found": [None]}))
    assert (nothing.rows, nothing.good) == ((), None)
    assert "no test clip has sound; 1 silent clip cannot tell" in nothing.text
