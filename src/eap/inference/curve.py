"""A curve of valence and arousal from a CSV file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from eap.stage import StageError

COLUMNS = ("time_s", "valence", "arousal")


def read_curve(path: Path) -> pd.DataFrame:
    """The points of a curve: columns time_s (ascending, from 0 on), valence and arousal (each in [-1, 1]).

    Raises
    ------
    StageError
        Naming the first line that is wrong.
    """
    if not path.is_file():
        raise StageError(f"--va: {path} is not a file")
    header = ",".join(COLUMNS)
    try:
        curve = pd.read_csv(path, skipinitialspace=True)
    except (ValueError, UnicodeDecodeError) as error:
        raise StageError(
            f"--va: {path} is not a CSV file ({str(error).splitlines()[0]}); its first line must be {header}"
        ) from None
    if sorted(curve.columns) != sorted(COLUMNS) or curve.empty:
        raise StageError(
            f"--va: {path} has {len(curve)} rows and the columns {', '.join(map(str, curve.columns))}; needed are "
            f"{header}, and at least one row"
        )
    curve = curve[list(COLUMNS)].apply(pd.to_numeric, errors="coerce")
    wrong = (
        ~np.isfinite(curve).all(axis=1)
        | (curve.time_s < 0)
        | (curve.time_s.diff() <= 0)
        | (curve[["valence", "arousal"]].abs() > 1).any(axis=1)
    )
    if wrong.any():
        raise StageError(
            f"--va: {path}, line {int(np.flatnonzero(wrong)[0]) + 2}: time_s must be a number that is not negative and "
            "greater than in the line before, valence and arousal numbers from -1 to 1"
        )
    return curve


def sample_curve(curve: pd.DataFrame, start: int, stop: int, fps: int) -> np.ndarray:
    """Valence and arousal of frames start to stop, float32 ``[n, 2]``.

    Linear between the curve's points; before the first and after the last it keeps their values. Frame i stands for
    its middle, ``(i + 1/2) / fps``.
    """
    times = (np.arange(start, stop) + 0.5) / fps
    return np.stack([np.interp(times, curve.time_s, curve[name]) for name in COLUMNS[1:]], axis=1).astype(np.float32)
