"""The picture of the corpus."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from media_files import sections

from eap.data.phantom.corpus import EMOTIONS
from eap.data.phantom.gallery import gallery, write_gallery
from eap.stage import StageError

TWO = {"phantom": {"identities": 2, "size": 128}}


def test_a_row_per_person_and_a_column_per_emotion(tmp_path: Path) -> None:
    phantom = sections("render-phantom", tmp_path, TWO).phantom
    picture = gallery(phantom, side=48)
    assert picture.shape == (2 * 48, len(EMOTIONS) * 48, 3)
    faces = picture.reshape(2, 48, len(EMOTIONS), 48, 3).swapaxes(1, 2).astype(int)
    happy, others = faces[0, 1], np.delete(faces[0], 1, 0)
    assert np.abs(others - happy).mean((1, 2, 3)).min() > 1
    assert np.abs(faces[0] - faces[1]).mean((1, 2, 3)).min() > 10
    write_gallery(phantom, tmp_path / "people.png")
    assert cv2.imread(str(tmp_path / "people.png")).shape == (256, 1024, 3)


def test_another_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StageError, match=r"\.png, \.jpg"):
        write_gallery(sections("render-phantom", tmp_path, TWO).phantom, tmp_path / "people.gif")
