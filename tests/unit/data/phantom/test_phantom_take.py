"""A take: voice and face follow one curve of valence and arousal."""

from __future__ import annotations

import numpy as np
import pytest

from eap.data.phantom.identity import make_identity
from eap.data.phantom.speech import SAMPLE_RATE
from eap.data.phantom.take import LEVEL_INTENSITY, MIN_FRAMES, act
from eap.data.phantom.truth import FPS
from eap.data.phantom.visemes import CHANNELS

PERSON = make_identity(0, 2)
OPEN = CHANNELS.index("open")


def test_sound_and_frames_have_one_length() -> None:
    take = act(PERSON, "happy", 2, 5, (0, 2, 1))
    n = len(take.va_T2)
    assert n >= MIN_FRAMES
    assert len(take.waveform) == n * SAMPLE_RATE // FPS
    assert len(take.performance) == len(take.visemes) == len(take.performance.pose.yaw_T) == n
    assert np.abs(take.waveform).max() <= 1


def test_intensity_varies_within_the_clip_and_peaks_at_its_level() -> None:
    for level, peak in LEVEL_INTENSITY.items():
        radius = np.linalg.norm(act(PERSON, "angry", level, 3, (0, 2, level)).va_T2, axis=1)
        assert radius.max() == pytest.approx(peak, abs=0.1)
        assert radius.max() - radius.min() > 0.05 * peak


def test_neutral_feels_nothing() -> None:
    take = act(PERSON, "neutral", 1, 3, (0, 2, 0))
    assert not take.va_T2.any()
    assert not take.performance.actions_TA.any()


def test_an_angry_voice_is_louder_and_faster_than_a_sad_one() -> None:
    angry, sad = (act(PERSON, emotion, 3, 8, (0, 2, 7)) for emotion in ("angry", "sad"))
    assert (angry.waveform**2).mean() > 4 * (sad.waveform**2).mean()
    assert len(angry.va_T2) < len(sad.va_T2)


@pytest.mark.parametrize("offset", [-3, 5])
def test_an_offset_moves_the_mouth_and_nothing_else(offset: int) -> None:
    plain, late = (act(PERSON, "happy", 1, 4, (0, 2, 3), by) for by in (0, offset))
    assert np.array_equal(plain.waveform, late.waveform)
    assert np.array_equal(plain.va_T2, late.va_T2)
    assert late.av_offset == offset
    before, after = plain.performance.mouth_TC[:, OPEN], late.performance.mouth_TC[:, OPEN]
    middle = slice(10, 25)
    assert np.allclose(after[10 + offset : 25 + offset], before[middle], atol=0.12)
    assert not np.allclose(after[middle], before[middle], atol=0.12)


def test_takes_differ_by_their_seed_alone() -> None:
    one, same, other = (act(PERSON, "fear", 2, 6, seed) for seed in ((0, 2, 1), (0, 2, 1), (0, 2, 2)))
    assert np.array_equal(one.performance.pose.yaw_T, same.performance.pose.yaw_T)
    assert np.array_equal(one.waveform, same.waveform)
    assert not np.array_equal(one.performance.pose.yaw_T[:20], other.performance.pose.yaw_T[:20])
