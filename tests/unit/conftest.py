"""The tiny prepared data set and networks trained on it for a few steps, made once per session.

This file also puts its folder on the import path, so that tests in the folders below find `tiny_data`.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# Tests run many tiny operations, for which a second thread costs more than it brings. Read when torch is imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory):
    """`PreparedData` of the drawn faces."""
    from tiny_data import write_tiny_data

    return write_tiny_data(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def store(tiny_data):
    """Its clips at 32 px."""
    from eap.data.clip_store import ClipStore

    return ClipStore(tiny_data, 32)


@pytest.fixture(scope="session")
def student_file(tiny_data, tmp_path_factory) -> Path:
    """A landmark student after 200 steps."""
    from tiny_data import sections

    from eap.stage import no_log
    from eap.training.landmark_student import train_student

    folder = tmp_path_factory.mktemp("student")
    files = (folder / "model.safetensors", folder / "history.parquet", folder / "checkpoints")
    train_student(sections("train-student"), tiny_data, *files, no_log)
    return folder / "model.safetensors"


@pytest.fixture(scope="session")
def ant_file(tiny_data, student_file, tmp_path_factory) -> Path:
    """ANT after one pass."""
    from tiny_data import sections

    from eap.stage import no_log
    from eap.training.ant import train_ant

    folder = tmp_path_factory.mktemp("ant")
    model = folder / "model.safetensors"
    config = sections("train-ant", {"ant": {"epochs": 1}})
    train_ant(config, 0, tiny_data, student_file, model, folder / "history.parquet", folder / "checkpoints", no_log)
    return model


@pytest.fixture(scope="session")
def era_file(tiny_data, student_file, ant_file, tmp_path_factory) -> Path:
    """ERA after four passes: W_e has left zero."""
    from tiny_data import sections

    from eap.stage import no_log
    from eap.training.era import train_era

    folder = tmp_path_factory.mktemp("era")
    model = folder / "model.safetensors"
    config = sections("train-era", {"era": {"epochs": 4}})
    train_era(
        config, 0, tiny_data, student_file, ant_file, model, folder / "history.parquet", folder / "checkpoints", no_log
    )
    return model


@pytest.fixture(scope="session")
def sync_file(tiny_data, tmp_path_factory) -> Path:
    """A sync expert after ten steps."""
    from tiny_data import sections

    from eap.stage import no_log
    from eap.training.sync_expert import train_sync

    folder = tmp_path_factory.mktemp("sync")
    files = (folder / "model.safetensors", folder / "history.parquet", folder / "checkpoints")
    train_sync(sections("train-sync"), tiny_data, *files, no_log)
    return folder / "model.safetensors"


@pytest.fixture(scope="session")
def faces_file(tiny_data, tmp_path_factory) -> Path:
    """Judge "faces" after twenty steps."""
    from tiny_data import sections

    from eap.stage import no_log
    from eap.training.face_judge import train_judge

    folder = tmp_path_factory.mktemp("faces")
    files = (folder / "model.safetensors", folder / "history.parquet", folder / "checkpoints")
    train_judge(sections("train-judge"), tiny_data, *files, no_log)
    return folder / "model.safetensors"
