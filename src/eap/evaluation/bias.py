"""The input-bias test: one voice, a source face of every emotion.

Where the source's emotion explains what comes out, the face leaked through; where the voice does, it was heard. At
g = 0 nothing but a neutral face should be left, so real neutral clips of the same people stand beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from eap.data.clip_store import Clip
from eap.evaluation.grid import GAINS, real_rows, source_rows, tile_rows
from eap.evaluation.setup import PROBE_DETECT_EVERY, Setup
from eap.evaluation.variants import Source, choose_source_of, find_landmarks

BIAS_GAINS = (0.0, 1.0)
MAX_NEUTRAL = 3
"""Real neutral clips of each person that are looked at."""


def bias_rows(
    setup: Setup, sound: Mapping[str, np.ndarray]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:  # fmt: skip
    """Rows of tables ``bias`` and ``grid``; the grid's pictures and videos are written.

    Parameters
    ----------
    sound
        int16 samples of the clips that the grid shows.
    """
    voices = setup.chosen[: setup.config.evaluation.bias_clips]
    rows: list[dict[str, Any]] = []
    grid: list[dict[str, Any]] = []
    for clip_id in voices:
        clip = setup.store[clip_id]
        sources = find_sources(setup, clip)
        shown = clip_id in sound
        grid += real_rows(setup, clip, sound[clip_id]) if shown else []
        for emotion, source in sources.items():
            grid += source_rows(setup, clip, source) if shown else []
            for gain in GAINS if shown else BIAS_GAINS:
                frames = speak(setup, clip, source, gain)
                if gain in BIAS_GAINS:
                    row = {"source_clip_id": source.clip.clip_id, "source_emotion": emotion, "gain": gain}
                    rows += read_rows(setup, clip, "generated", frames, row, source.clip)
                grid += tile_rows(setup, clip, source, gain, frames, sound[clip_id]) if shown else []
        print(f"evaluate seed {setup.seed}: {clip_id} spoken from sources of {', '.join(sources)}", flush=True)
    for clip_id in neutral_clips(setup, {setup.store.rows(clip_id)["speaker_id"] for clip_id in voices}):
        clip = setup.store[clip_id]
        rows += read_rows(setup, clip, "real", clip.frames[: setup.probe_frames], {})
    return rows, grid


def find_sources(setup: Setup, clip: Clip) -> dict[str, Source]:
    """A source of every emotion of which the person has another clip."""
    found = {e: choose_source_of(setup.store, clip, e, setup.levels["level"]) for e in setup.config.emotions}
    return {emotion: source for emotion, source in found.items() if source is not None}


def speak(setup: Setup, clip: Clip, source: Source, gain: float) -> np.ndarray:
    """uint8 frames of the first seconds of a clip's voice and pose, spoken by another face."""
    length = min(len(clip), setup.probe_frames)
    mel, pose = clip.mel_TM[:length], clip.pose_TP2[:length]
    return setup.face.speak(source.frame_HWC, source.points_P2, source.pose_P2, mel, pose, gain)


def read_rows(
    setup: Setup, clip: Clip, variant: str, frames_THWC: np.ndarray, row: dict[str, Any], source: Clip | None = None
) -> list[dict[str, Any]]:
    """What each judge reads on average; `row`: columns of the source, a picture of clip `source`."""
    landmarks = find_landmarks(frames_THWC, PROBE_DETECT_EVERY)
    common = {
        "variant": variant, "clip_id": clip.clip_id, "speaker_id": clip.speaker_id, "emotion": clip.emotion,
        "level": setup.level(clip.clip_id), "n": len(frames_THWC), **row,
    }  # fmt: skip
    return [
        {
            **common,
            "judge": judged.judge,
            **{quantity: judged.mean(quantity) for quantity in ("valence", "arousal", "intensity")},
            "predicted": judged.named,
        }
        for judged in setup.judges.judge(clip, variant, frames_THWC, landmarks, source)
    ]


def neutral_clips(setup: Setup, speakers: set[str]) -> list[str]:
    """Real neutral test clips of these people."""
    rows = setup.store.clips.loc[setup.store.ids("test")]
    rows = rows[(rows["emotion"] == "neutral") & rows["speaker_id"].isin(speakers)]
    return [clip_id for _, own in rows.groupby("speaker_id") for clip_id in sorted(own.index)[:MAX_NEUTRAL]]
