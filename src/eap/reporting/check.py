"""What a catalog holds: clips per speaker and emotion, which are set aside, and why. Reads tables only."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table

from eap.data.layout import PreparedData
from eap.schemas import read_table
from eap.stage import StageError

COLUMNS = ["clip_id", "dataset", "speaker_id", "emotion", "labelled", "licence", "status", "stage", "reason"]


def check_data(data: Path) -> dict[str, Any]:
    """Counts of the prepared data in a folder, from its table ``clips``, or from ``catalog`` while there is no other.

    Returns
    -------
    dict
        table; n_clips, n_good, n_set_aside, n_speakers (of good clips), n_labelled; datasets, licences; groups: a list
        of speaker, emotion, n_clips, n_good, n_set_aside; reasons: a list of reason, stage, n_clips, example (a clip
        id), commonest first. "Good" is used, or, while nothing is decoded, listed.

    Raises
    ------
    StageError
        If the folder holds neither table.
    """
    prepared = PreparedData(data)
    path = next((path for path in (prepared.clips, prepared.catalog) if path.is_file()), None)
    if path is None:
        raise StageError(
            f"{data} holds neither {prepared.clips.name} nor {prepared.catalog.name}; run "
            "`snakemake --cores 1 build_catalog` first, or name the folder with --data"
        )
    return summarise(read_table(path, path.stem, COLUMNS)) | {"table": str(path)}


def summarise(table: pd.DataFrame) -> dict[str, Any]:
    """The counts of `check_data` of one table."""
    table = table.assign(good=table.status != "set_aside")
    names = table.fillna({"speaker_id": "?", "emotion": "?"})  # files whose names say nothing
    grouped = names.groupby(["speaker_id", "emotion"]).good.agg(["size", "sum"]).reset_index()
    groups = [
        _counts(row.size_, row.sum_) | {"speaker": row.speaker_id, "emotion": row.emotion}
        for row in grouped.rename(columns={"size": "size_", "sum": "sum_"}).itertuples()
    ]
    good = table[table.good]
    return {
        **_counts(len(table), int(table.good.sum())),
        "n_speakers": int(good.speaker_id.nunique()),
        "n_labelled": int(good.labelled.fillna(False).sum()),
        "datasets": sorted(table.dataset.dropna().unique()),
        "licences": sorted(table.licence.dropna().unique()),
        "groups": groups,
        "reasons": _reasons(table[~table.good]),
    }


def print_check(found: dict[str, Any], console: Console) -> None:
    """Show what `check_data` found: a row per speaker, a column per emotion, "good/all" where clips are set aside."""
    console.print(f"{found['table']}: {', '.join(found['datasets']) or 'no dataset named'}")
    console.print(_speaker_table(found["groups"]))
    if found["reasons"]:
        console.print(_reason_table(found["reasons"]))
    console.print(
        f"{found['n_clips']} clips, {found['n_good']} good, {found['n_set_aside']} set aside; "
        f"{found['n_speakers']} speakers; {found['n_labelled']} with an emotion label; "
        f"licence: {'; '.join(found['licences']) or 'not stated'}"
    )


def _counts(n_clips: int, n_good: int) -> dict[str, int]:
    return {"n_clips": int(n_clips), "n_good": int(n_good), "n_set_aside": int(n_clips) - int(n_good)}


def _reasons(aside: pd.DataFrame) -> list[dict[str, Any]]:
    """Reasons that differ only in a quoted name or a number count as one, and are told in the words of the example."""
    aside = aside.fillna({"reason": "no reason given"}).sort_values("clip_id")
    kinds = aside.reason.map(lambda reason: re.sub(r"'[^']*'|\d[\d.]*", "", reason))
    rows = []
    for _, own in aside.groupby(kinds):
        first = own.iloc[0]
        rows.append({"reason": first.reason, "stage": first.stage, "n_clips": len(own), "example": first.clip_id})
    return sorted(rows, key=lambda row: (-row["n_clips"], row["reason"]))


def _speaker_table(groups: list[dict[str, Any]]) -> Table:
    emotions = sorted({group["emotion"] for group in groups})
    table = Table(title="clips (good/all where some are set aside)", title_justify="left")
    table.add_column("speaker")
    for name in (*emotions, "all"):
        table.add_column(name, justify="right")
    speakers = sorted({group["speaker"] for group in groups})
    for speaker in (*speakers, None):
        own = [group for group in groups if speaker in (None, group["speaker"])]
        cells = [_cell([group for group in own if group["emotion"] == emotion]) for emotion in emotions]
        if speaker is None:
            table.add_section()
        table.add_row("all" if speaker is None else speaker, *cells, _cell(own))
    return table


def _cell(groups: list[dict[str, Any]]) -> str:
    n_clips, n_good = (sum(group[name] for group in groups) for name in ("n_clips", "n_good"))
    if not n_clips:
        return ""
    return str(n_clips) if n_clips == n_good else f"{n_good}/{n_clips}"


def _reason_table(reasons: list[dict[str, Any]]) -> Table:
    table = Table(title="set aside", title_justify="left")
    for name, justify in (("clips", "right"), ("stage", "left"), ("reason", "left"), ("for example", "left")):
        table.add_column(name, justify=justify, overflow="fold")
    for row in reasons:
        table.add_row(str(row["n_clips"]), row["stage"], row["reason"], row["example"])
    return table
