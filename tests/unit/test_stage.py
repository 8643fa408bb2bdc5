"""What stages give back."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from eap.stage import StageError, StageResult, no_log


def test_result_is_empty_unless_said_otherwise():
    assert StageResult() == StageResult({}, ())
    StageResult().metrics["x"] = 1  # each has its own
    assert StageResult().metrics == {}


def test_result_is_frozen():
    with pytest.raises(FrozenInstanceError):
        StageResult({"a": 1.0}, (Path("x"),)).artifacts = ()


def test_no_log_keeps_nothing():
    assert no_log({"a": 1.0}, 3) is None


def test_error_is_not_mistaken_for_a_value_error():
    assert not issubclass(StageError, ValueError)
    with pytest.raises(StageError, match="remedy"):
        raise StageError("remedy")
