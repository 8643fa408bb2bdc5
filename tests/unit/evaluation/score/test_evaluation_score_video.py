"""Videos of any kind at 25 fps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from eap.data.media import MediaError
from eap.evaluation.score.video import draw_frames, open_source, scoring_size, whole_frame


def test_frames_and_sound_share_one_clock(tmp_path: Path, clip, talking) -> None:
    source = open_source(clip(tmp_path / "a.mkv"))
    assert len(source) == 16
    assert len(source.pcm16) == 16 * 640
    assert source.sound_fault is None
    # 16-bit sound comes out as it went in
    np.testing.assert_array_equal(source.pcm16, np.round(np.clip(talking[1], -1, 1) * 32767).astype(np.int16))


def test_50_fps_and_a_varying_rate_become_25(tmp_path: Path, clip, talking) -> None:
    frames, _ = talking
    double = open_source(clip(tmp_path / "50.mkv", np.repeat(frames, 2, axis=0), fps=50))
    assert len(double) == 16
    (found,) = draw_frames(double, whole_frame((160, 160)))
    assert np.abs(found.astype(int) - frames).mean() < 8
    # every frame twice as long from the eighth on: 8 x 40 ms, then 8 x 80 ms
    times = [*np.arange(8) * 0.04, *(0.32 + np.arange(8) * 0.08)]
    varying = open_source(clip(tmp_path / "vfr.mkv", times_s=times))
    assert varying.frame_of_tick.tolist()[:8] == list(range(8))
    assert varying.frame_of_tick.tolist()[8:22] == [i for i in range(8, 15) for _ in range(2)]


def test_sound_that_ends_early_is_not_padded(tmp_path: Path, clip, talking) -> None:
    source = open_source(clip(tmp_path / "a.mkv", waveform=talking[1][: 10 * 640]))
    assert len(source) == 16
    assert len(source.pcm16) == 10 * 640


def test_no_sound_is_a_fact_and_not_a_fault(tmp_path: Path, clip) -> None:
    source = open_source(clip(tmp_path / "a.mkv", silent=True))
    assert source.pcm16 is None
    assert source.sound_fault == "no audio stream"
    assert len(source) == 16


def test_the_shorter_side_is_256(tmp_path: Path, clip, talking) -> None:
    source = open_source(clip(tmp_path / "a.mkv", talking[0][:, :120]))
    assert scoring_size(source) == (341, 256)


@pytest.mark.parametrize(("content", "reason"), [(b"", "0 bytes"), (b"not a video", "cannot be decoded")])
def test_what_is_no_video_has_a_reason(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "a.mp4").write_bytes(content)
    with pytest.raises(MediaError, match=reason):
        open_source(tmp_path / "a.mp4")
    with pytest.raises(MediaError, match="no such file"):
        open_source(tmp_path / "b.mp4")
