"""Section "Clips": one card per test clip with its players, and its emotion over time beside the truth."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pandas as pd

from eap.experiments import BASE
from eap.reporting.figures import Chart, chart, line
from eap.reporting.media import Medium, data_uri, media
from eap.reporting.metrics import VARIANTS, variant_key
from eap.reporting.results import Results
from eap.reporting.waveform import read_waveforms

QUANTITIES = ("intensity", "valence", "arousal")
MAIN = "generated"
"""The variant whose curves are drawn large, under the sound."""


def clip_cards(found: Results, most: int, fps: int, sample_rate: int) -> list[dict[str, Any]]:
    """One card per shown clip: for each seed its media, and its curves.

    Parameters
    ----------
    most
        Cards.
    fps, sample_rate
        Hz, of pictures and of sound.
    """
    own = found.videos[found.videos["experiment"] == BASE]
    shown = spread_clips(own, most)
    waves = read_waveforms(found.data, set(shown), sample_rate)
    cards = []
    for clip_id in shown:
        rows = own[own["clip_id"] == clip_id]
        first = rows.iloc[0]
        rounds = [
            {
                "seed": seed,
                "source_clip_id": part["source_clip_id"].iloc[0],
                "source_emotion": part["source_emotion"].iloc[0],
                "media": [*media(part, found.folder(seed)), *_others(found, clip_id, seed)],
            }
            for seed, part in rows.groupby("seed")
        ]
        charts = {quantity: curve_charts(found.curves, clip_id, fps, quantity) for quantity in QUANTITIES}
        main = charts["intensity"].pop(MAIN, None)
        cards.append(
            {
                "clip_id": clip_id, "speaker_id": first["speaker_id"], "emotion": first["emotion"], "rounds": rounds,
                "timeline": None if main is None else replace(main, wave=waves.get(clip_id, "")),
                "charts": {quantity: list(drawn.values()) for quantity, drawn in charts.items()},
            }
        )  # fmt: skip
    return cards


def _others(found: Results, clip_id: str, seed: int) -> Iterable[Medium]:
    """The same clip's emotional video from every other experiment, same seed."""
    rows = found.videos[(found.videos["clip_id"] == clip_id) & (found.videos["seed"] == seed)]
    for row in rows[(rows["experiment"] != BASE) & (rows["variant"] == "emotional")].itertuples():
        uri = data_uri(found.folder(seed, row.experiment) / row.path)
        yield Medium(row.variant, f"{row.experiment}, g = 1", True, uri)


def curve_charts(curves: pd.DataFrame, clip_id: str, fps: int, quantity: str) -> dict[str, Chart]:
    """One chart per variant of a clip: the truth, and each judge's curve for each seed, against seconds."""
    clip = curves[curves["clip_id"] == clip_id]
    charts = {}
    for variant in sorted(clip["variant"].unique(), key=variant_key):
        rows = clip[clip["variant"] == variant]
        truth = rows.drop_duplicates("frame").sort_values("frame")
        lines = [line("truth", "truth", None, truth["frame"] / fps, truth[f"true_{quantity}"])]
        for (judge, seed), part in rows.groupby(["judge", "seed"], sort=True, dropna=False):
            own = None if pd.isna(seed) else int(seed)  # a control, the same for every seed
            part, name = part.sort_values("frame"), judge if own is None else f"{judge}, seed {own}"
            lines.append(line(name, f"judge-{judge}", own, part["frame"] / fps, part[quantity]))
        label = VARIANTS.get(variant, (variant, ""))[0]
        description = f"{quantity} of {clip_id}, {label.lower()}, over time: " + ", ".join(part.name for part in lines)
        charts[variant] = chart(label, description, "s", lines, floor=0.0 if quantity == "intensity" else None)
    return {variant: drawn for variant, drawn in charts.items() if drawn is not None}


def spread_clips(videos: pd.DataFrame, count: int) -> list[str]:
    """At most `count` clips, taken in turn from each speaker and emotion."""
    clips = videos.drop_duplicates("clip_id").sort_values("clip_id")
    turn = clips.groupby(["emotion", "speaker_id"], dropna=False).cumcount()
    order = clips.assign(turn=turn).sort_values(["turn", "emotion", "clip_id"])
    return sorted(order["clip_id"].head(count))
