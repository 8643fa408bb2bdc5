"""A model from its file alone."""

from __future__ import annotations

import json

import numpy as np
import pytest
from safetensors import safe_open
from tiny_data import rewritten

from eap.digest import file_sha256
from eap.inference.checkpoint import load_checkpoint
from eap.stage import StageError


@pytest.fixture(scope="module")
def record(era_file):
    with safe_open(era_file, "pt") as file:
        return json.loads(file.metadata()["record"])


def test_everything_comes_from_the_record(era_file, store):
    model = load_checkpoint(era_file, "cpu", 1)
    np.testing.assert_allclose(model.shape_P2, store.mean_shape)
    assert model.config.model.image_size == 32
    assert model.config.landmarks.detector == "dlib"
    assert model.facts["model_sha256"] == file_sha256(era_file)
    assert model.face.window == 4


def test_the_device_of_training_does_not_bind(era_file, record, tmp_path):
    record = {**record, "config": {**record["config"], "compute": {**record["config"]["compute"], "device": "cuda"}}}
    model = load_checkpoint(rewritten(era_file, tmp_path / "m.safetensors", record), "cpu", 1)
    assert next(model.face.ant.parameters()).device.type == "cpu"


def with_losses(record, **losses):
    return {**record, "config": {**record["config"], "loss": {**record["config"]["loss"], **losses}}}


def test_what_was_not_learnt_is_known(era_file, record, tmp_path):
    model = load_checkpoint(era_file, "cpu", 1)
    assert model.imagines
    assert model.face.intensity is None
    other = with_losses(record, decode=0, inten_target="intensity", intensity="max")
    model = load_checkpoint(rewritten(era_file, tmp_path / "m.safetensors", other), "cpu", 1)
    assert not model.imagines
    assert model.face.intensity == "max"


def test_older_and_newer_files_are_refused(era_file, record, tmp_path):
    path = tmp_path / "m.safetensors"
    without = {key: value for key, value in record.items() if key != "neutral_shape"}
    with pytest.raises(StageError, match="before model files carried what synthesis knows of strangers"):
        load_checkpoint(rewritten(era_file, path, without), "cpu", 1)
    newer = {**record, "config": {**record["config"], "model": {**record["config"]["model"], "wings": 2}}}
    with pytest.raises(StageError, match=r"(?s)another version of this program \(git [0-9a-f]+.*wings: unknown key"):
        load_checkpoint(rewritten(era_file, path, newer), "cpu", 1)
    older = {**record, "config": {key: v for key, v in record["config"].items() if key != "audio"}}
    with pytest.raises(StageError, match=r"another version of this program .*'audio'"):
        load_checkpoint(rewritten(era_file, path, older), "cpu", 1)


def test_other_files_are_refused(ant_file, tmp_path):
    (tmp_path / "m.safetensors").write_bytes(b"no model")
    with pytest.raises(StageError, match=r"m\.safetensors.*not a"):
        load_checkpoint(tmp_path / "m.safetensors", "cpu", 1)
    with pytest.raises(StageError, match="expected a model of stage train-era, found one of stage train-ant"):
        load_checkpoint(ant_file, "cpu", 1)
