"""What a video's pictures are worth beside the recording's, whatever the lips do.

PSNR, SSIM and LPIPS at the model's size, frame by frame: the recording at this size is the reference, so what the size
itself costs is not in them. Identity at 256 px, once a second (`eap score`: five times). FID over all frames.
LSE of the published SyncNet with the clip's own sound, whatever voice the video was made from.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from eap.data.cached_frames import resize_frame
from eap.data.clip_store import Clip
from eap.data.pose import LANDMARK_SCALE_PX
from eap.evaluation.frechet import MIN_FRAMES, FrechetDistance
from eap.evaluation.identity import compare_faces, embed_faces
from eap.evaluation.image import mean_psnr, psnr, ssim
from eap.evaluation.networks import Networks
from eap.evaluation.scores import Value, score_rows
from eap.evaluation.syncnet import score_sync, to_syncnet_frame

IDENTITY_EVERY = 25
"""Frames between two whose faces are compared (CHOSEN: at 30 ms each, every fifth would be most of scoring)."""


class Pictures:
    """Scores the videos of one clip after the other, and keeps what FID needs of all.

    Parameters
    ----------
    networks
        Those whose weights are at hand.
    """

    def __init__(self, networks: Networks) -> None:
        self.networks = networks
        self._distances: dict[str, FrechetDistance] = {}
        self._reference: tuple[str, np.ndarray, np.ndarray | None] | None = None

    def rows(
        self,
        clip: Clip,
        variant: str,
        frames_THWC: np.ndarray,
        landmarks_TP2: np.ndarray,
        pcm16: np.ndarray,
        level: str | None = None,
    ) -> list[dict[str, Any]]:
        """Rows of the scores table for one variant of a clip.

        Parameters
        ----------
        frames_THWC
            uint8 RGB at the model's size, as many as the clip has.
        landmarks_TP2
            dlib's landmarks of them, px at a 256 scale, NaN where no face was found.
        pcm16
            The clip's own sound, int16 at 16 kHz.
        """
        real = clip.frames_THWC
        values = [*_pixels(frames_THWC, real), *self._identity(clip, real, frames_THWC, landmarks_TP2)]
        if self.networks.lpips is not None:
            values.append(("lpips", float(self.networks.lpips(frames_THWC, real).mean()), None, len(real)))
        if self.networks.inception is not None:
            distance = self._distances.setdefault(variant, FrechetDistance())
            distance.add(self._features(clip, real), real=True)
            distance.add(self.networks.inception(np.ascontiguousarray(frames_THWC)), real=False)
        if self.networks.syncnet is not None:
            values += self._sync(frames_THWC, pcm16)
        return score_rows(clip, variant, values, level)

    def pooled_rows(self) -> list[dict[str, Any]]:
        """FID of every variant that was seen, over all frames; refused where these are too few."""
        rows = []
        for variant, distance in self._distances.items():
            n = min(distance.n)
            few = f"refused: {n} frames, needed are {MIN_FRAMES}"
            value = {"value": None, "reason": few} if n < MIN_FRAMES else {"value": distance.compute(), "reason": None}
            rows.append({"variant": variant, "metric": "fid", "scope": "pooled", "n": n, **value})
        return rows

    def _identity(self, clip: Clip, real: np.ndarray, frames: np.ndarray, landmarks: np.ndarray) -> list[Value]:
        theirs, _ = self._known(clip, real)
        cosine, distance, n = compare_faces(_embed(frames, landmarks), theirs)
        lost = "no face was found in any frame that is compared"
        return [("identity_cosine", cosine, lost, n), ("identity_distance", distance, lost, n)]

    def _features(self, clip: Clip, real: np.ndarray) -> np.ndarray:
        return self._known(clip, real)[1]

    def _known(self, clip: Clip, real: np.ndarray) -> tuple[np.ndarray, Any]:
        """What the recording gives, once for all variants of a clip: its face, and its features for FID."""
        if self._reference is None or self._reference[0] != clip.clip_id:
            inception = self.networks.inception
            features = None if inception is None else inception(real)
            self._reference = clip.clip_id, _embed(real, clip.landmarks_TP2), features
        return self._reference[1:]

    def _sync(self, frames: np.ndarray, pcm16: np.ndarray) -> list[Value]:
        found = score_sync(self.networks.syncnet, np.stack([to_syncnet_frame(frame) for frame in frames]), pcm16)
        return [
            ("lse_d", found.lse_d, None, len(frames)),
            ("lse_c", found.lse_c, None, len(frames)),
            ("offset", float(abs(found.offset)), None, len(frames)),
            ("lse_at_zero", found.at_zero, None, len(frames)),
        ]


def _pixels(frames: np.ndarray, real: np.ndarray) -> list[Value]:
    frames = np.ascontiguousarray(frames)
    decibels, n = mean_psnr(psnr(frames, real))
    return [
        ("psnr", decibels, "every frame equals the recording's: infinite", n),
        ("ssim", float(ssim(frames, real).mean()), None, len(real)),
    ]


def _embed(frames: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    large = [resize_frame(np.ascontiguousarray(frame), int(LANDMARK_SCALE_PX)) for frame in frames[::IDENTITY_EVERY]]
    return embed_faces(np.stack(large), landmarks[::IDENTITY_EVERY])
