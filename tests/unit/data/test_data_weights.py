"""`eap.data.weights`: published weights are tensors, whatever else the file that bears their name holds."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch

from eap.data.weights import read_state
from eap.stage import StageError


class Malicious:
    """Unpickled, it would create a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return (open, (str(self.path), "w"))


@pytest.mark.parametrize("how", ["torch's archive", "torch's old format", "a bare pickle", "under another suffix"])
def test_weights_with_code_are_refused_and_run_nothing(tmp_path: Path, how: str) -> None:
    path = tmp_path / ("w.safetensors" if how == "under another suffix" else "w.pth")
    content = {"conv.weight": torch.zeros(2), "more": Malicious(tmp_path / "pwned")}
    if how == "a bare pickle":
        path.write_bytes(pickle.dumps(content, protocol=2))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=how != "torch's old format")
    with pytest.raises(StageError, match=r"not a file of weights .*; the published one"):
        read_state(path, "the published one")
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize("new", [True, False])
def test_tensors_of_both_formats_are_read(tmp_path: Path, new: bool) -> None:
    torch.save({"module.conv.weight": torch.arange(3.0)}, tmp_path / "w.pth", _use_new_zipfile_serialization=new)
    state = read_state(tmp_path / "w.pth", "any")
    assert {name: value.tolist() for name, value in state.items()} == {"conv.weight": [0.0, 1.0, 2.0]}
