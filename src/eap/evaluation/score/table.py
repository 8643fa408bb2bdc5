"""The summary in a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

ARROWS = {"lower": "↓", "higher": "↑", "zero": "→ 0"}
FEW = 10
"""Failed clips that are named; the others are counted."""


def print_summary(summary: Mapping[str, Any], console: Console) -> None:
    """Counts, every metric, what is absent, what failed, and the protocol."""
    counts = summary["counts"]
    console.print(", ".join(f"{count} {name}" for name, count in counts.items()))
    table = Table("metric", "", "value", "std", "n", "")
    table.columns[0].no_wrap = True
    for column in table.columns[2:5]:
        column.justify, column.no_wrap = "right", True
    for name, metric in summary["metrics"].items():
        notes = [metric["note"]] if metric["note"] else []
        if metric["n_undefined"] and metric["value"] is not None:
            notes.append(f"not defined in {metric['n_undefined']} clips")
        n = f"{metric['n']} {'frames' if metric['aggregation'] == 'over all frames' else 'clips'}"
        label = f"{name} ({metric['unit']})" if metric["unit"] else name
        values = (_shown(metric["value"]), _shown(metric["std"]))
        table.add_row(label, ARROWS[metric["better"]], *values, n, "; ".join(notes))
    console.print(table)
    if "controls" in summary:
        _print_controls(summary, console)
    for reason, names in _by_reason(summary["absent"]).items():
        console.print(f"absent: {', '.join(names)}: {reason}", soft_wrap=True)  # so that addresses can be copied
    failed = list(summary["failed"].items())
    for clip_id, reason in failed[:FEW]:
        console.print(f"not scored in full: {one_line(clip_id)}: {reason}", soft_wrap=True)
    if len(failed) > FEW:
        console.print(f"... and {len(failed) - FEW} more; see clips.parquet")
    protocol = summary["protocol"]
    sync = protocol["sync"]["protocol"]
    console.print(f"protocol: {protocol['picture']}; sync {sync}; {protocol['aggregation']}", soft_wrap=True)
    for kind, weights in protocol["weights"].items():
        if not weights.get("published", True):
            console.print(f"warning: {kind} weights are not the published file (sha256 {weights['sha256'][:12]}...)")


def _print_controls(summary: Mapping[str, Any], console: Console) -> None:
    controls = summary["controls"]
    table = Table("metric", "", "generated", *controls, title="Beside controls made from the references")
    for column in table.columns[2:]:
        column.justify = "right"
    for name, metric in summary["metrics"].items():
        values = (_shown(of.get(name)) for of in controls.values())
        table.add_row(name, ARROWS[metric["better"]], _shown(metric["value"]), *values)
    console.print(table)
    for name, text in summary["flags"].items():
        console.print(f"! {name} says nothing here: it {text}", soft_wrap=True)


def one_line(name: str) -> str:
    """A clip's name as one line of printable characters: a file may be called anything."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _by_reason(absent: Mapping[str, str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, reason in absent.items():
        found.setdefault(reason, []).append(name)
    return found
