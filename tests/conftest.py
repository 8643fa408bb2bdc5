"""Tests that need the real clips say so, instead of failing, where the clips are not."""

from __future__ import annotations

import pytest
from real_clips import ABSENT, CLIPS


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the modules that read the real clips if these are absent."""
    if CLIPS.is_dir():
        return
    for item in items:
        if getattr(getattr(item, "module", None), "CLIPS", None) == CLIPS:
            item.add_marker(pytest.mark.skip(reason=ABSENT))
