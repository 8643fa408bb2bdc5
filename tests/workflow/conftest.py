"""The checkout that the workflow's tests share."""

from __future__ import annotations

import pytest
from workflow_checkout import Checkout, copy_checkout


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    return copy_checkout(tmp_path_factory.mktemp("checkout"))
