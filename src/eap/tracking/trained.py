"""What the registry is told of a trained model, once it is scored."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from eap.data.layout import PreparedData
from eap.digest import file_sha256, value_digest
from eap.reporting.card import write_card
from eap.training.checkpoint import read_record


def describe_model(name: str, era: Path, data: PreparedData, scores: Sequence[Path], card: Path) -> dict[str, Any]:
    """A record for `RunLog.model`; writes the model's card.

    Parameters
    ----------
    name
        Of the registered model; each trained file is a version of it.
    scores
        The model's table of scores, and the controls'.
    """
    write_card(era, data, scores, card)
    record = read_record(era, "train-era")
    tags = {
        "seed": str(record["seed"]),
        "config_digest": value_digest(record["config"]),
        "data_digest": record["data"],
        "code_digest": record["code"],
        "git_sha": record["git_sha"],
    }
    return {
        "name": name, "model": str(era.absolute()), "card": str(card.absolute()), "sha256": file_sha256(era),
        "tags": tags,
    }  # fmt: skip
