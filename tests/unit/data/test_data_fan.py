"""FAN's weights: the published names and shapes, from a checked file, in the detector and under L_lip."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from face_alignment.api import models_urls
from face_alignment.models import FAN as Network
from tiny_data import PRESETS, tiny_config

from eap.config import load_config
from eap.data.clip_landmarks import detector_weights, load_predictor
from eap.data.fan import load_fan
from eap.digest import file_sha256
from eap.stage import StageError


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    """Random weights of the published network, as its authors save them."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("fan") / "2DFAN4.pth.tar"
    torch.save(Network(4).state_dict(), path)
    return path


def section(**fan):
    """Section `landmarks` with the FAN detector."""
    return tiny_config({"landmarks": {"detector": "fan", "fan": fan}}).landmarks


def test_the_address_is_the_librarys_own_and_the_digest_what_its_name_tells() -> None:
    pinned = load_config({}, PRESETS).landmarks.fan
    assert pinned.url == models_urls["2DFAN-4"]
    assert pinned.sha256 is not None
    assert f"-{pinned.sha256}." in pinned.url


def test_the_detector_reads_a_checked_file(weights) -> None:
    found = detector_weights(section(path=str(weights), sha256=file_sha256(weights)))
    assert found == weights
    network = load_predictor("fan", found)._model.face_alignment_net  # a prediction compiles for 20 s first
    saved = torch.load(weights, weights_only=True)
    assert all(torch.equal(value, saved[name]) for name, value in network.state_dict().items())


def test_a_loaded_network_is_frozen_and_the_files(weights) -> None:
    network = load_fan(weights)
    assert not network.training
    assert not any(p.requires_grad for p in network.parameters())
    saved = torch.load(weights, weights_only=True)
    assert all(torch.equal(value, saved[name]) for name, value in network.state_dict().items())


@pytest.mark.parametrize(
    ("fan", "said"),
    [
        ({"path": "absent.tar"}, r"landmarks\.fan\.path: absent\.tar is not a file; download https://.*2DFAN4.*\.tar"),
        ({"url": "http://127.0.0.1:9/2DFAN4-0.tar"}, r"2DFAN-4 could not be fetched to .*set landmarks\.fan\.path"),
    ],
)
def test_a_missing_file_is_named_with_its_address_and_its_key(fan, said, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(StageError, match=said):
        detector_weights(section(**fan))


def test_another_file_is_refused(weights, tmp_path) -> None:
    with pytest.raises(StageError, match=r"has SHA-256 [0-9a-f]{64}, but landmarks\.fan\.sha256 is 11f355bf06"):
        detector_weights(section(path=str(weights)))
    torch.save({"conv1.weight": torch.zeros(64, 3, 7, 7)}, tmp_path / "part.tar")
    with pytest.raises(StageError, match=r"the weights of another network; wanted: face-alignment's 2DFAN-4"):
        load_fan(tmp_path / "part.tar")
