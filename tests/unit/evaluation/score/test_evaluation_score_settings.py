"""Weights and protocol."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from real_clips import CHECKOUT

from eap.config import load_config
from eap.digest import file_sha256
from eap.evaluation.score.settings import CROP_SCALE, SIZE_PX, WEIGHTS, find_weights, protocol
from eap.stage import StageError


def test_emonet_and_the_crop_are_those_of_preset_paper() -> None:
    paper = load_config({}, CHECKOUT / "workflow" / "presets")
    assert (WEIGHTS["emonet"].url, WEIGHTS["emonet"].sha256) == (paper.labels.emonet.url, paper.labels.emonet.sha256)
    assert (paper.video.crop_scale, paper.video.size) == (CROP_SCALE, SIZE_PX)


def test_given_weights_carry_their_digest(tmp_path: Path) -> None:
    path = tmp_path / "mine.pth"
    path.write_bytes(b"weights")
    given = find_weights("lpips", path)
    assert (given.sha256, given.published) == (file_sha256(path), False)
    assert find_weights("lpips", None) is None
    with pytest.raises(StageError, match=r"--syncnet-weights: .*is not a file; the published one is http"):
        find_weights("syncnet", tmp_path / "typo.model")


def test_the_protocol_says_what_is_absent_and_what_is_given(tmp_path: Path, settings) -> None:
    path = tmp_path / "syncnet_v2.model"
    path.write_bytes(b"weights")
    told = protocol(settings(sync_protocol="track", min_track=40, syncnet=find_weights("syncnet", path)))
    assert json.loads(json.dumps(told)) == told
    assert told["weights"]["syncnet"]["sha256"] == file_sha256(path)
    assert told["weights"]["syncnet"]["published"] is False
    assert "--emonet-weights" in told["weights"]["emonet"]["absent"]
    assert "at least 40 frames" in told["sync"]["crop"]
    assert told["sync"]["offsets"] == [-15, 15]
