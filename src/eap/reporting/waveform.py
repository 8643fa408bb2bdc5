"""The sound of a clip as a shape that a chart carries above its curves."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from eap.data.layout import PreparedData
from eap.data.row_groups import iterate_clips
from eap.reporting.results import existing

BIN_S = 0.01
"""Seconds of sound per point of the shape: four for each video frame."""


def read_waveforms(data: PreparedData, clip_ids: Collection[str], sample_rate: int) -> dict[str, str]:
    """SVG path of each clip's sound (`waveform_path`), read shard by shard.

    Parameters
    ----------
    data
        The prepared data: table ``audio``.
    clip_ids
        The clips that are shown.
    sample_rate
        Hz.
    """
    found: dict[str, str] = {}
    for path in data.shards("audio"):
        for clip_id, table in iterate_clips(existing(path), "audio"):
            if clip_id in clip_ids:
                found[clip_id] = waveform_path(np.frombuffer(table["pcm16"][0].as_py(), np.int16), sample_rate)
        if len(found) == len(clip_ids):
            break
    return found


def waveform_path(pcm16: np.ndarray, sample_rate: int) -> str:
    """Outline of a sound: highest sample of each bin forth, lowest back.

    Parameters
    ----------
    pcm16
        int16 samples ``[L]``.

    Returns
    -------
    str
        An SVG path; x in seconds, y between -1 (the loudest sample, above) and 1. Empty for silence.
    """
    size = round(BIN_S * sample_rate)
    bins = len(pcm16) // size
    if bins == 0 or not pcm16.any():
        return ""
    parts = pcm16[: bins * size].reshape(bins, size).astype(np.float64)
    peak = np.abs(parts).max() or 1.0
    seconds = (np.arange(bins) + 0.5) * BIN_S
    above = zip(seconds, -parts.max(1) / peak, strict=True)
    below = zip(seconds[::-1], -parts.min(1)[::-1] / peak, strict=True)
    return "M" + "L".join(f"{x:.5g},{y + 0.0:.3g}" for x, y in [*above, *below]) + "Z"
