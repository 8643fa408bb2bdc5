"""Who reads emotion from a video, so that the estimator that trained ERA is never the only judge (method 7)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from eap.data.clip_store import Clip, ClipStore
from eap.data.pseudo_labels import smoothed_deviation
from eap.evaluation.points import PointsJudge
from eap.evaluation.scores import Judged
from eap.synthesis import Synthesizer


@dataclass(frozen=True)
class Judges:
    """Everyone who looks at videos. Without a `face` (no model at hand) judge "era" is absent."""

    store: ClipStore
    points: PointsJudge
    face: Synthesizer | None = None

    def judge(self, clip: Clip, variant: str, frames_THWC: np.ndarray, landmarks_TP2: np.ndarray) -> list[Judged]:
        """What each judge reads from a video of `clip`.

        Parameters
        ----------
        frames_THWC
            uint8 RGB at the model's size.
        landmarks_TP2
            dlib's landmarks of them, px at a 256 scale, NaN where no face was found.
        """
        found = [] if self.face is None else [self.look(clip, variant, frames_THWC)]
        shape = self.store.shape(clip.speaker_id)
        va_T2, shown = self.points(landmarks_TP2, shape)
        found.append(Judged(clip, variant, "points", va_T2, shown=shown))
        if np.isfinite(self.store.deviation_scale):
            deviation = smoothed_deviation(landmarks_TP2, shape, self.points.fps) / self.store.deviation_scale
            found.append(Judged(clip, variant, "landmarks", None, np.clip(deviation, 0, 1)))
        return found

    def look(self, clip: Clip, variant: str, frames_THWC: np.ndarray) -> Judged:
        """What F, theta and phi of the model at hand see."""
        if self.face is None:
            raise ValueError("judge 'era' is a trained model's own, and no model is at hand")
        va_T2, classes_T = self.face.see(frames_THWC)
        return Judged(clip, variant, "era", va_T2, shown=self.face.emotions[int(np.bincount(classes_T).argmax())])
