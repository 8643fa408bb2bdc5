"""Clips under the folders and names of the datasets: the real ones where we have them, phantom takes elsewhere."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

import pandas as pd
from media_files import CLIPS, sections

from eap.config import EMOTIONS
from eap.data.catalog import build_catalog
from eap.data.download import list_source
from eap.data.frames import extract_frames
from eap.data.layout import PreparedData
from eap.schemas import read_table


def catalog_of(root: Path, out: Path, dataset: str, **data) -> pd.DataFrame:
    """Stages ``download`` and ``catalog`` of a folder; the table by clip id."""
    overrides = {"data": {"dataset": dataset} | data, "emotions": list(EMOTIONS)}
    list_source(sections("download", root, overrides), out / "inventory.parquet")
    build_catalog(sections("catalog", root, overrides), out / "inventory.parquet", out / "catalog.parquet")
    return read_table(out / "catalog.parquet", "catalog").set_index("clip_id")


def frames_of(root: Path, out: Path, dataset: str) -> pd.DataFrame:
    """Stage ``frames`` after `catalog_of`; table ``media`` by clip id."""
    config = sections("frames", root, {"data": {"dataset": dataset}})
    files = [out / f"{name}.parquet" for name in ("frames", "audio", "media")]
    extract_frames(config, PreparedData(out).shard("listing", 0), *files)
    return read_table(files[2], "media").set_index("clip_id")


def touch(root: Path, names: Iterable[str]) -> Path:
    """Files of these names whose bytes all differ; content does not matter to the catalog."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"content of " + name.encode())
    return root


def crema_d(root: Path) -> Path:
    """The six real CREMA-D clips in the repository's folder."""
    shutil.copytree(CLIPS / "crema_d", root / "VideoFlash")
    return root


def grid(root: Path, align: str = "{speaker}/align") -> Path:
    """The 13 real GRID clips of s1 and s2 as ``s1/bbaf2n.mpg``, the alignments in folder `align`."""
    for path in sorted((CLIPS / "grid").glob("s*_*.*")):
        speaker, _, name = path.name.partition("_")
        folder = root / (align.format(speaker=speaker) if path.suffix == ".align" else speaker)
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, folder / name)
    return root
