"""The sync expert's windows, loss and training."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from tiny_data import sections

from eap.data.windows import to_image
from eap.models.syncnet import SyncExpert
from eap.schemas import read_table
from eap.stage import no_log
from eap.training.build import load_sync_expert
from eap.training.sync_expert import clip_windows, draw_windows, embed_clip, match_loss, train_sync


class Constant:
    """An expert to whom everything looks and sounds the same."""

    scale = torch.tensor(1.0)

    def embed_video(self, lips):
        return torch.ones(len(lips), 4)

    embed_audio = embed_video


class Perfect(Constant):
    """An expert that reads both from the first pixel."""

    scale = torch.tensor(50.0)

    def embed_video(self, lips):
        return lips.flatten(1)[:, :1]

    embed_audio = embed_video


def test_windows_of_frames_and_sound_are_of_the_same_time():
    frames = torch.arange(10).reshape(10, 1, 1, 1)
    mel = torch.arange(10.0)[:, None].expand(10, 3)
    lips, sound = clip_windows(frames, mel, np.array([0, 4, 5]))
    assert lips[:, :, 0, 0, 0].tolist() == [[0, 1, 2, 3, 4], [4, 5, 6, 7, 8], [5, 6, 7, 8, 9]]
    assert sound.shape == (3, 3, 5)
    assert sound[:, 1].tolist() == lips[:, :, 0, 0, 0].tolist()


def test_drawn_windows_come_from_one_clip_at_different_times(store):
    lips, sound = draw_windows(store, store.ids("train"), np.random.default_rng(0), 3, 8)
    assert lips.shape == (3, 8, 5, 3, 32, 32)
    assert sound.shape == (3, 8, 16, 5)
    for clip_lips, clip_sound in zip(lips, sound, strict=True):
        owners = []
        for clip_id in store.ids("train"):
            mel = torch.from_numpy(store[clip_id].mel_TM)
            starts = [s for s in range(26) if any(torch.equal(mel[s : s + 5].T, w) for w in clip_sound)]
            if len(starts) == 8:
                owners.append(clip_id)
        assert len(owners) == 1
        frames = to_image(store[owners[0]].frames_THWC)
        mel = torch.from_numpy(store[owners[0]].mel_TM)
        for window, tone in zip(clip_lips, clip_sound, strict=True):
            (start,) = [s for s in range(26) if torch.equal(mel[s : s + 5].T, tone)]
            assert torch.equal(frames[start : start + 5], window)


def test_more_windows_than_the_clip_has(store):
    lips, _ = draw_windows(store, store.ids("test"), np.random.default_rng(0), 3, 100)
    assert lips.shape[:2] == (3, 26)


@pytest.mark.parametrize("length", [2, 8, 24])
def test_chance_is_the_logarithm_of_the_windows(length):
    loss, accuracy = match_loss(Constant(), torch.rand(3, length, 1), torch.rand(3, length, 1))
    assert loss.item() == pytest.approx(math.log(length), rel=1e-6)
    assert accuracy.item() == pytest.approx(1 / length)


def test_only_windows_of_the_same_clip_compete():
    """The same contents in every clip: a competitor elsewhere would cost half of the probability."""
    values = torch.arange(6.0)[None, :, None].expand(4, 6, 1)
    loss, accuracy = match_loss(Perfect(), values, values)
    assert loss.item() == pytest.approx(0, abs=1e-6)
    assert accuracy.item() == 1


def test_a_shifted_sound_does_not_match():
    values = torch.arange(6.0)[None, :, None]
    loss, accuracy = match_loss(Perfect(), values, values.roll(1, 1))
    assert loss > 10
    assert accuracy.item() == 0


def test_learns_a_small_task():
    """Brightness of the lower half and loudness rise and fall together."""
    torch.manual_seed(0)
    expert = SyncExpert(16, 4, 8)
    optimizer = torch.optim.Adam(expert.parameters(), 5e-3)
    losses = []
    for _ in range(120):
        level = torch.rand(2, 8, 1) * 2 - 1
        lips = level[..., None, None, None].expand(2, 8, 5, 3, 32, 32) + 0.05 * torch.randn(2, 8, 5, 3, 32, 32)
        sound = 4 * level[..., None].expand(2, 8, 16, 5)
        loss, accuracy = match_loss(expert, lips, sound)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert np.mean(losses[-10:]) < 0.5 * math.log(8)
    assert accuracy > 0.4


def test_embeddings_of_a_whole_clip(sync_file, store):
    expert, clip = load_sync_expert(sync_file), store["ann/happy-0.mp4"]
    video, audio = embed_clip(expert, clip.frames_THWC, clip.mel_TM)
    assert video.shape == audio.shape == (26, 16)
    alone = embed_clip(expert, clip.frames_THWC[7:12], clip.mel_TM[7:12])
    np.testing.assert_allclose(video[7:8], alone[0], atol=1e-5)
    np.testing.assert_allclose(audio[7:8], alone[1], atol=1e-5)
    still = np.broadcast_to(clip.frames_THWC[3], clip.frames_THWC.shape)
    assert np.ptp(embed_clip(expert, still, clip.mel_TM)[0], axis=0).max() < 1e-5


def test_training_reports_chance_and_repeats_itself(tiny_data, sync_file, tmp_path):
    files = (tmp_path / "m.safetensors", tmp_path / "h.parquet", tmp_path / "checkpoints")
    result = train_sync(sections("train-sync"), tiny_data, *files, no_log)
    assert result.metrics["validation_chance_loss"] == pytest.approx(math.log(8))
    again, first = load_sync_expert(tmp_path / "m.safetensors"), load_sync_expert(sync_file)
    assert all(torch.equal(value, first.state_dict()[key]) for key, value in again.state_dict().items())
    history = read_table(tmp_path / "h.parquet", "history")
    assert set(history[history.part == "validation"].term) == {"loss", "chance_loss", "accuracy"}
