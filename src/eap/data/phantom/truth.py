"""The corpus's ground truth, read back."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from eap.schemas import read_table
from eap.stage import StageError

MANIFEST, TRUTH = "manifest.csv", "truth.parquet"
FPS = 25


def read_truth(root: Path, clip_ids: Iterable[str]) -> dict[str, pd.DataFrame]:
    """Table ``truth`` of the given clips, frame by frame.

    Parameters
    ----------
    root
        Folder of a phantom corpus.
    clip_ids
        ``PERSON/CLIP.mp4``.

    Raises
    ------
    StageError
        If a clip's truth is not there.
    """
    wanted = set(clip_ids)
    found: dict[str, pd.DataFrame] = {}
    for person in sorted({clip_id.split("/")[0] for clip_id in wanted}):
        path = root / person / TRUTH
        if path.is_file():
            rows = read_table(path, "truth")
            found |= {clip_id: own for clip_id, own in rows.groupby("clip_id") if clip_id in wanted}
    lost = wanted - set(found)
    if lost:
        raise StageError(f"{root}: no truth of {min(lost)!r} and {len(lost) - 1} more clips; render the corpus again")
    return found
