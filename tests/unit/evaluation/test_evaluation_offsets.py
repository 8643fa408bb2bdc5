"""Injected lags: the sound that is moved, who finds it, and how often."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from eap.data.mel import log_mel
from eap.evaluation.offsets import INJECTED, delay_sound, find_offsets, offset_rows
from eap.evaluation.recovery import recovery
from eap.schemas import to_table


class Reader:
    """An expert that sees and hears perfectly: a frame's number stands in its picture and in its mel column."""

    scale = torch.tensor(1.0)

    def embed_video(self, frames_LWCHW):
        return (frames_LWCHW[:, :, 0, -1, -1] + 1) * 127.5

    def embed_audio(self, mel_LMW):
        return mel_LMW[:, 0]


@pytest.fixture
def numbered(store):
    """A clip of 30 frames that show a number each, as loud as it is large."""
    clip = store["ann/happy-0.mp4"]
    n = np.random.default_rng(0).permutation(len(clip))
    frames = np.broadcast_to(n.astype(np.uint8)[:, None, None, None], (len(clip), 8, 8, 3))
    mel = np.repeat(n.astype(np.float32)[:, None], 16, axis=1)
    return replace(clip, frames=frames, mel_TM=mel)


def test_moved_columns_are_those_of_the_moved_waveform() -> None:
    from tiny_data import sections

    audio = sections("mel").audio
    waveform = 0.3 * np.sin(np.arange(20 * 640) ** 1.2 / 50)
    for frames in (-3, 0, 4):
        moved = np.zeros_like(waveform)
        shift = 640 * frames
        moved[max(shift, 0) : len(moved) + min(shift, 0)] = waveform[max(-shift, 0) : len(moved) - max(shift, 0)]
        expected = log_mel(moved, audio)
        found = delay_sound(log_mel(waveform, audio), frames, -audio.max_abs)
        # the first column of the moved sound has no sample before it to subtract
        np.testing.assert_allclose(
            np.delete(found, max(frames, 0), 0), np.delete(expected, max(frames, 0), 0), atol=1e-4
        )


def test_one_who_reads_both_finds_every_lag(numbered) -> None:
    assert find_offsets(Reader(), numbered, 4.0, 10) == {offset: offset for offset in INJECTED}


def test_a_silent_clip_has_no_lag(numbered) -> None:
    assert find_offsets(Reader(), replace(numbered, mel_TM=np.full_like(numbered.mel_TM, -4)), 4.0, 10) == {}


def test_rows_hold_every_test_clip_and_lag(store, sync_file) -> None:
    from eap.training.build import load_sync_expert

    rows = offset_rows(store, load_sync_expert(sync_file), 4.0, 8)
    assert sorted((row["clip_id"], row["injected"]) for row in rows) == [
        (clip_id, offset) for clip_id in store.ids("test") for offset in INJECTED
    ]
    assert all(-8 <= row["found"] <= 8 for row in rows)
    to_table("offsets", rows)


def test_recovery_by_hand() -> None:
    rows = pd.DataFrame(
        [("a", 0, 0), ("a", 1, 1), ("b", 0, 1), ("b", 1, 1), ("mute", 0, None), ("mute", 1, None)],
        columns=["clip_id", "injected", "found"],
    )
    expected = {"every_offset": 0.5, "trials": 0.75, "within_1": 1.0, "n_clips": 2, "n_silent": 1}
    assert recovery(rows) == pytest.approx(expected)
    assert np.isnan(recovery(rows[rows.clip_id == "mute"])["every_offset"])
