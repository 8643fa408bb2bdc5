"""The visible mark: there, small, in the corner, legible."""

from __future__ import annotations

import numpy as np
import pytest

from eap.inference.mark import Mark


@pytest.mark.parametrize("size", [(32, 32), (64, 64), (256, 256), (720, 1280), (1920, 1080), (10, 300), (8, 8)])
@pytest.mark.parametrize("grey", [0, 128, 255])
def test_small_and_legible_on_any_ground(size, grey):
    frame = np.full((*size, 3), grey, np.uint8)
    before = frame.copy()
    marked = Mark(*size)(frame)
    np.testing.assert_array_equal(frame, before)
    changed = (marked != frame).any(-1)
    assert changed.any()
    if min(size) >= 64:
        assert changed.mean() < 0.1
        rows, columns = np.nonzero(changed)
        assert rows.min() > 0.7 * size[0]
        assert columns.min() > 0.4 * size[1]
        inside = marked[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        assert int(inside.max()) - int(inside.min()) > 100  # letters against their field
        assert (inside.min(-1) > 230).sum() >= 12


def test_larger_pictures_say_it_in_full():
    widths = []
    for side in (64, 256):
        marked = Mark(side, side)(np.zeros((side, side, 3), np.uint8))
        columns = np.nonzero(marked.any((0, 2)))[0]
        widths.append(columns.max() - columns.min())
    assert widths[1] > 3 * widths[0]  # "AI-generated" and "AI"
