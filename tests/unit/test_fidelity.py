"""docs/fidelity.md: every path, name, key and alternative that it tells exists; and what no other test holds."""

from __future__ import annotations

import re
import types
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

import pytest
import torch
from pydantic import BaseModel
from tiny_data import tiny_config
from torch import nn

from eap.config import Config
from eap.training.build import build_ant

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "fidelity.md").read_text(encoding="utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in TEXT.splitlines()
    if line.startswith("| ") and not line.startswith(("| ---", "| item"))
]
SWITCHES = {
    "loss.lip_estimator", "perceptual.network", "perceptual.weights", "critics.form", "critics.emotion_head",
    "critics.real", "loss.inten_form", "loss.inten_target", "loss.metric_form", "loss.intensity", "model.pose_shape",
    "era.ant", "ant.neutralization",
}  # fmt: skip
"""Gaps of the supplement, each of which needs a switch."""


def annotation(key: str) -> Any:
    """The type of a dotted key of the configuration."""
    owner: Any = Config
    *parents, name = key.split(".")
    for parent in parents:
        owner = owner.model_fields[parent].annotation
        assert issubclass(owner, BaseModel), key
    assert name in owner.model_fields, key
    return owner.model_fields[name].annotation


def allowed(kind: Any) -> set[str]:
    """The words of a Literal, also inside a union."""
    if get_origin(kind) is Literal:
        return {str(value) for value in get_args(kind)}
    return set().union(*map(allowed, get_args(kind))) if get_origin(kind) in (Union, types.UnionType) else set()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0][:40])
def test_a_row_tells_what_is_there(row: list[str]) -> None:
    item, mark, code, test, config = row
    assert item
    assert mark in ("KNOWN", "INFERRED", "CHOSEN")
    for cell, pattern in ((code, r"^(?:def|class) {0}\b|^{0}\b.* = "), (test, r"^def {0}\b")):
        path, name = re.fullmatch(r"`([^`:]+)::(\w+)`", cell).groups()
        source = (ROOT / path).read_text(encoding="utf-8")
        assert re.search(pattern.format(name), source, flags=re.MULTILINE), cell
    for key, _, values in re.findall(r"`([a-z_.]+)(: ([^`]+))?`", config):
        kind = annotation(key)
        if values:
            assert set(values.split(", ")) == allowed(kind), key


def test_every_switch_of_the_issue_is_there() -> None:
    told = set(re.findall(r"`([a-z_]+\.[a-z_.]+)", " ".join(row[4] for row in ROWS)))
    assert told >= SWITCHES


def test_ant_is_made_of_convolution_and_transformer_layers() -> None:
    """KNOWN; and all of them take part: each gets a gradient from a picture."""
    torch.manual_seed(0)
    ant = build_ant(tiny_config())
    kinds = {type(module) for module in ant.modules()}
    assert {nn.Conv2d, nn.TransformerEncoderLayer, nn.MultiheadAttention} <= kinds
    b, t = 1, 3
    frames = ant(
        torch.rand(b, 3, 32, 32), torch.rand(b, 68, 2) * 256, torch.rand(b, 68, 2) * 256, torch.randn(b, t, 16, 5),
        torch.rand(b, t, 68, 2) * 256, torch.ones(b, t, dtype=torch.bool),
    )  # fmt: skip
    frames.square().mean().backward()
    weights = [p for part in (ant.transformer, ant.identity_encoder, ant.audio_encoder) for p in part.parameters()]
    assert all(p.grad is not None and p.grad.isfinite().all() for p in weights)
    assert sum(p.grad.abs().sum() for p in ant.transformer.parameters()) > 0
