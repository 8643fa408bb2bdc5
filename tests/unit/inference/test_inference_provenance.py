"""What a file says about itself survives in it."""

from __future__ import annotations

import numpy as np
import pytest

from eap.data.encode import PROVENANCE, open_video, write_video
from eap.inference.provenance import DIGITAL_SOURCE_TYPE, provenance_tags, read_provenance
from eap.stage import StageError

FRAMES = np.zeros((3, 16, 16, 3), np.uint8)


def test_the_record_comes_back(tmp_path):
    tags = provenance_tags({"model_sha256": "ab" * 32, "path": 'quotes " and ü'})
    assert tags["comment"] == PROVENANCE
    with open_video(tmp_path / "v.mp4", (16, 16), 25, 30, sample_rate=None, metadata=tags) as video:
        for frame in FRAMES:
            video.add_frame(frame)
    record = read_provenance(tmp_path / "v.mp4")
    assert record == {
        "ai_generated": True, "digital_source_type": DIGITAL_SOURCE_TYPE, "record_version": 1, "tool": "eap",
        "model_sha256": "ab" * 32, "path": 'quotes " and ü',
    }  # fmt: skip


def test_no_record_proves_nothing(tmp_path):
    write_video(tmp_path / "v.mp4", FRAMES, 25, 30, None, 16000, "a film")
    (tmp_path / "text.mp4").write_text("no video")
    for name in ("v.mp4", "text.mp4"):
        with pytest.raises(StageError, match=rf"{name}: carries no provenance record of eap; that says nothing"):
            read_provenance(tmp_path / name)
