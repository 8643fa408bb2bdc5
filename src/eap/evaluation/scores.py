"""From what was measured on a clip to rows of the scores table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from eap.data.clip_store import Clip
from eap.evaluation.intensity import ccc, drop_undefined, pcc, rmse
from eap.evaluation.lip_distance import lmd, opening_amplitude, opening_correlation, width_correlation
from eap.evaluation.lip_sync import sync_distances, sync_scores
from eap.schemas import table_note
from eap.stage import StageError

AGREEMENT = {"rmse": rmse, "pcc": pcc, "ccc": ccc}
QUANTITIES = ("intensity", "valence", "arousal")

MODEL = "eap.model"
"""Note of an evaluation's tables: SHA-256 of the model whose videos they score."""

Value = tuple[str, float, str | None, int]
"""Metric, its value, why it has none if it is not finite, and of how many frames it is."""


def require_model(table: Path, model_sha256: str) -> None:
    """Refuse an evaluation's table that scores the videos of another model than the one with this SHA-256.

    Raises
    ------
    StageError
        If it does, or does not tell.
    """
    scored = table_note(table, MODEL)
    if scored != model_sha256:
        what = f"the model with SHA-256 {scored}" if scored else "a model that it does not name (an older version)"
        raise StageError(
            f"{table}: its scores are of {what}, not of the one with {model_sha256}; run the evaluation again"
        )


@dataclass(frozen=True)
class Judged:
    """Emotion that one judge read, frame by frame, from one variant of one clip."""

    clip: Clip
    variant: str
    judge: str
    va_T2: np.ndarray | None
    """Valence and arousal; None for a judge that reads intensity only."""
    intensity_T: np.ndarray | None = None
    """Given where `va_T2` is not."""
    class_T: np.ndarray | None = None
    """The emotion that it names in each frame; None for a judge that names none."""

    @property
    def named(self) -> str | None:
        """The emotion that it names in most frames."""
        return None if self.class_T is None else Counter(self.class_T.tolist()).most_common(1)[0][0]

    def read(self, quantity: str) -> np.ndarray | None:
        """The judge's ``[T]`` values, or None if this judge does not read the quantity."""
        if self.va_T2 is None:
            return self.intensity_T if quantity == "intensity" else None
        return _quantity(self.va_T2, quantity)

    def true(self, quantity: str) -> np.ndarray:
        """The labels' ``[T]`` values."""
        return _quantity(self.clip.va_T2, quantity)

    def mean(self, quantity: str) -> float | None:
        """Mean of the judge's values over the frames that have one; None if it reads no such thing or saw no face."""
        values = self.read(quantity)
        known = np.zeros(0) if values is None else values[np.isfinite(values)]
        return float(known.mean()) if known.size else None

    def frame_rows(self, seed: int | None) -> pd.DataFrame:
        """Rows of the curves table."""
        columns: dict[str, Any] = {
            "seed": seed,
            "clip_id": self.clip.clip_id,
            "variant": self.variant,
            "judge": self.judge,
            "frame": np.arange(len(self.clip)),
        }
        for quantity in QUANTITIES:
            columns[quantity] = self.read(quantity)
            columns[f"true_{quantity}"] = self.true(quantity)
        return pd.DataFrame(columns)


