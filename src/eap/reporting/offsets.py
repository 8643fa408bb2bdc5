"""How well the sync expert finds a lag that was put in: what the lip-sync scores of this run are worth."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from eap.evaluation.recovery import ENOUGH, recovery


@dataclass(frozen=True)
class Injected:
    """One injected offset: shares of the clips in which it was found exactly, and to within one frame, percent."""

    offset: int
    exact: float
    near: float


@dataclass(frozen=True)
class OffsetView:
    """The table and what it comes to; `good` None: nothing could be measured."""

    rows: tuple[Injected, ...]
    text: str
    good: bool | None


def offset_view(offsets: pd.DataFrame) -> OffsetView:
    """Table ``offsets`` in words and shares."""
    found = recovery(offsets)
    n, silent = int(found["n_clips"]), int(found["n_silent"])
    quiet = f"; {silent} silent clip{'' if silent == 1 else 's'} cannot tell" if silent else ""
    if not n:
        return OffsetView((), f"The sync expert could not be tested: no test clip has sound{quiet}.", None)
    text = (
        f"The expert finds every lag of −6 to 6 frames exactly in {_percent(found['every_offset'], 0)} of {n} test clip"
        f"{'' if n == 1 else 's'} of real video, and in {_percent(found['trials'], 1)} of all trials "
        f"({_percent(found['within_1'], 1)} to within one frame){quiet}."
    )
    heard = offsets.dropna(subset=["found"])
    error = (heard["found"] - heard["injected"]).abs()
    shares = pd.DataFrame({"offset": heard["injected"], "exact": error == 0, "near": error <= 1}).groupby("offset")
    rows = [Injected(int(o), 100 * row["exact"], 100 * row["near"]) for o, row in shares.mean().iterrows()]
    return OffsetView(tuple(rows), text, bool(found["every_offset"] >= ENOUGH))


def _percent(share: float, decimals: int) -> str:
    return f"{100 * share:.{decimals}f}\u00a0%"
