"""Order of the names that data sets give to how strong an emotion was meant."""

from __future__ import annotations

import re

WEAK_TO_STRONG = ("unspecified", "weak", "mild", "low", "medium", "moderate", "normal", "high", "strong", "intense")
"""Levels whose names do not sort by themselves; others, such as level_1 to level_10, do by their numbers."""


def level_key(level: str) -> tuple[int, tuple[tuple[int, str], ...]]:
    """Order of levels, the weakest first; unknown names after known ones, by numbers and letters.

    What follows in brackets is a data set's own code: "low(LO)" is "low".
    """
    name = level.partition("(")[0].strip().lower()
    rank = WEAK_TO_STRONG.index(name) if name in WEAK_TO_STRONG else len(WEAK_TO_STRONG)
    return rank, tuple((int(part) if part.isdigit() else -1, part) for part in re.split(r"(\d+)", level))