def clip_rows(
    clip: Clip,
    variant: str,
    landmarks_TP2: np.ndarray,
    video_LD: np.ndarray,
    audio_LD: np.ndarray,
    offsets: int,
    level: str | None = None,
) -> list[dict[str, Any]]:
    """Lip scores of one variant of one clip.

    Parameters
    ----------
    landmarks_TP2
        dlib's landmarks of the variant, px at a 256 scale, NaN where no face was found.
    video_LD, audio_LD
        The sync expert's embeddings.
    offsets
        Offsets searched on each side, frames.
    level
        How strong the emotion was meant, in the dataset's own words.
    """
    real = clip.seen_landmarks_TP2
    plain = lmd(landmarks_TP2, real)
    sync = sync_scores(sync_distances(video_LD, audio_LD, offsets))
    lost = "no face was found in any frame" if plain.n == 0 else None
    still = "the mouth does not move: a correlation is not defined"
    one_width = "the mouth's width does not change: a correlation is not defined"
    frozen = "the real mouth does not move: there is nothing to compare with"
    n, length = plain.n, len(clip)
    values: list[Value] = [
        ("lmd", plain.value, lost, n),
        ("lmd_center", lmd(landmarks_TP2, real, "center").value, lost, n),
        ("lmd_interocular", lmd(landmarks_TP2, real, "interocular").value, lost, n),
        ("opening_correlation", opening_correlation(landmarks_TP2, real), lost or still, n),
        ("opening_amplitude", opening_amplitude(landmarks_TP2, real), lost or frozen, n),
        ("width_correlation", width_correlation(landmarks_TP2, real), lost or one_width, n),
        ("coverage", plain.coverage, None, length),
        ("lse_d_expert", sync.lse_d, None, length),
        ("lse_c_expert", sync.lse_c, None, length),
        ("offset_expert", abs(sync.offset), None, length),
        ("lse_at_zero_expert", sync.at_zero, None, length),
    ]
    return score_rows(clip, variant, values, level)


def score_rows(clip: Clip, variant: str, values: Iterable[Value], level: str | None = None) -> list[dict[str, Any]]:
    """Rows of scores of one clip."""
    return [
        {
            "variant": variant,
            "metric": metric,
            "scope": "clip",
            "clip_id": clip.clip_id,
            "speaker_id": clip.speaker_id,
            "emotion": clip.emotion,
            "level": level,
            "n": n,
            **_value(value, reason),
        }
        for metric, value, reason, n in values
    ]


def accuracy_rows(judged: Iterable[Judged], labelled: bool, level: str | None = None) -> list[dict[str, Any]]:
    """Whether the emotion that a judge names in most frames is the clip's label: 1 or 0, of each judge that names one.

    Of a clip without a label it is not defined.
    """
    rows = []
    for one in judged:
        if one.class_T is not None:
            value = float(one.named == one.clip.emotion) if labelled else float("nan")
            values = [(f"emotion_accuracy/{one.judge}", value, "the clip has no emotion label", len(one.clip))]
            rows += score_rows(one.clip, one.variant, values, level)
    return rows


def pooled_rows(judged: list[Judged]) -> list[dict[str, Any]]:
    """Agreement of intensity, valence and arousal with the labels, pooled over all test frames."""

    def key(j: Judged) -> tuple[str, str]:
        return j.variant, j.judge

    rows = []
    for (variant, judge), group in groupby(sorted(judged, key=key), key=key):
        members = list(group)
        for quantity in QUANTITIES:
            read = [j.read(quantity) for j in members]
            if any(values is None for values in read):
                continue
            predicted, target = drop_undefined(
                np.concatenate(read), np.concatenate([j.true(quantity) for j in members])
            )
            for metric, function in AGREEMENT.items():
                value = function(predicted, target) if len(predicted) else float("nan")
                reason = "prediction or label is constant" if len(predicted) else "no face was found in any frame"
                rows.append(
                    {
                        "variant": variant,
                        "metric": f"{metric}_{quantity}/{judge}",
                        "scope": "pooled",
                        "n": len(predicted),
                        **_value(value, reason),
                    }
                )
    return rows


def _quantity(va_T2: np.ndarray, quantity: str) -> np.ndarray:
    if quantity == "intensity":
        return np.linalg.norm(va_T2, axis=1)
    return va_T2[:, QUANTITIES.index(quantity) - 1]


def _value(value: float, reason: str | None) -> dict[str, Any]:
    """A defined value, or none with its reason."""
    return {"value": float(value), "reason": None} if np.isfinite(value) else {"value": None, "reason": reason}
