"""LSE-D and LSE-C with the published SyncNet, as published (KNOWN), but for JPEG: lossless pixels are scored.

Frames: resized bilinearly to 224 x 224, BGR, 0-255. Sound: 16 kHz int16 values to 13 MFCC at 100/s. With
``L = min(frames, floor(samples / 640))``, windows i = 0 .. L - 6: frames i .. i + 4 and MFCC columns 4 i .. 4 i + 19.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
from python_speech_features import mfcc as published_mfcc

from eap.evaluation.lip_sync import SyncScores, sync_distances, sync_scores
from eap.models.syncnet_v2 import SIDE, STEPS, STEPS_PER_FRAME, WINDOW, FoldedSyncNet

FPS, SAMPLE_RATE = 25, 16000
SAMPLES_PER_FRAME = SAMPLE_RATE // FPS
MAX_OFFSET = 15
"""Offsets searched on each side, frames (KNOWN)."""
MIN_FRAMES = WINDOW + 1
"""The published loop leaves the last window out: five frames give none."""


def to_syncnet_frame(image_HWC: np.ndarray) -> np.ndarray:
    """An RGB uint8 picture as the network takes it: BGR, bilinear, uint8 ``[224, 224, 3]``."""
    return cv2.resize(image_HWC[..., ::-1], (SIDE, SIDE))


def mfcc(pcm16: np.ndarray) -> np.ndarray:
    """13 cepstra per 10 ms of int16 samples ``[n]`` at 16 kHz, float64 ``[S, 13]``.

    python_speech_features with its defaults *is* the definition: 25 ms windows without weighting, pre-emphasis 0.97,
    26 filters, lifter 22, the first cepstrum replaced by the log energy (docs/adr/0014).
    """
    return published_mfcc(np.asarray(pcm16), SAMPLE_RATE)


def n_windows(n_frames: int, n_samples: int) -> int:
    """Windows that the published scorer takes from so many frames and samples."""
    return max(min(n_frames, n_samples // SAMPLES_PER_FRAME) - WINDOW, 0)


def embed_sound(network: FoldedSyncNet, pcm16: np.ndarray, n: int) -> np.ndarray:
    """Embeddings of the first n windows of sound, ``[n, 1024]``; one call serves every video with this sound."""
    cepstra = torch.from_numpy(mfcc(pcm16).T).float()
    windows = cepstra.unfold(1, STEPS, STEPS_PER_FRAME)[:, :n]
    if windows.shape[1] < n:
        raise ValueError(f"n: {n} windows asked of sound that has {windows.shape[1]}")
    return network.embed_sound(windows.permute(1, 0, 2)[:, None]).numpy()


def embed_lips(network: FoldedSyncNet, frames_THWC: np.ndarray, n: int) -> np.ndarray:
    """Embeddings of the first n windows of BGR uint8 frames ``[T, 224, 224, 3]``: ``[n, 1024]``."""
    return network.embed_lips(torch.from_numpy(np.ascontiguousarray(frames_THWC[: n + WINDOW - 1]))).numpy()


def score_sync(
    network: FoldedSyncNet, frames_THWC: np.ndarray, pcm16: np.ndarray, max_offset: int = MAX_OFFSET
) -> SyncScores:
    """Scores of one clip or face track.

    Parameters
    ----------
    frames_THWC
        From `to_syncnet_frame` at 25 fps, uint8 ``[T, 224, 224, 3]``.
    pcm16
        int16 ``[n]`` at 16 kHz; sample 0 belongs to frame 0.

    Raises
    ------
    ValueError
        If there is no window: fewer than six frames, or sound for fewer.
    """
    n = n_windows(len(frames_THWC), len(pcm16))
    if n == 0:
        raise ValueError(
            f"too short for SyncNet: {len(frames_THWC)} frames and {len(pcm16)} samples; needed are {MIN_FRAMES} "
            f"frames and {MIN_FRAMES * SAMPLES_PER_FRAME} samples"
        )
    video, audio = embed_lips(network, frames_THWC, n), embed_sound(network, pcm16, n)
    return sync_scores(sync_distances(video, audio, max_offset))
