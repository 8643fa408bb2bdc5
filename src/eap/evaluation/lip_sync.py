"""LSE-D and LSE-C from the embeddings of a sync network (KNOWN, suppl. B.1; SyncNet, Chung & Zisserman 2016).

.. math:: m(o) = \\text{mean}_i || v_i - a_{i+o} + 10^{-6} ||_2, \\quad o \\in [-15, 15]

.. math:: LSE\\text{-}D = \\min_o m(o), \\quad LSE\\text{-}C = \\text{median}_o m(o) - \\min_o m(o)

INFERRED from the published SyncNet evaluation: embeddings are *not* normalised; the audio gets zero vectors before and
after, which count in the means; 1e-6 is added to every coordinate of the difference (torch's `pairwise_distance`). A
data set's score is the unweighted mean over clips.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

COORDINATE_SHIFT = 1e-6


@dataclass(frozen=True)
class SyncScores:
    """Scores of one clip; distances in the embedding's unit."""

    lse_d: float
    """Smallest mean distance: lower is better."""
    lse_c: float
    """Median minus smallest mean distance: higher is better."""
    offset: int
    """Where it is smallest, frames. Positive: the audio is late, video window i fits audio window i + offset. The
    published script prints the opposite sign."""
    at_zero: float
    """m(0), which no shift of the audio can flatter."""


def sync_distances(video_LD: np.ndarray, audio_LD: np.ndarray, max_offset: int = 15) -> np.ndarray:
    """Mean distance between video windows and audio windows for each offset.

    Parameters
    ----------
    video_LD, audio_LD
        ``[L, D]`` embeddings of the windows that start at the same frames.
    max_offset
        Offsets searched on each side, frames.

    Returns
    -------
    np.ndarray
        ``[2 max_offset + 1]``: m(-max_offset) .. m(max_offset), float64.

    Raises
    ------
    ValueError
        If shapes differ, there is no window, a value is not finite or `max_offset` is negative.
    """
    video_LD, audio_LD = np.asarray(video_LD, np.float64), np.asarray(audio_LD, np.float64)
    if video_LD.ndim != 2 or video_LD.shape != audio_LD.shape or len(video_LD) == 0:
        raise ValueError(f"embeddings: need [L > 0, D] twice, got shapes {video_LD.shape} and {audio_LD.shape}")
    if not (np.isfinite(video_LD).all() and np.isfinite(audio_LD).all()):
        raise ValueError("embeddings: some values are not finite; the sync network or its input is broken")
    if max_offset < 0:
        raise ValueError(f"max_offset: must be 0 or more, got {max_offset}")
    length = len(video_LD)
    padded = np.pad(audio_LD, ((max_offset, max_offset), (0, 0)))
    shifted = (padded[start : start + length] for start in range(2 * max_offset + 1))
    return np.array([np.linalg.norm(video_LD - audio + COORDINATE_SHIFT, axis=1).mean() for audio in shifted])


def sync_scores(distances: np.ndarray) -> SyncScores:
    """LSE-D, LSE-C, the offset and m(0).

    Parameters
    ----------
    distances
        ``[2 max_offset + 1]`` from `sync_distances`.

    Raises
    ------
    ValueError
        If their number is not odd, so that there is no offset 0.
    """
    if distances.ndim != 1 or len(distances) % 2 == 0:
        raise ValueError(f"distances: need a series of odd length, got shape {distances.shape}")
    zero, best = len(distances) // 2, int(distances.argmin())
    smallest = float(distances[best])
    return SyncScores(smallest, float(np.median(distances)) - smallest, best - zero, float(distances[zero]))
