"""Who reads emotion from a video, so that the estimator that trained ERA is never the only judge."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from eap.data.cached_frames import resize_frame
from eap.data.clip_store import Clip, ClipStore
from eap.data.emonet import CLASSES, SIZE, EmoNet
from eap.data.pseudo_labels import smoothed_deviation
from eap.evaluation.faces import FacesJudge
from eap.evaluation.points import PointsJudge
from eap.evaluation.score.emotion import read_emotion
from eap.evaluation.scores import Judged
from eap.losses.intensity import intensity
from eap.synthesis import Synthesizer


@dataclass(frozen=True)
class Judges:
    """Everyone who looks at videos. Without a `face` (no model at hand) judge "era" is absent."""

    store: ClipStore
    points: PointsJudge
    faces: FacesJudge
    face: Synthesizer | None = None
    emonet: EmoNet | None = None
    """Where its weights are at hand."""
    emotions: tuple[str, ...] = ()
    """What the classes of `face` are called."""

    def judge(
        self,
        clip: Clip,
        variant: str,
        frames_THWC: np.ndarray,
        landmarks_TP2: np.ndarray,
        source: Clip | None = None,
    ) -> list[Judged]:
        """What each judge reads from a video of `clip`.

        Parameters
        ----------
        frames_THWC
            uint8 RGB at the model's size.
        landmarks_TP2
            dlib's landmarks of them, px at a 256 scale, NaN where no face was found.
        source
            The clip that lent the picture from which they were drawn; None: they are a recording.
        """
        found = [] if self.face is None else [self.see(clip, variant, frames_THWC)]
        shape = self.store.detected_shape(clip.speaker_id)
        va_T2, shown = self.points(landmarks_TP2, shape)
        found.append(Judged(clip, variant, "points", va_T2, class_T=np.full(len(va_T2), shown, object)))
        va_T2, shown = self.faces(frames_THWC, clip, source)
        found.append(Judged(clip, variant, "faces", va_T2, class_T=np.full(len(va_T2), shown, object)))
        if np.isfinite(self.store.deviation_scale):
            deviation = smoothed_deviation(landmarks_TP2, shape, self.points.fps) / self.store.deviation_scale
            found.append(Judged(clip, variant, "landmarks", None, np.clip(deviation, 0, 1)))
        if self.emonet is not None:
            found.append(self._emonet(clip, variant, frames_THWC))
        return found

    def see(self, clip: Clip, variant: str, frames_THWC: np.ndarray) -> Judged:
        """Judge "era": theta(F(video)) and phi(F(video)) of the model that is scored."""
        return self._theta(clip, variant, "era", *self.face.see(frames_THWC))

    def hear(self, clip: Clip, length: int | None = None) -> Judged:
        """Judge "audio": what the model hears in the clip's voice (of `length` frames), before anything is drawn."""
        e, va = self.face.hear(clip.mel_TM[:length])
        return self._theta(clip, "generated", "audio", va, self.face.phi(e).argmax(-1).cpu().numpy())

    def _theta(self, clip: Clip, variant: str, judge: str, va_T2: np.ndarray, classes_T: np.ndarray) -> Judged:
        named = np.array(self.emotions, object)[classes_T]
        if self.face.intensity is None:
            return Judged(clip, variant, judge, va_T2, class_T=named)
        strength = intensity(torch.from_numpy(va_T2), self.face.intensity).numpy()
        return Judged(clip, variant, judge, None, strength, named)

    def _emonet(self, clip: Clip, variant: str, frames_THWC: np.ndarray) -> Judged:
        """Judge "emonet": the published network, on the prepared crop; it names no class that it does not know."""
        large = np.stack([resize_frame(np.ascontiguousarray(frame), SIZE) for frame in frames_THWC])
        va, logits = read_emotion(self.emonet, large)
        classes = np.array(CLASSES, object)[logits.argmax(1)] if clip.emotion in CLASSES else None
        return Judged(clip, variant, "emonet", va, class_T=classes)
