"""The contact sheet shows the right frames, stays small, and is always the same."""

from __future__ import annotations

import base64
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from report_results import FPS, ODD_CLIP, make_results, strongest

from eap.data.jpeg import decode_jpeg
from eap.data.layout import PreparedData
from eap.reporting.contact_sheet import MAX_SPEAKERS, TILE_PX, choose_clips
from eap.reporting.corpus import describe_corpus
from eap.schemas import read_table, write_table
from eap.stage import StageError


def test_the_sheet_shows_the_strongest_frame_of_the_highest_level(tmp_path: Path) -> None:
    data = PreparedData(make_results(tmp_path, seeds=(0,)) / "data")
    clips = read_table(data.clips, "clips")
    found = describe_corpus(data, clips, FPS, 256)
    assert found.emotions == ("neutral", "happy", "sad")
    (first, tiles), (second, others) = found.sheet
    assert (first, second, found.n_speakers) == ("1001", "s1", 2)
    assert [tile is None for tile in tiles + others] == [True, False, False, False, True, True]
    happy = tiles[1]
    frame = strongest({"n_frames": int(clips.set_index("clip_id")["n_frames"][ODD_CLIP])})
    assert happy.alt == f"happy face of speaker 1001: frame {frame} of {ODD_CLIP}"  # its level is high, not low
    image = decode_jpeg(base64.b64decode(happy.uri.partition(",")[2]))
    assert image.shape == (TILE_PX, TILE_PX, 3)
    assert image[..., 0].mean() > 240  # only the strongest frame is red


def test_many_speakers_are_sampled_evenly_and_always_alike() -> None:
    rows = [
        (f"S{i:03d}/{e}/{n}", f"S{i:03d}", e, None, i % 4) for i in range(300) for e in ("neutral", "sad") for n in "ab"
    ]
    used = pd.DataFrame(rows, columns=["clip_id", "speaker_id", "emotion", "intensity_level", "shard"])
    chosen = choose_clips(used)
    assert len(chosen) == 2 * MAX_SPEAKERS
    numbers = sorted({int(name[1:]) for name in chosen["speaker_id"]})
    assert (numbers[0], numbers[-1]) == (0, 299)
    assert max(np.diff(numbers)) - min(np.diff(numbers)) <= 1
    pd.testing.assert_frame_equal(chosen, choose_clips(used.sample(frac=1, random_state=1)))


def test_a_frame_that_is_gone_is_named(tmp_path: Path) -> None:
    data = PreparedData(make_results(tmp_path, seeds=(0,)) / "data")
    clips = read_table(data.clips, "clips")
    write_table(data.shard("frames", 0), "frames", [])
    with pytest.raises(StageError, match=r"shard=0000\.parquet: holds no frame \d+ of "):
        describe_corpus(data, clips, FPS, 256)
