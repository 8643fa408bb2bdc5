"""A generated video beside its reference, with what several metrics look at."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from eap.data.clip_landmarks import detect_landmarks
from eap.data.crop import CropBox, crop_box, crop_image
from eap.data.media import MediaError
from eap.evaluation.score.settings import ASPECT_TOLERANCE, CROP_SCALE, MIN_OVERLAP, SIZE_PX, Settings
from eap.evaluation.score.video import (
    Draw,
    Source,
    cropped_frame,
    draw_frames,
    face_square,
    open_source,
    scoring_size,
    whole_frame,
)


@dataclass(frozen=True)
class Task:
    """A pair of files to score."""

    clip_id: str
    reference: Path
    generated: Path
    emotion: str | None = None
    """The emotion that the generated video should show."""


class Pair:
    """Both videos, each part of them decoded when it is first asked for.

    Raises
    ------
    MediaError
        If a file's pictures cannot be used; the message says which file's.
    """

    def __init__(self, task: Task, settings: Settings) -> None:
        self.task, self.settings = task, settings
        self.reference = _opened("reference", task.reference)
        self.generated = _opened("generated", task.generated)

    @property
    def n_frames(self) -> int:
        """Frames that both videos have.

        Raises
        ------
        MediaError
            If they are too few.
        """
        n, longer = sorted((len(self.reference), len(self.generated)))
        if n < MIN_OVERLAP * longer:
            raise MediaError(
                f"lengths differ: {len(self.reference)} frames in the reference, {len(self.generated)} in the "
                f"generated video; at least {MIN_OVERLAP:.0%} of the longer one are needed"
            )
        return n

    @cached_property
    def frames(self) -> tuple[np.ndarray, np.ndarray]:
        """Pictures of the reference and of the generated video, RGB uint8 ``[n_frames, h, w, 3]``, of one size.

        Raises
        ------
        MediaError
            If the two cannot be compared.
        """
        n = self.n_frames
        draws = self._whole() if self.settings.crop == "whole" else self._squares()
        both = (
            draw_frames(source, draw)[0] for source, draw in zip((self.reference, self.generated), draws, strict=True)
        )
        reference, generated = (frames[:n] for frames in both)
        return reference, generated

    @cached_property
    def landmarks(self) -> tuple[np.ndarray, np.ndarray]:
        """dlib's points of the same pictures, float32 ``[n_frames, 68, 2]`` in px; NaN where no face was found."""
        reference, generated = (detect_landmarks(frames)[0] for frames in self.frames)
        return reference, generated

    def require_faces(self) -> None:
        """Raise `MediaError` unless some frame shows a face in both videos."""
        for name, points in zip(("reference", "generated"), self.landmarks, strict=True):
            if not np.isfinite(points).any():
                raise MediaError(
                    f"{name}: no face was found in any of {len(points)} frames of {SIZE_PX} px"
                    + (
                        "; where faces are small in the picture, use --crop face"
                        if self.settings.crop == "whole"
                        else ""
                    )
                )
        if not np.isfinite(self.landmarks[0] + self.landmarks[1]).any():
            raise MediaError("no frame shows a face in both videos")
        if apart := int(_apart(*self.landmarks).sum()):
            raise MediaError(
                f"in {apart} of {len(self.landmarks[0])} frames the two faces lie more than a face's width apart: are "
                "there several people in the picture? Cut the videos so that each shows one face"
            )

    def face_crops(self) -> tuple[np.ndarray, np.ndarray]:
        """Faces of both videos, RGB uint8 ``[n_frames, 256, 256, 3]``, one fixed square per video."""
        reference, generated = (
            np.stack([crop_image(frame, box, SIZE_PX) for frame in frames])
            for frames, box in zip(self.frames, map(_square, self.landmarks), strict=True)
        )
        return reference, generated

    def _whole(self) -> tuple[Draw, Draw]:
        (width_r, height_r), (width_g, height_g) = self.reference.size, self.generated.size
        if abs(width_r * height_g / (height_r * width_g) - 1) > ASPECT_TOLERANCE:
            raise MediaError(
                f"aspect ratios differ: reference {width_r} x {height_r} px, generated {width_g} x {height_g} px; "
                "if they are cut differently, use --crop face"
            )
        draw = whole_frame(scoring_size(self.reference))
        return draw, draw

    def _squares(self) -> tuple[Draw, Draw]:
        try:
            own = face_square(self.reference)
        except MediaError as error:
            raise MediaError(f"reference: {error}") from error
        if self.reference.size == self.generated.size:
            return cropped_frame(own), cropped_frame(own)
        try:
            return cropped_frame(own), cropped_frame(face_square(self.generated))
        except MediaError as error:
            raise MediaError(f"generated: {error}") from error


def _opened(name: str, path: Path) -> Source:
    try:
        return open_source(path)
    except MediaError as error:
        raise MediaError(f"{name}: {error}") from error


def _square(landmarks_TP2: np.ndarray) -> CropBox:
    return crop_box(landmarks_TP2[np.isfinite(landmarks_TP2).all((1, 2))], CROP_SCALE)


def _apart(reference_TP2: np.ndarray, generated_TP2: np.ndarray) -> np.ndarray:
    """Bool ``[T]``: frames in which the faces' centres are further apart than the reference's face is wide."""
    width_T = np.linalg.norm(reference_TP2[:, 16] - reference_TP2[:, 0], axis=-1)
    apart_T = np.linalg.norm(reference_TP2.mean(1) - generated_TP2.mean(1), axis=-1)
    return apart_T > width_T  # a comparison with NaN is false
