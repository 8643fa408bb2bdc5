"""Order of acted levels."""

from __future__ import annotations

import pytest

from eap.evaluation.levels import level_key


@pytest.mark.parametrize(
    "weak_to_strong",
    [
        ("level_1", "level_2", "level_10"),
        ("1", "2", "10"),
        ("low(LO)", "medium(MD)", "high(HI)"),
        ("unspecified", "normal", "strong"),
        ("Weak", "Moderate", "Strong"),
        ("unspecified(XX)", "level_1"),
    ],
)
def test_levels_rise_by_what_their_names_mean(weak_to_strong):
    assert sorted(reversed(weak_to_strong), key=level_key) == list(weak_to_strong)
