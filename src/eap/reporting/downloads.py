"""Tables that the page carries along as CSV, compressed: a reader needs no Parquet reader and no network."""

from __future__ import annotations

import base64
import gzip
from dataclasses import dataclass

import pandas as pd

from eap.reporting.results import Results

MAX_BYTES = 1_000_000
"""A larger compressed table is named, not carried: frame curves of 400 clips would be most of the page."""
MAX_ROWS = 200_000
"""A longer one is not even written out."""

CARRIED = (
    "summary", "breakdown", "comparisons", "probes", "experiments", "scores", "bias", "saturation", "embeddings",
    "offsets", "curves", "clips", "splits", "shapes",
)  # fmt: skip
HEAVY = {"embeddings": ["z"], "shapes": ["shape"]}
"""Columns that are lists of numbers, left to the Parquet files."""


@dataclass(frozen=True)
class Download:
    """One table; `uri` None: too large to be carried; `kilobytes` None: nobody looked."""

    name: str
    n_rows: int
    kilobytes: int | None
    uri: str | None
    left_out: str


def downloads(found: Results) -> list[Download]:
    """Every table of `CARRIED`."""
    return [_download(name, getattr(found, name)) for name in CARRIED]


def _download(name: str, table: pd.DataFrame) -> Download:
    left_out = HEAVY.get(name, [])
    if len(table) > MAX_ROWS:
        return Download(name, len(table), None, None, ", ".join(left_out))
    text = table.drop(columns=left_out).to_csv(index=False)
    packed = gzip.compress(text.encode(), mtime=0)  # without a time: the same tables give the same page
    uri = f"data:application/gzip;base64,{base64.b64encode(packed).decode()}" if len(packed) <= MAX_BYTES else None
    return Download(name, len(table), max(len(text) // 1000, 1), uri, ", ".join(left_out))
