"""What a generated file says about itself (docs/adr/0024)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import av

from eap.data.encode import PROVENANCE
from eap.stage import StageError

DIGITAL_SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
"""IPTC's term, which C2PA uses too: made from a picture and a sound by a trained model."""

RECORD_VERSION = 1


def provenance_tags(facts: Mapping[str, Any]) -> dict[str, str]:
    """Metadata of a generated file: a sentence for people (`comment`) and a JSON record (`description`).

    Parameters
    ----------
    facts
        What else the record holds: digests of model and inputs, versions, settings.
    """
    record = {
        "ai_generated": True,
        "digital_source_type": DIGITAL_SOURCE_TYPE,
        "record_version": RECORD_VERSION,
        "tool": "eap",
        **facts,
    }
    return {"comment": PROVENANCE, "description": json.dumps(record, sort_keys=True)}


def read_provenance(path: Path) -> dict[str, Any]:
    """The JSON record of a file that `eap` made.

    Raises
    ------
    StageError
        If the file has none: that does not mean that no machine made it.
    """
    try:
        with av.open(f"file:{path}") as container:
            text = container.metadata.get("description", "")
        record = json.loads(text)
    except (av.error.FFmpegError, json.JSONDecodeError):
        record = None
    if not isinstance(record, dict) or record.get("tool") != "eap":
        raise StageError(f"{path}: carries no provenance record of eap; that says nothing about how it was made")
    return record
