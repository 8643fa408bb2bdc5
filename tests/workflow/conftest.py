"""The checkout that the workflow's tests share."""

from __future__ import annotations

import shutil

import pytest
from workflow_checkout import ROOT, Checkout


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    root = tmp_path_factory.mktemp("checkout")
    for name in ("src/eap", "workflow"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    (root / "envs").mkdir()
    for name in ("Snakefile", "config.yaml", "envs/eap.yaml"):
        shutil.copy(ROOT / name, root / name)
    return Checkout(root)
