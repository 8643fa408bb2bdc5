"""The benchmark counts what is there."""

from __future__ import annotations

from pathlib import Path

import pytest
from media_files import sections

from eap.data.phantom.bench import measure


def test_it_measures_every_clip_and_stays_in_its_ranges(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eap.data.phantom.corpus.EMOTIONS", ("neutral",))
    tiny = {"phantom": {"identities": 1, "takes": 1, "neutral_takes": 2, "size": 192}}
    found = measure(sections("render-phantom", tmp_path, tiny).phantom, 12)
    assert found["n_clips"] == 2
    assert found["n_checked"] == 12
    assert found["n_frames"] > 60
    assert found["dlib_found"] == 1
    assert 0.5 < found["dlib_error_px"] < 5
    assert found["frames_per_s_per_core"] > 0
