"""What the page shows of the prepared data: how long, how large and how well seen the clips are, how strong their
emotions are labelled, and one face of each speaker and emotion."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from eap.data.layout import PreparedData
from eap.evaluation.levels import level_key
from eap.reporting.contact_sheet import Tile, choose_clips, contact_sheet
from eap.reporting.figures import round_step, ticks
from eap.reporting.tables import emotion_order
from eap.schemas import TableFile, check_table

MAX_BINS = 24
INTENSITY_STEP = 0.05
NO_LEVEL = "no level"
Counts = tuple[tuple[str, tuple[int, ...]], ...]
BATCH_ROWS = 1 << 18
"""Label rows in memory at once: a large corpus has tens of millions."""


@dataclass(frozen=True)
class Histogram:
    """Bars (what they count in words, height in percent of the highest) over ticks (label, position in percent)."""

    title: str
    description: str
    unit: str
    bars: tuple[tuple[str, float], ...]
    ticks: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Corpus:
    """What the page shows of the clips; `sheet` has a row per speaker: its name and a tile, or None, per emotion."""

    facts: tuple[tuple[str, str], ...]
    histograms: tuple[Histogram, ...]
    levels: tuple[str, ...]
    by_level: Counts
    intensities: tuple[Histogram, ...]
    emotions: tuple[str, ...]
    sheet: tuple[tuple[str, tuple[Tile | None, ...]], ...]
    n_speakers: int


def describe_corpus(data: PreparedData, clips: pd.DataFrame, fps: int, size: int) -> Corpus:
    """Describe the used clips.

    Parameters
    ----------
    data
        The prepared data: reads ``labels``, and ``frames`` for the contact sheet.
    clips
        Table ``clips``.
    fps, size
        Frame rate (Hz) and side (px) of the cached frames.

    Raises
    ------
    StageError
        If the labels or frames of a used clip are missing.
    """
    used = clips[clips["status"] == "used"]
    emotions = emotion_order(used["emotion"])
    levels, by_level = level_table(used, emotions)
    chosen = choose_clips(used)
    intensities, peaks = read_intensities(data.labels, used.set_index("clip_id")["emotion"], set(chosen["clip_id"]))
    return Corpus(
        facts=corpus_facts(used, fps),
        histograms=clip_histograms(clips, fps, size),
        levels=levels,
        by_level=by_level,
        intensities=tuple(intensity_histograms({emotion: intensities[emotion] for emotion in emotions})),
        emotions=tuple(emotions),
        sheet=tuple(contact_sheet(data, chosen, peaks, emotions)),
        n_speakers=used["speaker_id"].nunique(),
    )


def corpus_facts(used: pd.DataFrame, fps: int) -> tuple[tuple[str, str], ...]:
    """Names and values, in words."""
    n_frames = int(used["n_frames"].fillna(0).sum())
    minutes = n_frames / fps / 60
    licences = used["licence"].fillna("not stated").value_counts()
    return (
        ("Clips", f"{len(used):,}"),
        ("Speakers", f"{used['speaker_id'].nunique():,}"),
        ("Video", f"{minutes / 60:.1f} h" if minutes >= 90 else f"{minutes:.1f} min"),
        ("Frames", f"{n_frames:,} at {fps} per second"),
        ("Data sets", ", ".join(sorted(used["dataset"].dropna().unique())) or "not stated"),
        ("Licences", ", ".join(f"{name} ({n:,})" for name, n in sorted(licences.items()))),
    )


def clip_histograms(clips: pd.DataFrame, fps: int, size: int) -> tuple[Histogram, ...]:
    """Durations and face sizes of the used clips; coverage of all clips whose faces were looked for."""
    used = clips[clips["status"] == "used"]
    faces = used["crop_size_px"].dropna()
    enlarged = f"; {int((faces < size).sum()):,} are smaller than the cache's {size} px and were enlarged"
    found = (
        histogram("Duration", used["n_frames"].dropna() / fps, "s"),
        histogram("Face square in the source picture", faces, "px", enlarged),
        histogram(
            "Frames with a detected face, clips set aside included",
            100 * clips["coverage"].dropna(),
            "%",
            within=(90, 100),
        ),
    )
    return tuple(drawn for drawn in found if drawn is not None)


def histogram(
    title: str, values: pd.Series, unit: str, remark: str = "", within: tuple[float, float] | None = None
) -> Histogram | None:
    """Clips counted in bins of a round width; None without values. `within`: a range that the axis includes."""
    values = values.to_numpy(np.float64)
    if not len(values):
        return None
    ends = np.array([values.min(), values.max(), *(within or ())])
    low, high = ends.min(), ends.max()
    step = round_step(low, high, MAX_BINS) if high > low else max(abs(low), 1.0) / 10
    first = np.floor(low / step + 1e-9)
    n_bins = max(int(np.ceil(high / step - 1e-9) - first), 1)
    edges = (first + np.arange(n_bins + 1)) * step
    counts = np.histogram(np.clip(values, edges[0], edges[-1]), edges)[0]
    told = (
        f"{title}: {len(values):,} clips from {values.min():.4g} to {values.max():.4g} {unit}, "
        f"median {np.median(values):.4g} {unit}"
    )
    return _drawn(title, told + remark, unit, counts, edges, "clips")


def level_table(used: pd.DataFrame, emotions: list[str]) -> tuple[tuple[str, ...], Counts]:
    """The levels, and clips by emotion: of each level, and all; no levels where the data set has none."""
    known = sorted(used["intensity_level"].dropna().unique(), key=level_key)
    levels = (*known, NO_LEVEL) if known and used["intensity_level"].isna().any() else tuple(known)
    level_of = used["intensity_level"].fillna(NO_LEVEL)
    rows = []
    for emotion in emotions:
        own = level_of[used["emotion"] == emotion]
        rows.append((emotion, (*(int((own == level).sum()) for level in levels), len(own))))
    return levels, tuple(rows)


def read_intensities(
    labels: Path, emotion_of: pd.Series, chosen: Collection[str]
) -> tuple[dict[str, tuple[np.ndarray, float]], dict[str, int]]:
    """Intensities ``sqrt(valence^2 + arousal^2)`` by emotion, read a part of the table at a time.

    Returns
    -------
    tuple
        Counts in bins of `INTENSITY_STEP` from 0, and the mean, by emotion; the frame of the highest intensity by clip,
        for the chosen clips.
    """
    check_table(labels, "labels")
    n_bins = int(np.ceil(2**0.5 / INTENSITY_STEP))
    counts = {emotion: np.zeros(n_bins, np.int64) for emotion in emotion_of.unique()}
    sums, peaks = dict.fromkeys(counts, 0.0), {}
    for batch in TableFile(labels).iter_batches(BATCH_ROWS, columns=["clip_id", "frame", "valence", "arousal"]):
        rows = batch.to_pandas()
        rows["emotion"] = rows["clip_id"].map(emotion_of)
        rows["intensity"] = np.hypot(rows["valence"], rows["arousal"]).round(4)
        for emotion, values in rows.dropna().groupby("emotion")["intensity"]:
            # Right-closed bins, so that full intensity is no bin of its own
            bins = np.maximum(np.ceil(values / INTENSITY_STEP - 1e-6) - 1, 0).astype(int).clip(upper=n_bins - 1)
            counts[emotion] += np.bincount(bins, minlength=n_bins)
            sums[emotion] += float(values.sum())
        for row in rows[rows["clip_id"].isin(chosen)].dropna().itertuples():
            if row.intensity > peaks.get(row.clip_id, (-1.0, 0))[0]:
                peaks[row.clip_id] = (row.intensity, row.frame)
    means = {emotion: sums[emotion] / max(int(count.sum()), 1) for emotion, count in counts.items()}
    frames = {clip_id: int(frame) for clip_id, (_, frame) in peaks.items()}
    return {emotion: (counts[emotion], means[emotion]) for emotion in counts}, frames


def intensity_histograms(found: dict[str, tuple[np.ndarray, float]]) -> list[Histogram]:
    """One histogram per emotion, all over the same range."""
    filled = [np.flatnonzero(counts)[-1] + 1 for counts, _ in found.values() if counts.any()]
    n_bins = max([round(1 / INTENSITY_STEP), *filled])
    edges = np.arange(n_bins + 1) * INTENSITY_STEP
    return [
        _drawn(
            emotion, f"{emotion}: {counts.sum():,} frames, mean {mean:.2f}", "", counts[:n_bins], edges,
            "frames",
        )
        for emotion, (counts, mean) in found.items()
    ]  # fmt: skip


def _drawn(title: str, told: str, unit: str, counts: np.ndarray, edges: np.ndarray, what: str) -> Histogram:
    heights = 100 * counts / max(counts.max(), 1)
    bars = tuple(
        (f"{low:.4g} to {high:.4g}{f' {unit}' if unit else ''}: {n:,} {what}", round(float(height), 2))
        for low, high, n, height in zip(edges, edges[1:], counts, heights, strict=False)
    )
    return Histogram(title, told, unit, bars, ticks(edges[0], edges[-1], 4))
