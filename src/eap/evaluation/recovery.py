"""How often an injected lag is found (`eap.evaluation.offsets`), without what measures it."""

from __future__ import annotations

import pandas as pd

ENOUGH = 0.95
"""Share of clips in which every offset should be found, for the expert's scores to be worth reading (CHOSEN)."""


def recovery(rows: pd.DataFrame) -> dict[str, float]:
    """How often the offset was found exactly.

    Parameters
    ----------
    rows
        Of table ``offsets``.

    Returns
    -------
    dict
        every_offset: share of clips in which all offsets were found; trials: share of all trials; within_1: of trials
        that are at most one frame off (all NaN without a clip); n_clips; n_silent, which are not counted in the shares.
    """
    heard = rows.dropna(subset=["found"])
    error = (heard["found"] - heard["injected"]).abs()
    n_clips = heard["clip_id"].nunique()
    return {
        "every_offset": float((error == 0).groupby(heard["clip_id"]).all().mean()) if n_clips else float("nan"),
        "trials": float((error == 0).mean()),
        "within_1": float((error <= 1).mean()),
        "n_clips": float(n_clips),
        "n_silent": float(rows["clip_id"].nunique() - n_clips),
    }
