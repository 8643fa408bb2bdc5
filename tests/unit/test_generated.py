"""Files that `make lock` generates are in step with their sources."""

from __future__ import annotations

import json
import re
from pathlib import Path

import yaml

from eap.config import json_schema, load_config

ROOT = Path(__file__).parents[2]
REMEDY = "run `make lock` (the schema alone: python -m eap config-schema > workflow/schemas/config.schema.json)"


def test_json_schema_is_in_step() -> None:
    written = json.loads((ROOT / "workflow" / "schemas" / "config.schema.json").read_text(encoding="utf-8"))
    assert written == json.loads(json.dumps(json_schema())), REMEDY


def test_json_schema_accepts_the_paper_and_refuses_what_the_models_refuse() -> None:
    """Editors and other tools read the schema: it must be closed like the models."""
    from jsonschema import Draft202012Validator

    validator = Draft202012Validator(json.loads((ROOT / "workflow" / "schemas" / "config.schema.json").read_text()))
    paper = load_config({}, ROOT / "workflow" / "presets").model_dump(mode="json")
    assert validator.is_valid(paper)
    assert not validator.is_valid({**paper, "extra": 1})
    assert not validator.is_valid({**paper, "ant": {**paper["ant"], "epochs": 0}})


def test_conda_environment_pins_the_locked_versions() -> None:
    locked = re.findall(r"^([\w.-]+==\S+)", (ROOT / "envs" / "requirements.txt").read_text(), flags=re.MULTILINE)
    packages = yaml.safe_load((ROOT / "envs" / "eap.yaml").read_text())["dependencies"]
    assert packages[-1]["pip"] == locked, REMEDY


def test_locked_requirements_carry_hashes_and_name_no_host() -> None:
    text = (ROOT / "envs" / "requirements.txt").read_text()
    packages = re.split(r"\n(?=[\w.-]+==)", text)
    assert len(packages) > 100
    assert all("--hash=sha256:" in package for package in packages)
    assert "://" not in text
    assert "--index" not in text
