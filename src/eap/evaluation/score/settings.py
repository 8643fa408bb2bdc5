"""What a user chooses, which weights there are, and the protocol that stands in every result (docs/adr/0015)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from eap.data.faces import predictor_path
from eap.digest import file_sha256
from eap.evaluation.face_track import PUBLISHED_MIN_TRACK
from eap.evaluation.frechet import FEW_FRAMES, MIN_FRAMES
from eap.evaluation.identity import EVERY, MODEL_FILE
from eap.evaluation.syncnet import FPS, MAX_OFFSET, SAMPLE_RATE
from eap.evaluation.weights import WEIGHTS, WeightFile
from eap.stage import StageError

SIZE_PX = 256
"""Pictures are scored at this size (KNOWN for LMD: px at 256)."""
CROP_SCALE = 1.5
"""Side of a face crop / height of the landmarks, as preset `paper` (CHOSEN)."""
ASPECT_TOLERANCE = 0.02
"""Whole frames are compared if their aspect ratios differ by this share at most (CHOSEN)."""
MIN_OVERLAP = 0.5
"""Videos are compared over their common frames, if these are at least this share of the longer one (CHOSEN)."""
MAX_S = 120.0
"""Longer videos are refused: their frames are held in memory (CHOSEN)."""

Crop = Literal["whole", "face"]
SyncProtocol = Literal["whole", "track"]
Voice = Literal["generated", "reference"]


@dataclass(frozen=True)
class Given:
    """A file of weights that was given."""

    path: Path
    sha256: str
    published: bool
    """Whether it is the published file, by its digest."""


@dataclass(frozen=True)
class Settings:
    """One call of `eap score`."""

    crop: Crop
    sync_protocol: SyncProtocol
    min_track: int
    """Frames that a face track needs (sync protocol "track")."""
    voice: Voice
    """Whose sound is scored with the generated video's lips."""
    syncnet: Given | None = None
    emonet: Given | None = None
    lpips: Given | None = None
    inception: Given | None = None

    def weights(self, kind: str) -> Given | None:
        """The file of one of `WEIGHTS`."""
        return getattr(self, kind)


def find_weights(kind: str, path: Path | None) -> Given | None:
    """A given file with its digest, or None if none was given.

    Raises
    ------
    StageError
        If there is no such file: a mistyped path must not look like absent weights.
    """
    if path is None:
        return None
    wanted = WEIGHTS[kind]
    if not path.is_file():
        raise StageError(f"{wanted.option}: {path} is not a file; the published one is {wanted.url}")
    sha256 = file_sha256(path)
    return Given(path.absolute(), sha256, wanted.is_published(sha256))


def protocol(settings: Settings) -> dict[str, Any]:
    """How it was scored, JSON-serialisable."""
    return {
        "frames": f"{FPS} fps by timestamps (a tick shows the nearest frame); frame i of one video against frame i "
        f"of the other; common frames, if at least {MIN_OVERLAP:.0%} of the longer video",
        "picture": _picture(settings),
        "landmarks": {"model": "dlib 68 points, HOG detector, every frame", "sha256": file_sha256(predictor_path())},
        "lmd": "mean distance of points 48-67, px at 256; frames with both faces (coverage)",
        "psnr": "RGB, per frame, then mean over the frames that differ",
        "ssim": "RGB, Gaussian 11 x 11 of sigma 1.5, per frame, then mean",
        "lpips": "v0.1, AlexNet, per frame, then mean",
        "fid": f"2048 features of all frames; none below {MIN_FRAMES} frames on each side, flagged below {FEW_FRAMES}",
        "identity": f"{MODEL_FILE}, every {EVERY}th frame; not ArcFace's CSIM",
        "emotion": f"EmoNet on face crops of {SIZE_PX} px, {CROP_SCALE} x the landmarks' height; intensity = |(v, a)|;"
        " the reference is EmoNet's reading of the reference video; population moments",
        "sync": _sync(settings),
        "aggregation": "mean over clips; RMSE, PCC, CCC and FID over all frames pooled",
        "weights": {kind: _named(settings.weights(kind), file) for kind, file in WEIGHTS.items()},
    }


def _picture(settings: Settings) -> str:
    if settings.crop == "whole":
        return (
            f"whole frames, shorter side {SIZE_PX} px, the generated video brought to the reference's size; refused if "
            f"aspect ratios differ by more than {ASPECT_TOLERANCE:.0%}"
        )
    return (
        f"one square per clip around the face, {CROP_SCALE} x the landmarks' height, {SIZE_PX} px; the reference's "
        "square for both where the videos have one size, else each its own"
    )


def _sync(settings: Settings) -> dict[str, Any]:
    track = settings.sync_protocol == "track"
    return {
        "protocol": settings.sync_protocol,
        "frames": "224 x 224, BGR, 0-255, lossless (the published script goes through JPEG)",
        "crop": f"published face track, longest, at least {settings.min_track} frames (published: more than "
        f"{PUBLISHED_MIN_TRACK}), boxes by dlib (published: S3FD)" if track else "none",
        "sound": f"{SAMPLE_RATE} Hz mono int16 of the {settings.voice} video; python_speech_features' 13 MFCC",
        "offsets": [-MAX_OFFSET, MAX_OFFSET],
        "offset_sign": "positive: the audio is late",
    }  # fmt: skip


def _named(given: Given | None, file: WeightFile) -> dict[str, Any]:
    if given is None:
        return {"absent": file.absence}
    return {"sha256": given.sha256, "published": given.published, "published_url": file.url}
