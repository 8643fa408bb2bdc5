"""What every rule must carry, read from the rule files."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from workflow_checkout import ROOT

from eap.cli import __file__ as cli_file
from eap.config import STAGES

RULES = {
    match[1]: match[2]
    for path in sorted((ROOT / "workflow" / "rules").glob("*.smk"))
    for match in re.finditer(
        r"^(?:rule|checkpoint) (\w+):\n(.*?)(?=^\S|\Z)", path.read_text(encoding="utf-8"), flags=re.M | re.S
    )
}
STAGE_OF = {name: re.search(r"\{params\.tracking\} ([\w-]+)", body)[1] for name, body in RULES.items()}


def stage_modules() -> dict[str, str]:
    """The module whose function each command of the command line calls."""
    found = {}
    for node in ast.parse(Path(cli_file).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef):
            others = ("eap.data.layout", "eap.tracking")
            modules = [n.module for n in ast.walk(node) if isinstance(n, ast.ImportFrom) and n.module not in others]
            if modules:
                found[node.name.replace("_", "-")] = modules[0]
    return found


def test_every_stage_has_one_rule() -> None:
    assert sorted(STAGE_OF.values()) == sorted(STAGES)


@pytest.mark.parametrize("name", RULES)
def test_a_rule_carries_everything(name: str) -> None:
    body = RULES[name]
    for directive in ("output", "log", "benchmark", "conda", "threads", "resources", "params", "shell"):
        assert re.search(rf"^    {directive}:", body, flags=re.M), f"{name} has no {directive}"
    for param in ("config", "code"):
        assert re.search(rf"^        {param}=", body, flags=re.M), f"{name} has no param {param}"
    assert re.search(r"mem_mb=(training_)?memory\(", body), f"{name}: retries must get more memory"
    assert "runtime=" in body
    assert "directory(" not in body, "Snakemake deletes an output directory before a job"
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", name)


@pytest.mark.parametrize("name", RULES)
def test_a_rule_records_the_stage_that_it_runs(name: str) -> None:
    """`config=` and `code=` must be those of the command in `shell:`, or changes would be missed."""
    stage = STAGE_OF[name]
    given = (f'stage_sections(cfg, "{stage}")', f'sections("{stage}")', f'sections_unrecorded("{stage}")')
    assert any(f"config={sections}" in RULES[name] or f": {sections}" in RULES[name] for sections in given)
    assert f'code_digest("{stage_modules()[stage]}")' in RULES[name]
