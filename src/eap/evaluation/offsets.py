"""Does the sync score find a lag that was put in? The same pictures, the sound moved by -6 .. 6 frames.

What an expert is worth is measured here on real video, since it judges everything else: LSE of an expert that cannot
find a lag of one frame says little about lips.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from eap.data.clip_store import Clip, ClipStore
from eap.evaluation.lip_sync import sync_distances, sync_scores
from eap.evaluation.variants import choose_clips
from eap.models.syncnet import SyncExpert
from eap.training.sync_expert import embed_clip, embed_sound

INJECTED = range(-6, 7)
"""Frames by which the sound is made late (CHOSEN: the range within which lip-sync papers train)."""
MAX_CLIPS = 100
"""Test clips, spread over speakers and emotions (CHOSEN: a fraction of a hundred is good to 5 % or so)."""


def offset_rows(store: ClipStore, expert: SyncExpert, max_abs: float, max_offset: int) -> list[dict[str, Any]]:
    """Rows of table ``offsets``: every injected offset of up to `MAX_CLIPS` test clips.

    Parameters
    ----------
    max_abs
        Section ``audio``: silence is ``-max_abs`` in every mel column.
    max_offset
        Offsets searched on each side, frames.
    """
    rows = []
    for clip_id in choose_clips(store, MAX_CLIPS):
        clip = store[clip_id]
        found = find_offsets(expert, clip, max_abs, max_offset)
        reason = None if found else "the clip is silent: there is nothing to find"
        common = {"clip_id": clip_id, "speaker_id": clip.speaker_id, "emotion": clip.emotion, "reason": reason}
        rows += [{**common, "injected": offset, "found": found.get(offset)} for offset in INJECTED]
    return rows


def find_offsets(expert: SyncExpert, clip: Clip, max_abs: float, max_offset: int) -> Mapping[int, int]:
    """The offset that the sync score finds, by injected offset; empty for a silent clip."""
    if not (clip.mel_TM > -max_abs).any():
        return {}
    video_LD, _ = embed_clip(expert, clip.frames_THWC, clip.mel_TM)
    found = {}
    for offset in INJECTED:
        audio_LD = embed_sound(expert, delay_sound(clip.mel_TM, offset, -max_abs))
        found[offset] = sync_scores(sync_distances(video_LD, audio_LD, max_offset)).offset
    return found


def delay_sound(mel_TM: np.ndarray, frames: int, silence: float) -> np.ndarray:
    """Mel columns of the same sound, `frames` later (negative: earlier), silence where nothing is known.

    A column is a frame, so this is what moving the waveform by whole frames gives, but for the one sample that
    pre-emphasis sees of the column before.
    """
    moved = np.full_like(mel_TM, silence)
    length = max(len(mel_TM) - abs(frames), 0)
    moved[max(frames, 0) : max(frames, 0) + length] = mel_TM[max(-frames, 0) : max(-frames, 0) + length]
    return moved
