"""Order of the names that data sets give to how strong an emotion was meant."""

from __future__ import annotations

WEAK_TO_STRONG = ("unspecified", "low", "medium", "normal", "high", "strong")
"""Levels whose names do not sort by themselves; others, such as level_1 to level_3, do."""


def level_key(level: str) -> tuple[int, str]:
    """Order of levels, the weakest first; unknown names after known ones."""
    return (WEAK_TO_STRONG.index(level) if level in WEAK_TO_STRONG else len(WEAK_TO_STRONG)), level
